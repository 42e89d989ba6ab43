/** Data of a time chart, as pure functions: stacks, the top of its axis and the rows of its table. */
/** Values of a line by time; null is a gap. */
export type ChartColumn = readonly (number | null)[];

/** Stacks each column on those before it. A point is a gap only if all columns have one there. */
export function stacked(columns: readonly ChartColumn[]): (number | null)[][] {
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

/**
 * Indexes of values between two gaps, which no line would show and which are drawn as dots. In a stack, values that add nothing to
 * `below` are left out; `below` is null for lines that are not stacked.
 */
export function dots(column: Points, below: Points | null): number[] {
  const isGap = (index: number): boolean => (column[index] ?? null) === null;
  return Array.from(column, (_, index) => index).filter((index) => {
    if (isGap(index) || !isGap(index - 1) || !isGap(index + 1)) return false;
    return below === null || (column[index] ?? 0) > (below[index] ?? 0);
  });
}

/** The largest value of all columns; 0 if there is none. */
export function maxOf(columns: readonly ChartColumn[]): number {
  let max = 0;
  for (const column of columns) for (const value of column) if (value !== null && value > max) max = value;
  return max;
}

const steps = [1, 1.5, 2, 3, 4, 5, 6, 8, 10];

/** A round number above all values, with room for the line of the objective. */
export function topFor(max: number, objective = 0): number {
  const wanted = Math.max(max * 1.08, objective * 1.35);
  if (wanted <= 0) return 1;
  const power = 10 ** Math.floor(Math.log10(wanted));
  return (steps.find((step) => step * power >= wanted) ?? 10) * power;
}

/** Keeps the axis from jumping: the top rises with the values and falls only if it is more than 2.5 times too high. */
export function steadyTop(before: number | null, wanted: number): number {
  if (before === null || wanted > before || before > wanted * 2.5) return wanted;
  return before;
}

/** The latest value; null if there is none. */
export function lastOf(column: ChartColumn): number | null {
  for (let index = column.length - 1; index >= 0; index--) {
    const value = column[index];
    if (value !== null && value !== undefined) return value;
  }
  return null;
}

/** At most `rowsMax` indexes, evenly spaced, latest first. */
export function tableRows(at: readonly number[], rowsMax = 60): number[] {
  const step = Math.max(1, Math.ceil(at.length / rowsMax));
  const rows: number[] = [];
  for (let index = at.length - 1; index >= 0; index -= step) rows.push(index);
  return rows;
}
