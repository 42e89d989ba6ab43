/** Scores predictions against labels. Pure. */
import type { Predictions } from '../drift/features.ts';

/** A class as text or truth value, or a number. */
export type Label = number | string | boolean;

/** The comparison of one call with its labels. */
export interface Score {
  readonly rows: number;
  /** Rows with the right class; null if values were predicted. */
  readonly hits: number | null;
  /** Sum of absolute differences; null if classes were predicted. */
  readonly errorSum: number | null;
}

/** Null if the labels do not match in number, or a number is expected and a text is given. One label per row. */
export function scoreOf({ kind, values }: Pick<Predictions, 'kind' | 'values'>, labels: readonly Label[]): Score | null {
  if (labels.length !== values.length) return null;
  if (kind === 'class') {
    const hits = values.filter((value, row) => isSame(value, labels[row] as Label)).length;
    return { rows: values.length, hits, errorSum: null };
  }
  const errors = values.map((value, row) => Math.abs(Number(value) - Number(labels[row])));
  if (errors.some((error) => !Number.isFinite(error))) return null;
  return { rows: values.length, hits: null, errorSum: errors.reduce((sum, error) => sum + error, 0) };
}

/** Rows on which one of two answers of classes is right and the other is not. One label per row. */
export function pairsOf(
  one: Predictions['values'],
  other: Predictions['values'],
  labels: readonly Label[],
): { readonly better: number; readonly worse: number } {
  let [better, worse] = [0, 0];
  for (const [row, label] of labels.entries()) {
    const [isRight, isOtherRight] = [one[row], other[row]].map((value) => value !== undefined && isSame(value, label));
    if (isRight && !isOtherRight) better++;
    if (!isRight && isOtherRight) worse++;
  }
  return { better, worse };
}

/** 3, '3' and '3.0' are the same class; true is 1. */
function isSame(value: number | string, label: Label): boolean {
  const truth = typeof label === 'boolean' ? Number(label) : label;
  return String(value) === String(truth) || (truth !== '' && value !== '' && Number(value) === Number(truth));
}
