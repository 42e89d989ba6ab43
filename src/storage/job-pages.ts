/** Pages of the stored jobs of a kind: the filters, orders and page keys that all kinds share. */
import type { Selectable } from 'kysely';
import { nameKey } from '../names.ts';
import type { Database, Tables } from './tables.ts';

/** Filters and order of a list of jobs, as SageMaker's List operations have them. */
export interface JobFilter {
  /** Part of the name, in upper or lower case. */
  readonly nameContains?: string | undefined;
  /** Exclusive, as are the other times; epoch milliseconds. */
  readonly createdAfterMs?: number | null;
  readonly createdBeforeMs?: number | null;
  readonly updatedAfterMs?: number | null;
  readonly updatedBeforeMs?: number | null;
  /** Default: `created_at`. */
  readonly sortBy?: JobSortColumn;
  /** Default true. */
  readonly descending?: boolean;
  /** Start after this value of the sort column and this name key (`jobSortKey`). */
  readonly after?: readonly [string | number, string] | null;
  /** Jobs to leave out before the first; default 0. */
  readonly offset?: number;
  readonly limit: number;
}

/** Columns by which lists of jobs can be sorted. */
export type JobSortColumn = 'name_key' | 'created_at' | 'state';
type JobTable = 'training_jobs' | 'transforms' | 'tuning_jobs';

/** Only jobs in `state`, if there is one, and with or without a prefix of their names, which `nameContains` leaves out. */
export async function pageOfJobs<T extends JobTable>(
  db: Database,
  table: T,
  filter: JobFilter & { readonly state?: string | undefined; readonly prefix?: { readonly text: string; readonly has: boolean } },
): Promise<Selectable<Tables[T]>[]> {
  const { state, prefix, nameContains = '', sortBy = 'created_at', descending = true, after = null, limit, offset = 0 } = filter;
  const order = descending ? 'desc' : 'asc';
  // The tables share the columns used here, but a query on a union of tables has no columns in its type.
  let query = db.selectFrom<'transforms'>(table as 'transforms').selectAll();
  if (state !== undefined) query = query.where('state', '=', state);
  if (prefix !== undefined) query = query.where('name_key', prefix.has ? 'like' : 'not like', `${prefix.text}%`);
  const before = prefix?.has === true ? prefix.text : '';
  if (nameContains !== '') query = query.where('name_key', 'like', before + nameKeyContaining(nameContains));
  for (const [column, bound, value] of [
    ['created_at', '>', filter.createdAfterMs],
    ['created_at', '<', filter.createdBeforeMs],
    ['updated_at', '>', filter.updatedAfterMs],
    ['updated_at', '<', filter.updatedBeforeMs],
  ] as const) {
    if (value !== undefined && value !== null) query = query.where(column, bound, value);
  }
  if (after !== null) {
    query = query.where((row) => row(row.refTuple(sortBy, 'name_key'), descending ? '<' : '>', row.tuple(after[0], after[1])));
  }
  const page = query.orderBy(sortBy, order).orderBy('name_key', order).limit(limit).offset(offset);
  return (await page.execute()) as unknown as Selectable<Tables[T]>[];
}

/** The key of a job for `JobFilter.after`. */
export function jobSortKey(
  job: { readonly name: string; readonly createdAtMs: number; readonly state: string },
  sortBy: JobSortColumn,
): readonly [string | number, string] {
  const key = nameKey(job.name);
  return [{ name_key: key, created_at: job.createdAtMs, state: job.state }[sortBy], key];
}

/** A `like` pattern of name keys. Names consist of letters, digits and hyphens, so other text matches nothing. */
export function nameKeyContaining(part: string): string {
  const key = nameKey(part);
  return /^[a-z0-9-]*$/.test(key) ? `%${key}%` : '';
}
