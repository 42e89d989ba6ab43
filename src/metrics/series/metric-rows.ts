/** Reads and writes the metrics database: groups with metric names, and measured spans. */
import { type Database, inTransaction, type Transaction } from '../../storage/index.ts';
import type { Measured } from './measured.ts';
import { MetricGroup, type MetricName } from './metric-group.ts';
import { decodeRecord, encodeRecord } from './record.ts';

/** Lengths of a span in seconds. */
export const resolutions = [1, 10, 60] as const;
/** Length of a stored span, in seconds. */
export type SpanResolution = (typeof resolutions)[number];

/** The values of a group in the span that starts at `at` (epoch seconds). */
export interface MetricSpanRow {
  readonly group: number;
  readonly resolution: SpanResolution;
  readonly at: number;
  readonly record: ReadonlyMap<number, Measured>;
}

/** Far below the parameter limits of both databases, and short enough not to delay requests. */
const rowsPerInsert = 100;

const tableOf = (resolution: SpanResolution) => `metric_rows_${resolution}` as const;

/** All groups, in the order of their creation. Called once, at the start. */
export async function readGroups(db: Database): Promise<MetricGroup[]> {
  const rows = await db.selectFrom('metric_groups').selectAll().orderBy('id').execute();
  return rows.map(({ id, namespace, dimensions, metrics, last_at }) => {
    const metricKey = { namespace, dimensions: JSON.parse(dimensions) as Record<string, string> };
    return new MetricGroup(Number(id), metricKey, JSON.parse(metrics) as MetricName[], Number(last_at));
  });
}

/** Writes in one transaction. Idempotent: rows are overwritten, not added to. */
export async function writeSpans(db: Database, groups: readonly MetricGroup[], spans: readonly MetricSpanRow[]): Promise<void> {
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

async function writeGroup(tx: Transaction, { id, metricKey, metrics, lastAtMs }: MetricGroup): Promise<void> {
  const changing = { metrics: JSON.stringify(metrics), last_at: Math.floor(lastAtMs) };
  await tx
    .insertInto('metric_groups')
    .values({ id, namespace: metricKey.namespace, dimensions: JSON.stringify(metricKey.dimensions), ...changing })
    .onConflict((conflict) => conflict.column('id').doUpdateSet(changing))
    .execute();
}

/** The stored row of a span; null if there is none. */
export async function readSpanRow(
  db: Database,
  { group, resolution, at }: Omit<MetricSpanRow, 'record'>,
): Promise<Map<number, Measured> | null> {
  const row = await db.selectFrom(tableOf(resolution)).select('data').where('group_id', '=', group).where('at', '=', at).executeTakeFirst();
  return row === undefined ? null : decodeRecord(row.data);
}

/** Values of some metrics in spans from `from` (inclusive) to `to` (exclusive), epoch seconds, ascending. */
export async function readMetrics(
  db: Database,
  { group, metrics, resolution }: { group: number; metrics: readonly number[]; resolution: SpanResolution },
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
  const requested = new Set(metrics);
  const read: { at: number; metric: number; measured: Measured }[] = [];
  for (const { at, data } of rows) {
    for (const [metric, measured] of decodeRecord(data, requested)) read.push({ at: Number(at), metric, measured });
  }
  return read;
}

/** Deletes expired spans; `before` is epoch seconds by resolution. */
export async function clearSpans(db: Database, before: Readonly<Record<SpanResolution, number>>): Promise<void> {
  for (const resolution of resolutions) await db.deleteFrom(tableOf(resolution)).where('at', '<', before[resolution]).execute();
}

/**
 * Deletes about `rowsMax` of the oldest spans that start before `before` (epoch seconds). Returns the second from which spans remain; null
 * if none was that old.
 */
export async function deleteOldestSpans(db: Database, resolution: SpanResolution, before: number, rowsMax: number): Promise<number | null> {
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
 * End (epoch seconds) of the time since `since` for which only the coarse resolution has data. Both are written together, so the fine one
 * was deleted. Null if it is complete.
 */
export async function readDroppedUntil(
  db: Database,
  { fine, coarse }: { readonly fine: SpanResolution; readonly coarse: SpanResolution },
  since: number,
): Promise<number | null> {
  const first = await db.selectFrom(tableOf(fine)).select('at').orderBy('at').limit(1).executeTakeFirst();
  let whole = db.selectFrom(tableOf(coarse)).select('at').where('at', '>=', since).orderBy('at', 'desc').limit(1);
  if (first !== undefined) whole = whole.where('at', '<=', Number(first.at) - coarse);
  const last = await whole.executeTakeFirst();
  return last === undefined ? null : Number(last.at) + coarse;
}

/** Deletes groups with all their data. */
export async function clearGroups(db: Database, ids: readonly number[]): Promise<void> {
  for (let at = 0; at < ids.length; at += rowsPerInsert) {
    const some = ids.slice(at, at + rowsPerInsert);
    for (const resolution of resolutions) await db.deleteFrom(tableOf(resolution)).where('group_id', 'in', some).execute();
    await db.deleteFrom('metric_groups').where('id', 'in', some).execute();
  }
}
