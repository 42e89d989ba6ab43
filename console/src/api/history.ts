/**
 * Appends live data to the columns of a chart and drops what lies before the visible range, so memory does not grow while a page is open.
 */
import type { HistoryBody } from '../../../src/api/index.ts';

type Columns = HistoryBody['columns'];

/** If both contain the same time, `more` wins: the last period of `before` was incomplete. */
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
  return { ...more, at, columns, always_on_usd_per_hour: greater(before.always_on_usd_per_hour, more.always_on_usd_per_hour) };
}

/** The new periods alone may be without traffic, but the cost is that of the peak of all. */
function greater(before: number | null, more: number | null): number | null {
  return before === null || more === null ? (more ?? before) : Math.max(before, more);
}

/** Binary search for the first index with `at[index] >= second`. */
function firstAt(at: readonly number[], second: number): number {
  let [low, high] = [0, at.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((at[middle] ?? 0) < second) low = middle + 1;
    else high = middle;
  }
  return low;
}
