/** Reads and writes minutes of arrivals in the database. */
import { nameKey } from '../../names.ts';
import type { Database, Transaction } from '../../storage/index.ts';
import {
  type MinuteBefore,
  type MinuteRecord,
  minuteKey,
  type SecondCount,
  secondsPerMinute,
  type VariantMinute,
} from './minute-record.ts';

/** Minutes that begin at or after `fromMs` and before `toMs`, epoch milliseconds. */
export interface MinuteRange {
  readonly fromMs: number;
  readonly toMs: number;
}

/** An endpoint, or one of its variants. */
export interface ArrivalSource {
  readonly endpoint: string;
  readonly variant?: string | undefined;
}

/** Far below the parameter limits of both databases. */
const rowsPerInsert = 500;

/** The part of a minute that an earlier server process has stored. */
export async function readPrevious(tx: Transaction, minuteMs: number): Promise<MinuteBefore> {
  const recorded = await tx.selectFrom('recorded_minutes').select('seconds').where('minute', '=', minuteMs).executeTakeFirst();
  const rows = await tx
    .selectFrom('second_arrivals')
    .select(['endpoint_key', 'variant', 'seconds'])
    .where('minute', '=', minuteMs)
    .execute();
  return {
    counted: recorded?.seconds ?? '0'.repeat(secondsPerMinute),
    variants: new Map(rows.map((row) => [minuteKey(row.endpoint_key, row.variant), parseSeconds(row.seconds)])),
  };
}

/** Idempotent: it writes sums instead of adding to them, since a transaction with an unknown result is repeated. */
export async function writeMinute(tx: Transaction, record: MinuteRecord): Promise<void> {
  await tx
    .insertInto('recorded_minutes')
    .values({ minute: record.minuteMs, seconds: record.counted() })
    .onConflict((conflict) => conflict.column('minute').doUpdateSet((row) => ({ seconds: row.ref('excluded.seconds') })))
    .execute();
  const changed = record.changed();
  for (let at = 0; at < changed.length; at += rowsPerInsert) await putVariants(tx, record.minuteMs, changed.slice(at, at + rowsPerInsert));
}

async function putVariants(tx: Transaction, minute: number, variants: readonly VariantMinute[]): Promise<void> {
  const keyOf = ({ endpointKey: endpoint_key, variant }: VariantMinute) => ({ endpoint_key, minute, variant });
  await tx
    .insertInto('minute_arrivals')
    .values(variants.map((each) => ({ ...keyOf(each), requests: each.requests, rows: each.rows })))
    .onConflict((conflict) =>
      conflict
        .columns(['endpoint_key', 'minute', 'variant'])
        .doUpdateSet((row) => ({ requests: row.ref('excluded.requests'), rows: row.ref('excluded.rows') })),
    )
    .execute();
  await tx
    .insertInto('second_arrivals')
    .values(variants.map((each) => ({ ...keyOf(each), seconds: JSON.stringify(each.seconds) })))
    .onConflict((conflict) =>
      conflict.columns(['endpoint_key', 'minute', 'variant']).doUpdateSet((row) => ({ seconds: row.ref('excluded.seconds') })),
    )
    .execute();
}

/** Deletes rows past their retention. */
export async function deleteOldMinutes(tx: Transaction, { minutesMs, secondsMs }: { minutesMs: number; secondsMs: number }): Promise<void> {
  await tx.deleteFrom('second_arrivals').where('minute', '<', secondsMs).execute();
  await tx.deleteFrom('minute_arrivals').where('minute', '<', minutesMs).execute();
  await tx.deleteFrom('recorded_minutes').where('minute', '<', minutesMs).execute();
}

/** Minutes with their counted seconds. */
export async function minutesCounted(db: Database, { fromMs, toMs }: MinuteRange): Promise<{ minute: number; counted: string }[]> {
  return db
    .selectFrom('recorded_minutes')
    .select(['minute', 'seconds as counted'])
    .where('minute', '>=', fromMs)
    .where('minute', '<', toMs)
    .execute();
}

/** Arrivals per minute and variant, without minutes that have none. */
export async function minutesOf(
  db: Database,
  { endpoint, variant }: ArrivalSource,
  { fromMs, toMs }: MinuteRange,
): Promise<{ minute: number; requests: number; rows: number }[]> {
  let query = db
    .selectFrom('minute_arrivals')
    .select(['minute', 'requests', 'rows'])
    .where('endpoint_key', '=', nameKey(endpoint))
    .where('minute', '>=', fromMs)
    .where('minute', '<', toMs);
  if (variant !== undefined) query = query.where('variant', '=', variant);
  return query.execute();
}

/** Arrivals per second and variant, by minute, without minutes that have none. */
export async function secondsOf(
  db: Database,
  { endpoint, variant }: ArrivalSource,
  { fromMs, toMs }: MinuteRange,
): Promise<{ minute: number; seconds: readonly SecondCount[] }[]> {
  let query = db
    .selectFrom('second_arrivals')
    .select(['minute', 'seconds'])
    .where('endpoint_key', '=', nameKey(endpoint))
    .where('minute', '>=', fromMs)
    .where('minute', '<', toMs);
  if (variant !== undefined) query = query.where('variant', '=', variant);
  return (await query.execute()).map(({ minute, seconds }) => ({ minute, seconds: parseSeconds(seconds) }));
}

/** Parses what `writeMinute` wrote. */
function parseSeconds(text: string): SecondCount[] {
  return JSON.parse(text) as SecondCount[];
}
