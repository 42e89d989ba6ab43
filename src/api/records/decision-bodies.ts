/** Bodies of decisions and batching plans: the choice, its inputs, its alternatives, its reason and its measured effect. */
import { z } from 'zod';
import { hostSetDecisionShape } from './host-set-decisions.ts';
import { placementDecisionShape } from './placement-decisions.ts';
import { chosenScalingBody, scalingAlternativeBody, scalingEffectBody, scalingInputsBody } from './scaling-decision-bodies.ts';
import { selectionDecisionShape } from './selection-decision-bodies.ts';
import { trainingDecisionShape } from './training-decisions.ts';

const price = z.number().describe('US dollars.');

export const settingBody = z.strictObject({
  memory_mib: z.number(),
  batch_size_max: z.number().describe('Maximum batch size, in rows.'),
  wait_ms_max: z.number().nullable().describe('How long the first row waits for more; null: its slack decides.'),
});

export const predictionBody = z.strictObject({
  p50_ms: z.number(),
  p95_ms: z.number(),
  p99_ms: z.number(),
  within_slo: z.number().describe('Share of the requests that meet the objective; 1 without an objective.'),
  mean_batch: z.number().describe('Rows.'),
  cost_usd_per_million: price.describe('US dollars per million rows, as billed for functions.'),
});

export const alternativeBody = settingBody.extend({
  label: z.enum(['chosen', 'current', 'no-batching', 'runner-up', 'cheapest-infeasible', 'fastest']),
  policy: z.enum(['slack', 'timeout', 'work-conserving']),
  predicted: predictionBody,
  feasible: z.boolean().describe('Whether it would meet the objective.'),
  rejected_because: z.string().nullable(),
});

export const batchingPolicies = ['slack', 'batch', 'batch-paper', 'fixed', 'none'] as const;

export const policyBody = z.strictObject({
  kind: z.enum(batchingPolicies),
  batch_size_max: z.number().optional(),
  wait_ms_max: z.number().optional(),
});

export const arrivalFactsBody = z.strictObject({
  source: z.enum(['poisson', 'map', 'replay', 'simulator']).describe('Source of the arrival model.'),
  rate_per_second: z.number(),
  forecast_rate_per_second: z.number().nullable(),
  scv: z
    .number()
    .nullable()
    .describe('Squared coefficient of variation of the interarrival times: 1 for Poisson arrivals, higher in bursts; null while unknown.'),
  correlation_decay: z.number().nullable(),
  index_of_dispersion: z.number().nullable(),
  sample_count: z.number().describe('Observed arrivals.'),
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
    basis: z.string().describe('measured; derived from another size; or unlimited: measured where the memory size does not limit the CPU.'),
    measured_at: z.iso.datetime(),
  }),
);

export const batchingInputsBody = z.strictObject({
  model: z.string().describe('group/version'),
  objective: z.string().nullable(),
  margin_ms: z.number().describe('Safety margin below the objective for prediction errors.'),
  memory_mib: z.union([z.number(), z.literal('auto')]),
  policy: policyBody,
  arrivals: arrivalFactsBody,
  profiles: sizeProfilesBody,
  prices: z.strictObject({ usd_per_invocation: price, usd_per_gb_second: price, billing_granularity_ms: z.number() }),
  cold_start: z.strictObject({ probability: z.number(), ms: z.number() }),
  candidates: candidatesBody,
  compute_ms: z.number(),
  correction: z
    .strictObject({ latency_factor: z.number(), batch_factor: z.number(), cost_factor: z.number(), reason: z.string() })
    .nullable()
    .describe('Factors applied to all predictions, because the last period missed them by more than 25 %; null if none.'),
});

export const batchingEffectBody = predictionBody.extend({
  requests: z.number(),
  mean_wait_ms: z.number(),
  cold_starts: z.number(),
  p95_error_percent: z.number().describe('How far the prediction was above the measured value; negative: below.'),
  cost_error_percent: z.number(),
});

/** The decision in force for a variant and its effect so far. */
export const decisionStatusBody = z.strictObject({
  id: z.string(),
  feasible: z.boolean().describe('Whether the objective can be met, as far as known.'),
  reason: z.string(),
  predicted: predictionBody.nullable(),
  correction: z
    .string()
    .nullable()
    .describe('Why the predictions were corrected: the last period missed them by more than 25 %; null if they were not.'),
  measured: batchingEffectBody
    .nullable()
    .describe('Measured over the requests served under this decision; while there are none, under the previous one.'),
});

const envelope = {
  id: z.string(),
  endpoint: z.string(),
  variant: z.string(),
  at: z.iso.datetime(),
  changes: z.boolean().describe('Whether the decision changed anything.'),
  reason: z.string(),
  explanation: z.string(),
  folded: z
    .strictObject({
      count: z.number().describe('Number of these decisions, this one included.'),
      since: z.iso.datetime().describe('Time of the first.'),
      complete: z.boolean().describe('False if there may be earlier ones.'),
    })
    .optional()
    .describe('With `folded=true`, for the latest of several consecutive decisions without a change.'),
};

export const decisionBody = z.strictObject({
  ...envelope,
  kind: z.literal('batching'),
  trigger: z.string().describe('deploy, period, profile, change-point or manual.'),
  inputs: batchingInputsBody,
  alternatives: z.array(alternativeBody),
  chosen: settingBody,
  effect: batchingEffectBody.nullable().describe('Measured over the requests served under this decision; null until known.'),
});

export const scalingDecisionBody = z.strictObject({
  ...envelope,
  kind: z.literal('scaling'),
  trigger: z
    .string()
    .describe(
      'Of the scaling policy: period, fast, restore or manual. Of other changes: update (by a user), rollback, schedule, alarm or metric.',
    ),
  before: z.number().describe('Number of instances before the decision.'),
  inputs: scalingInputsBody.nullable().describe('What the scaling policy observed; null if something else changed the number.'),
  alternatives: z.array(scalingAlternativeBody),
  chosen: chosenScalingBody,
  effect: scalingEffectBody
    .nullable()
    .describe('Measured two slots after the slot that the decision was made for; null until then, and for what no policy decided.'),
  effect_unknown: z
    .string()
    .nullable()
    .describe('Why the effect will never be known, for example a restart of the server; otherwise null.'),
});

export const selectionDecisionBody = z.strictObject({ ...envelope, ...selectionDecisionShape });

export const placementDecisionBody = z.strictObject({ ...envelope, ...placementDecisionShape });
export const hostSetDecisionBody = z.strictObject({ ...envelope, ...hostSetDecisionShape });
export const trainingDecisionBody = z.strictObject({ ...envelope, ...trainingDecisionShape });

/**
 * Any kind: batching (how batches are formed), scaling (the number of instances), selection (the plans that answer), placement (the hosts of workers),
 * host-set (the number of hosts) or training (whether a trained version is approved).
 */
export const anyDecisionBody = z.discriminatedUnion('kind', [
  decisionBody,
  scalingDecisionBody,
  selectionDecisionBody,
  trainingDecisionBody,
  placementDecisionBody,
  hostSetDecisionBody,
]);

export const planBody = z.strictObject({
  model: z.string(),
  objective: z.string().nullable(),
  feasible: z.boolean().describe('Whether any setting meets the objective. If none does, the chosen one comes closest.'),
  chosen: settingBody,
  alternatives: z.array(alternativeBody),
  reason: z.string(),
  explanation: z.string(),
  arrivals: arrivalFactsBody,
  profiles: sizeProfilesBody,
  functions: z
    .strictObject({
      needed: z.number().describe('Estimated peak of concurrently busy functions.'),
      busy_mean: z.number(),
      max_concurrency: z.number(),
      keep_alive_ms: z.number(),
      cold_start_share: z.number().describe('Share of the batches that arrive after the keep-alive of the previous one has expired.'),
      cold_start_ms: z.number(),
    })
    .nullable()
    .describe('Functions needed; null if the model fits no memory size.'),
  candidates: candidatesBody,
  compute_ms: z.number(),
});

export type SettingBody = z.infer<typeof settingBody>;
export type PredictionBody = z.infer<typeof predictionBody>;
export type AlternativeBody = z.infer<typeof alternativeBody>;
export type PolicyBody = z.infer<typeof policyBody>;
export type DecisionBody = z.infer<typeof decisionBody>;
export type ScalingDecisionBody = z.infer<typeof scalingDecisionBody>;
export type SelectionDecisionBody = z.infer<typeof selectionDecisionBody>;
export type PlacementDecisionBody = z.infer<typeof placementDecisionBody>;
export type HostSetDecisionBody = z.infer<typeof hostSetDecisionBody>;
export type TrainingDecisionBody = z.infer<typeof trainingDecisionBody>;
export type AnyDecisionBody = z.infer<typeof anyDecisionBody>;
export type DecisionStatusBody = z.infer<typeof decisionStatusBody>;
export type PlanBody = z.infer<typeof planBody>;
