/** Rows of the metrics database: groups with the names of their metrics, and what was measured in each span. */
import { type Database, inTransaction, type Transaction } from '../../storage/index.ts';
import type { Measured } from './measured.ts';
import { MetricGroup, type MetricName } from './metric-group.ts';
import { decodeRecord, encodeRecord } from './record.ts';

/** Seconds of a span. */
export const resolutions = [1, 10, 60] as const;
export type Resolution = (typeof resolutions)[number];

/** What a group measured from `at` (epoch seconds) on. */
export interface Span {
  readonly group: number;
  readonly resolution: Resolution;
  readonly at: number;
  readonly record: ReadonlyMap<number, Measured>;
}

/** Far below the parameters that either database takes; and whoever waits to be served waits for no more than these. */
const rowsPerInsert = 100;

const tableOf = (resolution: Resolution) => `metric_rows_${resolution}` as const;

export async function readGroups(db: Database): Promise<MetricGroup[]> {
  const rows = await db.selectFrom('metric_groups').selectAll().orderBy('id').execute();
  return rows.map(({ id, namespace, dimensions, metrics, last_at }) => {
    const place = { namespace, dimensions: JSON.parse(dimensions) as Record<string, string> };
    return new MetricGroup(Number(id), place, JSON.parse(metrics) as MetricName[], Number(last_at));
  });
}

/** In one transaction; sets rows, adds to none, so that it may be done again. */
export async function writeSpans(db: Database, groups: readonly MetricGroup[], spans: readonly Span[]): Promise<void> {
  await inTransaction(db, async (tx) => {
    for (const group of groups) await writeGroup(tx, group);
    for (const resolution of resolutions) {
      const own = spans.filter((span) => span.resolution === resolution);
      for (let at = 0; at < own.length; at += rowsPerInsert) {
        if (at > 0) await new Promise((resolve) => setImmediate(resolve));
        const values = own
          .slice(at, at + rowsPerInsert)
          .map(({ group, at: second, record }) => ({ group_id: group, at: second, data: encodeRecord(record) }));
        await tx
          .insertInto(tableOf(resolution))
          .values(values)
          .onConflict((conflict) => conflict.columns(['group_id', 'at']).doUpdateSet((row) => ({ data: row.ref('excluded.data') })))
          .execute();
      }
    }
  });
}

async function writeGroup(tx: Transaction, { id, place, metrics, lastAtMs }: MetricGroup): Promise<void> {
  const changing = { metrics: JSON.stringify(metrics), last_at: Math.floor(lastAtMs) };
  await tx
    .insertInto('metric_groups')
    .values({ id, namespace: place.namespace, dimensions: JSON.stringify(place.dimensions), ...changing })
    .onConflict((conflict) => conflict.column('id').doUpdateSet(changing))
    .execute();
}

/** What is there of one span; null where nothing is. */
export async function readSpan(db: Database, { group, resolution, at }: Omit<Span, 'record'>): Promise<Map<number, Measured> | null> {
  const row = await db.selectFrom(tableOf(resolution)).select('data').where('group_id', '=', group).where('at', '=', at).executeTakeFirst();
  return row === undefined ? null : decodeRecord(row.data);
}

/** What a group measured of some metrics, in spans that begin from `from` on and before `to` (epoch seconds), rising. */
export async function readMetrics(
  db: Database,
  { group, metrics, resolution }: { group: number; metrics: readonly number[]; resolution: Resolution },
  { from, to }: { from: number; to: number },
): Promise<{ at: number; metric: number; measured: Measured }[]> {
  const rows = await db
    .selectFrom(tableOf(resolution))
    .select(['at', 'data'])
    .where('group_id', '=', group)
    .where('at', '>=', from)
    .where('at', '<', to)
    .orderBy('at')
    .execute();
  const wished = new Set(metrics);
  const read: { at: number; metric: number; measured: Measured }[] = [];
  for (const { at, data } of rows) {
    for (const [metric, measured] of decodeRecord(data, wished)) read.push({ at: Number(at), metric, measured });
  }
  return read;
}

/** What is older is forgotten: epoch seconds, by resolution. */
export async function clearSpans(db: Database, before: Readonly<Record<Resolution, number>>): Promise<void> {
  for (const resolution of resolutions) await db.deleteFrom(tableOf(resolution)).where('at', '<', before[resolution]).execute();
}

/**
 * Some of the oldest that begin before `before` (epoch seconds): so many rows, or a few more. From which second on there is something left;
 * null where none was that old.
 */
export async function clearOldest(db: Database, resolution: Resolution, before: number, rowsMax: number): Promise<number | null> {
  const table = tableOf(resolution);
  const old = db.selectFrom(table).select('at').where('at', '<', before).orderBy('at');
  if ((await old.limit(1).executeTakeFirst()) === undefined) return null;
  const last = await old
    .offset(rowsMax - 1)
    .limit(1)
    .executeTakeFirst();
  const until = last === undefined ? before : Number(last.at) + 1;
  await db.deleteFrom(table).where('at', '<', until).execute();
  return until;
}

/**
 * Until when (epoch seconds) more is known in a coarser resolution than in a finer one that would have kept it, from `since` on: of that time
 * the finer was dropped, for both are written at once. null where it tells all.
 */
export async function droppedUntil(
  db: Database,
  { fine, coarse }: { readonly fine: Resolution; readonly coarse: Resolution },
  since: number,
): Promise<number | null> {
  const first = await db.selectFrom(tableOf(fine)).select('at').orderBy('at').limit(1).executeTakeFirst();
  let whole = db.selectFrom(tableOf(coarse)).select('at').where('at', '>=', since).orderBy('at', 'desc').limit(1);
  if (first !== undefined) whole = whole.where('at', '<=', Number(first.at) - coarse);
  const last = await whole.executeTakeFirst();
  return last === undefined ? null : Number(last.at) + coarse;
}

/** With all that they measured. */
export async function clearGroups(db: Database, ids: readonly number[]): Promise<void> {
  for (let at = 0; at < ids.length; at += rowsPerInsert) {
    const some = ids.slice(at, at + rowsPerInsert);
    for (const resolution of resolutions) await db.deleteFrom(tableOf(resolution)).where('group_id', 'in', some).execute();
    await db.deleteFrom('metric_groups').where('id', 'in', some).execute();
  }
}
