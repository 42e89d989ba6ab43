/** Rows of what was predicted, until labels for it come: for a week, no more than 100,000 calls an endpoint. */
import type { Database } from '../../storage/index.ts';
import type { Predictions } from '../drift/features.ts';

export interface Predicted {
  readonly endpoint: string;
  readonly variant: string;
  readonly inferenceId: string;
  /** Epoch milliseconds. */
  readonly atMs: number;
  readonly kind: Predictions['kind'];
  /** One a row. */
  readonly values: readonly (number | string)[];
}

export interface LiveQuality {
  readonly calls: number;
  readonly labelledCalls: number;
  readonly labelledRows: number;
  /** Share of rows whose class was right; null where nothing was labelled. */
  readonly accuracy: number | null;
  /** Mean absolute error; null as well. */
  readonly meanAbsoluteError: number | null;
}

const keptMs = 7 * 86_400_000;
const keptCalls = 100_000;

/** One of an id that is there takes its place, and its label with it. */
export async function insertPredicted(db: Database, predicted: readonly Predicted[]): Promise<void> {
  const values = predicted.map(({ endpoint, variant, inferenceId, atMs, kind, values: all }) => ({
    endpoint_key: endpoint.toLowerCase(),
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

/** What is too old, and the oldest of each endpoint that has too many. */
export async function clearPredicted(db: Database, endpoints: readonly string[], nowMs: number): Promise<void> {
  await db
    .deleteFrom('observed_predictions')
    .where('at', '<', nowMs - keptMs)
    .execute();
  for (const endpoint of endpoints) {
    const key = endpoint.toLowerCase();
    const last = await db
      .selectFrom('observed_predictions')
      .select('at')
      .where('endpoint_key', '=', key)
      .orderBy('at', 'desc')
      .offset(keptCalls)
      .limit(1)
      .executeTakeFirst();
    if (last !== undefined)
      await db.deleteFrom('observed_predictions').where('endpoint_key', '=', key).where('at', '<=', last.at).execute();
  }
}

/** Over all that is kept. */
export async function readQuality(db: Database, endpoint: string): Promise<LiveQuality> {
  const row = await db
    .selectFrom('observed_predictions')
    .select(({ fn }) => [
      fn.countAll().as('calls'),
      fn.count('labelled_at').as('labelled'),
      fn.sum('hits').as('hits'),
      fn.sum('error_sum').as('errors'),
    ])
    .where('endpoint_key', '=', endpoint.toLowerCase())
    .executeTakeFirst();
  const judged = await db
    .selectFrom('observed_predictions')
    .select(({ fn }) => [fn.sum('rows').as('rows'), fn.count('hits').as('classes')])
    .where('endpoint_key', '=', endpoint.toLowerCase())
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

/** What was predicted within a time, at most 10,000 calls. */
export async function readPredicted(
  db: Database,
  endpoint: string,
  { fromMs, toMs }: { readonly fromMs: number; readonly toMs: number },
): Promise<(number | string)[]> {
  const rows = await db
    .selectFrom('observed_predictions')
    .select('predictions')
    .where('endpoint_key', '=', endpoint.toLowerCase())
    .where('at', '>=', fromMs)
    .where('at', '<', toMs)
    .limit(10_000)
    .execute();
  return rows.flatMap(({ predictions }) => (JSON.parse(predictions) as Pick<Predicted, 'values'>).values);
}
