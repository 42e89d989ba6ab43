/** Stores predictions until labels arrive: for a week, at most 100,000 calls per endpoint. */
import { nameKey } from '../../names.ts';
import type { Database } from '../../storage/index.ts';
import type { Predictions } from '../drift/features.ts';

export interface StoredPrediction {
  readonly endpoint: string;
  readonly variant: string;
  readonly inferenceId: string;
  /** Epoch milliseconds. */
  readonly atMs: number;
  readonly kind: Predictions['kind'];
  /** One per row. */
  readonly values: readonly (number | string)[];
}

/** How well the stored predictions of an endpoint match the labels received so far. */
export interface LiveQuality {
  readonly calls: number;
  readonly labelledCalls: number;
  readonly labelledRows: number;
  /** Share of rows with the right class; null without labels. */
  readonly accuracy: number | null;
  /** Mean absolute error; null without labels. */
  readonly meanAbsoluteError: number | null;
}

const retentionMs = 7 * 86_400_000;
const callsMax = 100_000;

/** Replaces predictions of the same id, including their labels. */
export async function insertPredicted(db: Database, predicted: readonly StoredPrediction[]): Promise<void> {
  const values = predicted.map(({ endpoint, variant, inferenceId, atMs, kind, values: all }) => ({
    endpoint_key: nameKey(endpoint),
    inference_id: inferenceId,
    variant,
    at: atMs,
    rows: all.length,
    is_class: kind === 'class' ? (1 as const) : (0 as const),
    predictions: JSON.stringify({ kind, values: all }),
    labelled_at: null,
    hits: null,
    error_sum: null,
  }));
  await db
    .insertInto('observed_predictions')
    .values(values)
    .onConflict((conflict) =>
      conflict.columns(['endpoint_key', 'inference_id']).doUpdateSet((excluded) => ({
        variant: excluded.ref('excluded.variant'),
        at: excluded.ref('excluded.at'),
        rows: excluded.ref('excluded.rows'),
        is_class: excluded.ref('excluded.is_class'),
        predictions: excluded.ref('excluded.predictions'),
        labelled_at: null,
        hits: null,
        error_sum: null,
      })),
    )
    .execute();
}

/** Deletes expired predictions, and the oldest of each endpoint beyond the limit. */
export async function clearPredicted(db: Database, endpoints: readonly string[], nowMs: number): Promise<void> {
  await db
    .deleteFrom('observed_predictions')
    .where('at', '<', nowMs - retentionMs)
    .execute();
  for (const endpoint of endpoints) {
    const key = nameKey(endpoint);
    const last = await db
      .selectFrom('observed_predictions')
      .select('at')
      .where('endpoint_key', '=', key)
      .orderBy('at', 'desc')
      .offset(callsMax)
      .limit(1)
      .executeTakeFirst();
    if (last !== undefined)
      await db.deleteFrom('observed_predictions').where('endpoint_key', '=', key).where('at', '<=', last.at).execute();
  }
}

/** Over all stored predictions. */
export async function readQuality(db: Database, endpoint: string): Promise<LiveQuality> {
  const row = await db
    .selectFrom('observed_predictions')
    .select(({ fn }) => [
      fn.countAll().as('calls'),
      fn.count('labelled_at').as('labelled'),
      fn.sum('hits').as('hits'),
      fn.sum('error_sum').as('errors'),
    ])
    .where('endpoint_key', '=', nameKey(endpoint))
    .executeTakeFirst();
  const judged = await db
    .selectFrom('observed_predictions')
    .select(({ fn }) => [fn.sum('rows').as('rows'), fn.count('hits').as('classes')])
    .where('endpoint_key', '=', nameKey(endpoint))
    .where('labelled_at', 'is not', null)
    .groupBy('is_class')
    .select('is_class')
    .execute();
  const rowsOf = (isClass: number): number => Number(judged.find(({ is_class }) => Number(is_class) === isClass)?.rows ?? 0);
  const [classRows, valueRows] = [rowsOf(1), rowsOf(0)];
  return {
    calls: Number(row?.calls ?? 0),
    labelledCalls: Number(row?.labelled ?? 0),
    labelledRows: classRows + valueRows,
    accuracy: classRows === 0 ? null : Number(row?.hits ?? 0) / classRows,
    meanAbsoluteError: valueRows === 0 ? null : Number(row?.errors ?? 0) / valueRows,
  };
}

/** Rows that were answered since a time and have labels of classes, and how many of them were right. */
export async function readLabelled(
  db: Database,
  { endpoint, variant, sinceMs }: { readonly endpoint: string; readonly variant: string; readonly sinceMs: number },
): Promise<{ readonly rows: number; readonly hits: number }> {
  const found = await db
    .selectFrom('observed_predictions')
    .select(({ fn }) => [fn.sum('rows').as('rows'), fn.sum('hits').as('hits')])
    .where('endpoint_key', '=', nameKey(endpoint))
    .where('variant', '=', variant)
    .where('is_class', '=', 1)
    .where('at', '>=', sinceMs)
    .where('labelled_at', 'is not', null)
    .executeTakeFirst();
  return { rows: Number(found?.rows ?? 0), hits: Number(found?.hits ?? 0) };
}

/** Predictions within a time span, at most 10,000 calls. */
export async function readPredicted(
  db: Database,
  endpoint: string,
  { fromMs, toMs }: { readonly fromMs: number; readonly toMs: number },
): Promise<(number | string)[]> {
  const rows = await db
    .selectFrom('observed_predictions')
    .select('predictions')
    .where('endpoint_key', '=', nameKey(endpoint))
    .where('at', '>=', fromMs)
    .where('at', '<', toMs)
    .limit(10_000)
    .execute();
  return rows.flatMap(({ predictions }) => (JSON.parse(predictions) as Pick<StoredPrediction, 'values'>).values);
}
