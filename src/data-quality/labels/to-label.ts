/** Which calls are worth a label: those on which two plans of a selection disagree, then those that were answered with the least certainty. */
import { nameKey } from '../../names.ts';
import type { Database } from '../../storage/index.ts';
import { nextTurn } from '../../threads/index.ts';
import { readAtOnce, type StoredPrediction } from './prediction-rows.ts';

/** A stored call with the answers that it got. */
export interface CallToLabel {
  readonly inferenceId: string;
  readonly variant: string;
  /** Epoch milliseconds. */
  readonly atMs: number;
  /** The plan that answered; null without a selection. */
  readonly plan: string | null;
  /** The answer to each row. */
  readonly values: StoredPrediction['values'];
  /** What another plan answers in idle time; null if none was run, or if both agree. */
  readonly other: { readonly plan: string; readonly values: StoredPrediction['values'] } | null;
  /** Rows, from 0, on which they differ. */
  readonly rows: readonly number[];
  /** The largest score of the row that is least sure; null if the model returns none. */
  readonly scoreMin: number | null;
}

/** Compared calls that are looked at, newest first. */
const comparedMax = 1000;
/** Limit of one list. */
export const toLabelMax = 1000;

/** Calls without labels, at most `limit`. */
export async function readToLabel(db: Database, endpoint: string, limit: number): Promise<readonly CallToLabel[]> {
  const unlabelled = db
    .selectFrom('observed_predictions')
    .select(['inference_id', 'variant', 'at', 'plan', 'predictions', 'shadow_plan', 'shadow_predictions', 'shadow_against', 'score_min'])
    .where('endpoint_key', '=', nameKey(endpoint))
    .where('is_class', '=', 1)
    .where('labelled_at', 'is', null);
  const compared = unlabelled.where('shadow_predictions', 'is not', null).orderBy('at', 'desc').orderBy('inference_id');
  const differing: CallToLabel[] = [];
  for (let offset = 0; offset < comparedMax; offset += readAtOnce) {
    const page = await compared.limit(readAtOnce).offset(offset).execute();
    differing.push(...page.map(callToLabel).filter(({ rows }) => rows.length > 0));
    if (page.length < readAtOnce) break;
    await nextTurn();
  }
  const disagreed = differing
    // Of as many rows, the newest first, as they are.
    .sort((a, b) => b.rows.length / b.values.length - a.rows.length / a.values.length)
    .slice(0, limit);
  if (disagreed.length === limit) return disagreed;
  const known = new Set(disagreed.map(({ inferenceId }) => inferenceId));
  const unsure = await unlabelled.where('score_min', 'is not', null).orderBy('score_min').orderBy('at', 'desc').limit(limit).execute();
  const others = unsure.map(callToLabel).filter(({ inferenceId }) => !known.has(inferenceId));
  return [...disagreed, ...others].slice(0, limit);
}

interface UnlabelledRow {
  readonly inference_id: string;
  readonly variant: string;
  readonly at: number | string;
  readonly plan: string | null;
  readonly predictions: string;
  readonly shadow_plan: string | null;
  readonly shadow_predictions: string | null;
  readonly shadow_against: string | null;
  readonly score_min: number | null;
}

function callToLabel(row: UnlabelledRow): CallToLabel {
  const { values } = JSON.parse(row.predictions) as Pick<StoredPrediction, 'values'>;
  const other = valuesIn(row.shadow_predictions);
  const against = valuesIn(row.shadow_against) ?? values;
  const rows = other === null ? [] : [...other.keys()].filter((i) => String(other[i]) !== String(against[i]));
  return {
    inferenceId: row.inference_id,
    variant: row.variant,
    atMs: Number(row.at),
    plan: row.plan,
    values,
    other: other === null || rows.length === 0 ? null : { plan: row.shadow_plan ?? '', values: other },
    rows,
    scoreMin: row.score_min,
  };
}

function valuesIn(stored: string | null): StoredPrediction['values'] | null {
  return stored === null ? null : (JSON.parse(stored) as StoredPrediction['values']);
}
