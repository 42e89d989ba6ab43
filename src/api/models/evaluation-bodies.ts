/** Bodies of evaluations and their sets. */
import { z } from 'zod';
import type { CandidateView, Comparison, EvaluationView, ModelQuality, SetView } from '../../evaluation/index.ts';
import { evaluationMetrics } from '../../evaluation/index.ts';
import { isoTime } from '../routing/parameters.ts';

const time = z.iso.datetime();
const share = z.number().describe('From 0 to 1.');

export const evaluationSetBody = z.strictObject({
  name: z.string(),
  sha256: z.string().describe('Of the file as uploaded. A set never changes.'),
  bytes: z.number(),
  format: z.enum(['csv', 'jsonl']),
  label: z.string().describe('Column or member with the label. It is hidden from the models.'),
  metric: z.enum(evaluationMetrics),
  rows: z.number(),
  classes: z.array(z.string()).nullable().describe('The labels that occur; null for rmse and mae.'),
  models: z.number().describe('Models that answered the set. A model that is chosen by looking at a set is judged too well by it.'),
  choices: z
    .number()
    .describe(
      'Different questions (candidates with an accuracy) that plans were chosen by, up to 10,000. Each look at a set makes it prove less.',
    ),
  created_by: z.string(),
  created_at: time,
});

const classQualityBody = z.strictObject({
  class: z.string(),
  rows: z.number(),
  precision: share,
  recall: share,
  recall_low: share,
  recall_high: share,
  f1: share,
});

export const qualityBody = z.discriminatedUnion('kind', [
  z.strictObject({
    kind: z.literal('classes'),
    rows: z.number(),
    rows_failed: z.number().describe('Rows without an answer; each counts as an error.'),
    errors: z.number(),
    accuracy: share,
    low: share.describe('Exact 95 % interval of the accuracy (Clopper-Pearson).'),
    high: share,
    macro_f1: share,
    macro_f1_low: share.describe('95 % interval by the bootstrap.'),
    macro_f1_high: share,
    log_loss: z.number().nullable().describe('Null without scores, like the next two.'),
    brier: z.number().nullable(),
    calibration_error: z.number().nullable().describe('Expected calibration error over ten ranges of confidence.'),
    calibration: z
      .array(z.strictObject({ rows: z.number(), confidence: share.nullable(), accuracy: share.nullable() }))
      .describe('Mean confidence and share of right answers by ten ranges of confidence; empty without scores.'),
    per_class: z.array(classQualityBody),
  }),
  z.strictObject({
    kind: z.literal('values'),
    rows: z.number(),
    rows_failed: z.number(),
    rmse: z.number(),
    rmse_low: z.number().describe('95 % interval by the bootstrap.'),
    rmse_high: z.number(),
    mae: z.number(),
  }),
]);

const stateBody = z.enum(['InProgress', 'Completed', 'Failed', 'Stopped']);

export const evaluationBody = z.strictObject({
  id: z.string(),
  state: stateBody,
  reason: z.string().nullable().describe('Why a model failed; null if none did.'),
  set: evaluationSetBody,
  models: z.array(
    z.strictObject({
      model: z.string(),
      state: stateBody,
      reason: z.string().nullable(),
      rows_done: z.number().nullable().describe('Rows answered so far; null if it does not run.'),
      quality: qualityBody.nullable().describe('Null until it has completed.'),
      notes: z.array(z.string()),
      evaluated_at: time.nullable().describe('Earlier than the evaluation if the same artifact had answered the set before.'),
    }),
  ),
  pairs: z
    .array(
      z.strictObject({
        first: z.string(),
        second: z.string(),
        only_first_right: z.number().nullable(),
        only_second_right: z.number().nullable(),
        p_value: z.number().nullable().describe("McNemar's exact test, two-sided; null for values."),
        difference: z.number().describe('Mean loss of the first minus that of the second; below 0 the first is better.'),
        low: z.number().nullable().describe('95 % interval of the difference by the bootstrap; null for classes.'),
        high: z.number().nullable(),
      }),
    )
    .describe('All pairs of models that completed; empty until all have ended.'),
  created_by: z.string(),
  created_at: time,
  ended_at: time.nullable(),
});

export type EvaluationSetBody = z.infer<typeof evaluationSetBody>;
export type QualityBody = z.infer<typeof qualityBody>;
export type EvaluationBody = z.infer<typeof evaluationBody>;

export function evaluationSetBodyOf({ createdBy, createdAtMs, classes, ...set }: SetView): EvaluationSetBody {
  const { name, sha256, bytes, format, label, metric, rows, models, choices } = set;
  const facts = { name, sha256, bytes, format, label, metric, rows, models, choices };
  return { ...facts, classes: classes === null ? null : [...classes], created_by: createdBy, created_at: isoTime(createdAtMs) };
}

export function evaluationBodyOf({ set, candidates, pairs, ...evaluation }: EvaluationView): EvaluationBody {
  return {
    id: evaluation.id,
    state: evaluation.state,
    reason: evaluation.reason,
    set: evaluationSetBodyOf(set),
    models: candidates.map(candidateBodyOf),
    pairs: pairs.map(pairBodyOf),
    created_by: evaluation.createdBy,
    created_at: isoTime(evaluation.createdAtMs),
    ended_at: evaluation.endedAtMs === null ? null : isoTime(evaluation.endedAtMs),
  };
}

function candidateBodyOf({ model, state, reason, rowsDone, outcomes }: CandidateView): EvaluationBody['models'][number] {
  return {
    model,
    state,
    reason,
    rows_done: rowsDone,
    quality: outcomes === null ? null : qualityBodyOf(outcomes.quality),
    notes: [...(outcomes?.notes ?? [])],
    evaluated_at: outcomes === null ? null : isoTime(outcomes.evaluatedAtMs),
  };
}

function pairBodyOf({ onlyFirstRight, onlySecondRight, pValue, ...pair }: Comparison): EvaluationBody['pairs'][number] {
  return { ...pair, only_first_right: onlyFirstRight, only_second_right: onlySecondRight, p_value: pValue };
}

export function qualityBodyOf(quality: ModelQuality): QualityBody {
  if (quality.kind === 'values') {
    const { kind, rows, rowsFailed, rmse, rmseLow, rmseHigh, mae } = quality;
    return { kind, rows, rows_failed: rowsFailed, rmse, rmse_low: rmseLow, rmse_high: rmseHigh, mae };
  }
  const { kind, rows, errors, accuracy, low, high, brier } = quality;
  return {
    kind,
    rows,
    rows_failed: quality.rowsFailed,
    errors,
    accuracy,
    low,
    high,
    macro_f1: quality.macroF1,
    macro_f1_low: quality.macroF1Low,
    macro_f1_high: quality.macroF1High,
    log_loss: quality.logLoss,
    brier,
    calibration_error: quality.calibrationError,
    calibration: quality.calibration.map(({ rows: count, right, confidence }) => ({
      rows: count,
      confidence: count === 0 ? null : confidence / count,
      accuracy: count === 0 ? null : right / count,
    })),
    per_class: quality.perClass.map(({ recallLow, recallHigh, ...each }) => ({ ...each, recall_low: recallLow, recall_high: recallHigh })),
  };
}
