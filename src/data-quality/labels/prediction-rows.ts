/** Stores predictions until labels arrive: for a week, at most 100,000 calls per endpoint. */
import { nameKey } from '../../names.ts';
import type { Database } from '../../storage/index.ts';
import { nextTurn } from '../../threads/index.ts';
import type { Predictions } from '../drift/features.ts';

/** The prediction of a call, to be compared with its labels later. */
export interface StoredPrediction {
  readonly endpoint: string;
  readonly variant: string;
  readonly inferenceId: string;
  /** Epoch milliseconds. */
  readonly atMs: number;
  readonly kind: Predictions['kind'];
  /** One per row. */
  readonly values: readonly (number | string)[];
  readonly requestId?: string;
  /** The plan of a selection that answered. */
  readonly plan?: string | undefined;
  /** The largest score of the row that is least sure; null if the model returns none. */
  readonly scoreMin?: number | null;
}

/** The answer of another plan of a selection to a call. */
export interface ShadowPrediction {
  readonly endpoint: string;
  readonly requestId: string;
  readonly plan: string;
  /** Classes by row. */
  readonly values: readonly (number | string)[];
  /** Those that it is compared with; absent: those of the call. */
  readonly against?: readonly (number | string)[];
}

/** Labelled rows, and the correct ones among them. */
export interface HitCounts {
  readonly rows: number;
  /** Rows with the correct class. */
  readonly hits: number;
}

/** Rows that have labels of classes. */
export interface LabelledAnswers extends HitCounts {
  /** Rows with labels of callers that may deploy. */
  readonly trusted: HitCounts;
  /** By plan of a selection, including those that ran in idle time. */
  readonly plans: ReadonlyMap<string, HitCounts>;
}

/** How well the stored predictions of an endpoint match the labels received so far. */
export interface LiveQuality {
  readonly calls: number;
  readonly labelledCalls: number;
  readonly labelledRows: number;
  /** Share of rows with the correct class; null without labels. */
  readonly accuracy: number | null;
  /** Mean absolute error; null without labels. */
  readonly meanAbsoluteError: number | null;
}

const retentionMs = 7 * 86_400_000;
const callsMax = 100_000;
const readMax = 10_000;
/** Calls parsed before yielding to the event loop: of at most 1,000 rows each. */
export const readAtOnce = 100;

/** Replaces predictions of the same id, including their labels. */
export async function insertPredicted(db: Database, predicted: readonly StoredPrediction[]): Promise<void> {
  const values = predicted.map(({ endpoint, variant, inferenceId, atMs, kind, values: all, requestId, plan, scoreMin }) => ({
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
    request_id: requestId ?? null,
    plan: plan ?? null,
    shadow_plan: null,
    shadow_predictions: null,
    shadow_hits: null,
    shadow_against: null,
    shadow_better: null,
    shadow_worse: null,
    label_trusted: null,
    score_min: scoreMin ?? null,
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
        request_id: excluded.ref('excluded.request_id'),
        plan: excluded.ref('excluded.plan'),
        score_min: excluded.ref('excluded.score_min'),
        labelled_at: null,
        hits: null,
        error_sum: null,
        shadow_plan: null,
        shadow_predictions: null,
        shadow_hits: null,
        shadow_against: null,
        shadow_better: null,
        shadow_worse: null,
        label_trusted: null,
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

/** Adds answers of other plans to calls whose predictions are stored. Other calls are ignored. */
export async function addShadowPredictions(db: Database, shadows: readonly ShadowPrediction[]): Promise<void> {
  for (const { endpoint, requestId, plan, values, against } of shadows) {
    if (against !== undefined && against.length !== values.length) continue;
    await db
      .updateTable('observed_predictions')
      .set({
        shadow_plan: plan,
        shadow_predictions: JSON.stringify(values),
        shadow_against: against === undefined ? null : JSON.stringify(against),
      })
      .where('endpoint_key', '=', nameKey(endpoint))
      .where('request_id', '=', requestId)
      .where('rows', '=', values.length)
      .execute();
  }
}

/** Rows of a variant that were answered since a time and have labels of classes. */
export async function readLabelled(
  db: Database,
  { endpoint, variant, sinceMs }: { readonly endpoint: string; readonly variant: string; readonly sinceMs: number },
): Promise<LabelledAnswers> {
  const labelled = db
    .selectFrom('observed_predictions')
    .where('endpoint_key', '=', nameKey(endpoint))
    .where('variant', '=', variant)
    .where('is_class', '=', 1)
    .where('at', '>=', sinceMs)
    .where('labelled_at', 'is not', null);
  const served = await labelled
    .select(({ fn }) => ['plan', 'label_trusted', fn.sum('rows').as('rows'), fn.sum('hits').as('hits')])
    .groupBy(['plan', 'label_trusted'])
    .execute();
  const shadowed = await labelled
    .where('shadow_hits', 'is not', null)
    .select(({ fn }) => ['shadow_plan as plan', fn.sum('rows').as('rows'), fn.sum('shadow_hits').as('hits')])
    .groupBy('shadow_plan')
    .execute();
  const plans = new Map<string, HitCounts>();
  for (const { plan, ...counts } of [...served, ...shadowed]) {
    if (plan !== null) plans.set(plan, sumOf([plans.get(plan) ?? noHits, counts]));
  }
  return { ...sumOf(served), trusted: sumOf(served.filter((row) => Number(row.label_trusted) === 1)), plans };
}

/** Rows with labels of callers that may deploy, which a challenger and its incumbent do not both answer rightly or wrongly. */
export interface DiscordantPairs {
  /** Labelled rows that both answered. */
  readonly rows: number;
  /** Only the challenger is right, or only the incumbent. */
  readonly better: number;
  readonly worse: number;
}

/** Rows on which exactly one of two plans was right; the others say nothing about which is better. */
export async function readDiscordant(
  db: Database,
  {
    endpoint,
    variant,
    sinceMs,
    plan,
  }: { readonly endpoint: string; readonly variant: string; readonly sinceMs: number; readonly plan: string },
): Promise<DiscordantPairs> {
  const counts = await db
    .selectFrom('observed_predictions')
    .select(({ fn }) => [fn.sum('rows').as('rows'), fn.sum('shadow_better').as('better'), fn.sum('shadow_worse').as('worse')])
    .where('endpoint_key', '=', nameKey(endpoint))
    .where('variant', '=', variant)
    .where('is_class', '=', 1)
    .where('at', '>=', sinceMs)
    .where('shadow_plan', '=', plan)
    .where('shadow_better', 'is not', null)
    .where('label_trusted', '=', 1)
    .executeTakeFirst();
  return { rows: Number(counts?.rows ?? 0), better: Number(counts?.better ?? 0), worse: Number(counts?.worse ?? 0) };
}

const noHits: HitCounts = { rows: 0, hits: 0 };

function sumOf(counts: readonly { readonly rows: unknown; readonly hits: unknown }[]): HitCounts {
  const total = (member: 'rows' | 'hits'): number => counts.reduce((sum, each) => sum + Number(each[member] ?? 0), 0);
  return { rows: total('rows'), hits: total('hits') };
}

/** Predictions within a time span, at most 10,000 calls. */
export async function readPredicted(
  db: Database,
  endpoint: string,
  { fromMs, toMs }: { readonly fromMs: number; readonly toMs: number },
): Promise<(number | string)[]> {
  const within = db
    .selectFrom('observed_predictions')
    .select('predictions')
    .where('endpoint_key', '=', nameKey(endpoint))
    .where('at', '>=', fromMs)
    .where('at', '<', toMs)
    .orderBy('at')
    .orderBy('inference_id');
  const values: (number | string)[] = [];
  for (let offset = 0; offset < readMax; offset += readAtOnce) {
    const rows = await within.limit(readAtOnce).offset(offset).execute();
    for (const { predictions } of rows) values.push(...(JSON.parse(predictions) as Pick<StoredPrediction, 'values'>).values);
    if (rows.length < readAtOnce) break;
    await nextTurn();
  }
  return values;
}
