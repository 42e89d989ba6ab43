/** What a time chart is drawn from, as pure functions: stacks, the top of its axis, the rows of its table, its sentence. */
export type Column = readonly (number | null)[];

/** Each column on top of those before it. Where nothing is known of any, there is a gap. */
export function stacked(columns: readonly Column[]): (number | null)[][] {
  const length = Math.max(0, ...columns.map((column) => column.length));
  const sums = new Array<number>(length).fill(0);
  return columns.map((column) =>
    sums.map((sum, index) => {
      const isGap = columns.every((other) => (other[index] ?? null) === null);
      sums[index] = sum + (column[index] ?? 0);
      return isGap ? null : (sums[index] ?? null);
    }),
  );
}

type Points = ArrayLike<number | null | undefined>;

/** Where a value between two gaps makes no line, so that it is a dot: not where it adds nothing to what it is stacked on; null where to nothing. */
export function dots(column: Points, below: Points | null): number[] {
  const isGap = (index: number): boolean => (column[index] ?? null) === null;
  return Array.from(column, (_, index) => index).filter((index) => {
    if (isGap(index) || !isGap(index - 1) || !isGap(index + 1)) return false;
    return below === null || (column[index] ?? 0) > (below[index] ?? 0);
  });
}

export function maxOf(columns: readonly Column[]): number {
  let max = 0;
  for (const column of columns) for (const value of column) if (value !== null && value > max) max = value;
  return max;
}

const steps = [1, 1.5, 2, 3, 4, 5, 6, 8, 10];

/** A round number above the values, with room for the line that is promised. */
export function topFor(max: number, objective = 0): number {
  const wanted = Math.max(max * 1.08, objective * 1.35);
  if (wanted <= 0) return 1;
  const power = 10 ** Math.floor(Math.log10(wanted));
  return (steps.find((step) => step * power >= wanted) ?? 10) * power;
}

/** Live data must not jump: the top rises with the values, and comes down only where it is more than twice too high. */
export function steadyTop(before: number | null, wanted: number): number {
  if (before === null || wanted > before || before > wanted * 2.5) return wanted;
  return before;
}

export function lastOf(column: Column): number | null {
  for (let index = column.length - 1; index >= 0; index--) {
    const value = column[index];
    if (value !== null && value !== undefined) return value;
  }
  return null;
}

/** At most so many rows, evenly taken, the latest first. */
export function tableRows(at: readonly number[], rowsMax = 60): number[] {
  const step = Math.max(1, Math.ceil(at.length / rowsMax));
  const rows: number[] = [];
  for (let index = at.length - 1; index >= 0; index -= step) rows.push(index);
  return rows;
}
