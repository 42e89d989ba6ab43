/** Decisions and plans as the native API tells them: what was chosen, from what, why, and what came of it. */
import { z } from 'zod';
import { chosenScalingBody, scalingAlternativeBody, scalingEffectBody, scalingInputsBody } from './scaling-decision-bodies.ts';

const price = z.number().describe('US dollars.');

export const settingBody = z.strictObject({
  memory_mib: z.number(),
  batch_size_max: z.number().describe('Rows that leave together at most.'),
  wait_ms_max: z.number().nullable().describe('How long the first row waits for company; null where its slack says so.'),
});

export const predictionBody = z.strictObject({
  p50_ms: z.number(),
  p95_ms: z.number(),
  p99_ms: z.number(),
  within_slo: z.number().describe('Share of the requests within the objective; 1 without one.'),
  mean_batch: z.number().describe('Rows.'),
  cost_usd_per_million: price.describe('US dollars for a million rows, as functions are billed.'),
});

export const alternativeBody = settingBody.extend({
  label: z.enum(['chosen', 'current', 'no-batching', 'runner-up', 'cheapest-infeasible', 'fastest']),
  policy: z.enum(['slack', 'timeout', 'work-conserving']),
  predicted: predictionBody,
  feasible: z.boolean().describe('Whether it would keep the objective.'),
  rejected_because: z.string().nullable(),
});

export const batchingPolicies = ['slack', 'batch', 'batch-paper', 'fixed', 'none'] as const;

export const policyBody = z.strictObject({
  kind: z.enum(batchingPolicies),
  batch_size_max: z.number().optional(),
  wait_ms_max: z.number().optional(),
});

export const arrivalFactsBody = z.strictObject({
  source: z.enum(['poisson', 'map', 'replay', 'simulator']).describe('What the choice was computed from.'),
  rate_per_second: z.number(),
  forecast_rate_per_second: z.number().nullable(),
  scv: z.number().nullable().describe('Squared coefficient of variation of the gaps: 1 at random, more in bursts; null while unknown.'),
  correlation_decay: z.number().nullable(),
  index_of_dispersion: z.number().nullable(),
  sample_count: z.number().describe('Arrivals that were seen.'),
  notes: z.array(z.string()),
});

export const candidatesBody = z.strictObject({
  considered: z.number(),
  evaluated: z.number(),
  feasible: z.number(),
});

export const sizeProfilesBody = z.array(
  z.strictObject({
    memory_mib: z.number(),
    basis: z.string().describe('measured, derived from another size, or unlimited: measured where memory does not limit the processor.'),
    measured_at: z.iso.datetime(),
  }),
);

export const batchingInputsBody = z.strictObject({
  model: z.string().describe('group/version'),
  objective: z.string().nullable(),
  margin_ms: z.number().describe('Held back from the objective for what predictions are wrong by.'),
  memory_mib: z.union([z.number(), z.literal('auto')]),
  policy: policyBody,
  arrivals: arrivalFactsBody,
  profiles: sizeProfilesBody,
  prices: z.strictObject({ usd_per_invocation: price, usd_per_gb_second: price, billing_granularity_ms: z.number() }),
  cold_start: z.strictObject({ probability: z.number(), ms: z.number() }),
  candidates: candidatesBody,
  compute_ms: z.number(),
});

export const batchingEffectBody = predictionBody.extend({
  requests: z.number(),
  mean_wait_ms: z.number(),
  cold_starts: z.number(),
  p95_error_percent: z.number().describe('By how much the prediction was above (or, negative, below) what was measured.'),
  cost_error_percent: z.number(),
});

/** How a variant stands with the decision that is in force. */
export const standingBody = z.strictObject({
  id: z.string(),
  feasible: z.boolean().describe('Whether the objective can be kept, as far as is known.'),
  reason: z.string(),
  predicted: predictionBody.nullable(),
  measured: batchingEffectBody.nullable().describe('Of the requests served under it; while there are none, under the one before.'),
});

const envelope = {
  id: z.string(),
  endpoint: z.string(),
  variant: z.string(),
  at: z.iso.datetime(),
  changes: z.boolean().describe('Whether anything is different from then on.'),
  reason: z.string(),
  explanation: z.string(),
};

export const decisionBody = z.strictObject({
  ...envelope,
  kind: z.literal('batching'),
  trigger: z.string().describe('deploy, period, profile, change-point or manual.'),
  inputs: batchingInputsBody,
  alternatives: z.array(alternativeBody),
  chosen: settingBody,
  effect: batchingEffectBody.nullable().describe('What was measured of the requests served under it; null until that is known.'),
});

export const scalingDecisionBody = z.strictObject({
  ...envelope,
  kind: z.literal('scaling'),
  trigger: z.string().describe('period, fast, restore or manual.'),
  inputs: scalingInputsBody,
  alternatives: z.array(scalingAlternativeBody),
  chosen: chosenScalingBody,
  effect: scalingEffectBody.nullable().describe('What came of it, two slots after the one that was decided for; null until then.'),
  effect_unknown: z.string().nullable().describe('Why nobody will know what came of it: the server was restarted, say; null otherwise.'),
});

/** How batches are formed, or how many instances there are. */
export const anyDecisionBody = z.discriminatedUnion('kind', [decisionBody, scalingDecisionBody]);

export const planBody = z.strictObject({
  model: z.string(),
  objective: z.string().nullable(),
  feasible: z.boolean().describe('Whether any setting keeps the objective; where none does, the one chosen comes closest.'),
  chosen: settingBody,
  alternatives: z.array(alternativeBody),
  reason: z.string(),
  explanation: z.string(),
  arrivals: arrivalFactsBody,
  profiles: sizeProfilesBody,
  functions: z
    .strictObject({
      needed: z.number().describe('Busy at once, about, at most.'),
      busy_mean: z.number(),
      max_concurrency: z.number(),
      keep_alive_ms: z.number(),
      cold_start_share: z.number().describe('Of the batches: those that come longer than the keep-alive after the one before.'),
      cold_start_ms: z.number(),
    })
    .nullable()
    .describe('The functions it would take; null where no size holds the model.'),
  candidates: candidatesBody,
  compute_ms: z.number(),
});

export type SettingBody = z.infer<typeof settingBody>;
export type PredictionBody = z.infer<typeof predictionBody>;
export type AlternativeBody = z.infer<typeof alternativeBody>;
export type PolicyBody = z.infer<typeof policyBody>;
export type DecisionBody = z.infer<typeof decisionBody>;
export type ScalingDecisionBody = z.infer<typeof scalingDecisionBody>;
export type AnyDecisionBody = z.infer<typeof anyDecisionBody>;
export type StandingBody = z.infer<typeof standingBody>;
export type PlanBody = z.infer<typeof planBody>;
