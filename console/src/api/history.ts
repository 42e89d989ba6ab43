/**
 * What is charted, in columns: joined with what comes later, and cut to the range that is shown, so that an hour of live data takes no more
 * memory than a minute of it.
 */
import type { HistoryBody } from '../../../src/api/index.ts';

type Columns = HistoryBody['columns'];

/** The later one wins where both know a time: its last period has seen more. */
export function joinHistory(before: HistoryBody, more: HistoryBody, fromS: number): HistoryBody {
  const [firstNew = Number.POSITIVE_INFINITY] = more.at;
  const start = firstAt(before.at, fromS);
  const end = firstAt(before.at, firstNew);
  const begin = firstAt(more.at, fromS);
  const at = [...before.at.slice(start, end), ...more.at.slice(begin)];
  const columns = Object.fromEntries(
    Object.entries(more.columns).map(([name, column]) => [
      name,
      [...before.columns[name as keyof Columns].slice(start, end), ...column.slice(begin)],
    ]),
  ) as Columns;
  return { ...more, at, columns };
}

/** The index of the first time that is not before `second`. */
function firstAt(at: readonly number[], second: number): number {
  let [low, high] = [0, at.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((at[middle] ?? 0) < second) low = middle + 1;
    else high = middle;
  }
  return low;
}
