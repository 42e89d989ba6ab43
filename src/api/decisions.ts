/** Routes of decisions: what was chosen for an endpoint and why, and what would be chosen for a model. */
import { z } from 'zod';
import type {
  BatchingAlternative,
  BatchingEffect,
  BatchingInputs,
  BatchingPlan,
  BatchingSetting,
  ChosenScaling,
  PlannedArrivals,
  PlannedFunctions,
  PlanWish,
  ScalingAction,
  ScalingAlternative,
  ScalingEffect,
  ScalingInputs,
  Standing,
} from '../autoscaling/index.ts';
import type { BatchPolicy } from '../deployment/index.ts';
import { PlatformError } from '../errors.ts';
import type { Decision, UnknownEffect } from '../monitoring/index.ts';
import { formatObjective, type Objective, parseObjective } from '../objective.ts';
import { pageOf } from './bodies.ts';
import {
  type AlternativeBody,
  type AnyDecisionBody,
  anyDecisionBody,
  batchingPolicies,
  type DecisionBody,
  type PlanBody,
  type PolicyBody,
  type PredictionBody,
  planBody,
  type ScalingDecisionBody,
  type SettingBody,
  type StandingBody,
} from './decision-bodies.ts';
import { endpointPath, given, limitParameter, timeOf } from './parameters.ts';
import { type Route, route } from './route.ts';
import { chosenScalingBodyOf, scalingAlternativeBodyOf, scalingEffectBodyOf, scalingInputsBodyOf } from './scaling-decision-bodies.ts';
import type { ApiServices } from './services.ts';

const decisionsQuery = z.strictObject({
  kind: z.enum(['batching', 'scaling']).optional().describe('Both unless given.'),
  changes: z
    .enum(['true', 'false'])
    .transform((word) => word === 'true')
    .optional()
    .describe('Only those that made something different, or only those that did not.'),
  limit: limitParameter,
  before: z.string().max(64).optional().describe('The `next` of the page before.'),
});

const arrivalsInput = z
  .discriminatedUnion('kind', [
    z.strictObject({ kind: z.literal('poisson'), rate_per_second: z.number() }),
    z.strictObject({
      kind: z.literal('mmpp'),
      rates_per_second: z.tuple([z.number(), z.number()]).describe('Of the two phases, quiet and burst say.'),
      switches_per_second: z.tuple([z.number(), z.number()]).describe('How often the first phase is left for the second, and back.'),
    }),
    z.strictObject({ kind: z.literal('times'), times_ms: z.array(z.number()).max(100_000).describe('As they came, ascending.') }),
  ])
  .describe('How requests come. Either this or `rate_per_second`, which is poisson.');

const planInput = z.strictObject({
  model: z.string().describe('GROUP/VERSION, or GROUP for its latest approved version.'),
  objective: z.string().nullable().default(null).describe('Such as p95<=100ms.'),
  rate_per_second: z.number().optional(),
  arrivals: arrivalsInput.optional(),
  policy: z.enum(batchingPolicies).default('slack').describe('How batches are formed.'),
  batch_size_max: z.number().optional().describe('Rows of a full batch; with the policy fixed.'),
  wait_ms_max: z.number().optional().describe('How long the first row waits; with the policy fixed.'),
  memory_mib: z.union([z.number(), z.literal('auto')]).default('auto'),
  keep_alive_ms: z.number().optional().describe('How long an idle function would be kept; as of an endpoint unless given.'),
  max_concurrency: z.number().optional().describe('How many functions there might be; as of an endpoint unless given.'),
});

export function decisionRoutes({ deployments, decisions, batching, scaling, registry, planner }: ApiServices): Route[] {
  return [
    route('GET /endpoints/:endpoint/decisions', {
      summary: 'List what was decided for an endpoint, the latest first',
      description: 'Each with what it was chosen from, why, what was predicted and, once that is known, what was measured.',
      params: endpointPath,
      query: decisionsQuery,
      answer: pageOf(anyDecisionBody).extend({ total: z.number().describe('How many such decisions are kept.') }),
      handle: async ({ params, query: { kind, changes, limit = 20, before } }) => {
        const wish = { endpoint: deployments.get(params.endpoint).config.name, kind, changes };
        const made = await decisions.list({ ...wish, limit: limit + 1, before });
        const items = made.slice(0, limit).map(decisionBodyOf);
        return { items, next: made.length > limit ? (items.at(-1)?.id ?? null) : null, total: await decisions.count(wish) };
      },
    }),
    route('GET /decisions', {
      summary: 'List what was decided for all endpoints, the latest first',
      query: decisionsQuery,
      answer: pageOf(anyDecisionBody),
      handle: async ({ query: { kind, changes, limit = 20, before } }) => {
        const made = await decisions.list({ kind, changes, limit: limit + 1, before });
        const items = made.slice(0, limit).map(decisionBodyOf);
        return { items, next: made.length > limit ? (items.at(-1)?.id ?? null) : null };
      },
    }),
    route('GET /endpoints/:endpoint/decisions/:decision', {
      summary: 'Tell a decision',
      params: endpointPath.extend({ decision: z.string().max(64) }),
      answer: anyDecisionBody,
      handle: async ({ params }) => {
        const { name } = deployments.get(params.endpoint).config;
        const made = await decisions.get(name, params.decision);
        if (made !== null) return decisionBodyOf(made);
        throw new PlatformError(
          'not_found',
          `endpoint ${name} has no decision ${params.decision}: of each endpoint the last 10,000 are kept`,
        );
      },
    }),
    route('POST /endpoints/:endpoint/decisions', {
      summary: 'Have an endpoint decided anew, now',
      description: 'Answers at once; the decision is in the list a moment later. Without functions or scaling there is nothing to decide.',
      params: endpointPath,
      status: 202,
      answer: z.strictObject({ asked: z.boolean() }),
      handle: ({ params }) => {
        const { name } = deployments.get(params.endpoint).config;
        const asked = [batching.ask(name), scaling.ask(name)];
        return { asked: asked.includes(true) };
      },
    }),
    route('POST /plan', {
      summary: 'Tell what would be chosen for a model, without deploying it',
      description: 'A model that was not measured yet is measured first, which takes some seconds.',
      body: planInput,
      answer: planBody,
      handle: async ({ body }) => {
        const objective = body.objective === null ? null : parseObjective(body.objective);
        return planBodyOf(await planner.plan(await registry.resolve(body.model), { objective, ...planWishOf(body) }));
      },
    }),
  ];
}

function planWishOf(body: z.output<typeof planInput>): Omit<PlanWish, 'objective'> {
  const { memory_mib: memoryMiB, keep_alive_ms: keepAliveMs, max_concurrency: maxConcurrency } = body;
  return { memoryMiB, policy: policyOf(body), arrivals: arrivalsOf(body), ...given({ keepAliveMs, maxConcurrency }) };
}

/** What is missing of a fixed one is for its checks to say. */
function policyOf({ policy: kind, batch_size_max: batchSizeMax, wait_ms_max: waitMsMax }: z.output<typeof planInput>): PlanWish['policy'] {
  if (kind === 'fixed') return { kind, batchSizeMax: batchSizeMax as number, waitMsMax: waitMsMax as number };
  if (batchSizeMax === undefined && waitMsMax === undefined) return { kind };
  throw new PlatformError('invalid_request', `batch_size_max and wait_ms_max belong to the policy fixed, not to ${kind}: leave them out`);
}

function arrivalsOf({ arrivals, rate_per_second: ratePerSecond }: z.output<typeof planInput>): PlannedArrivals {
  if ((arrivals === undefined) === (ratePerSecond === undefined)) {
    throw new PlatformError('invalid_request', 'a plan takes either rate_per_second or arrivals: say how requests come, once');
  }
  if (arrivals === undefined) return { kind: 'poisson', ratePerSecond: ratePerSecond as number };
  if (arrivals.kind === 'poisson') return { kind: 'poisson', ratePerSecond: arrivals.rate_per_second };
  if (arrivals.kind === 'times') return { kind: 'times', timesMs: arrivals.times_ms };
  const [rate1PerSecond, rate2PerSecond] = arrivals.rates_per_second;
  const [switch12PerSecond, switch21PerSecond] = arrivals.switches_per_second;
  return { kind: 'mmpp', rate1PerSecond, rate2PerSecond, switch12PerSecond, switch21PerSecond };
}

function planBodyOf(plan: BatchingPlan): PlanBody {
  return {
    model: plan.model,
    objective: objectiveText(plan.objective),
    feasible: plan.feasible,
    chosen: settingBodyOf(plan.setting),
    alternatives: plan.alternatives.map(alternativeBodyOf),
    reason: plan.reason,
    explanation: plan.explanation,
    arrivals: arrivalFactsBodyOf(plan.arrivals),
    profiles: plan.profiles.map(sizeProfileBodyOf),
    functions: plan.functions === null ? null : plannedBodyOf(plan.functions),
    candidates: plan.candidates,
    compute_ms: plan.computeMs,
  };
}

function plannedBodyOf(planned: PlannedFunctions): PlanBody['functions'] {
  return {
    needed: planned.needed,
    busy_mean: planned.busyMean,
    max_concurrency: planned.maxConcurrency,
    keep_alive_ms: planned.keepAliveMs,
    cold_start_share: planned.coldStartShare,
    cold_start_ms: planned.coldStartMs,
  };
}

/** The contents of a decision, as autoscaling wrote them. */
function decisionBodyOf(made: Decision): AnyDecisionBody {
  return made.kind === 'batching' ? batchingDecisionBodyOf(made) : scalingDecisionBodyOf(made);
}

function envelopeOf({ id, endpoint, variant, atMs, trigger, changes, reason, explanation }: Decision) {
  return { id, endpoint, variant, at: timeOf(atMs), trigger, changes, reason, explanation };
}

function scalingDecisionBodyOf(made: Decision): ScalingDecisionBody {
  const { inputs, alternatives, chosen, effect } = made;
  const { unknown = null } = (effect ?? {}) as Partial<UnknownEffect>;
  return {
    ...envelopeOf(made),
    kind: 'scaling',
    inputs: scalingInputsBodyOf(inputs as ScalingInputs),
    alternatives: (alternatives as readonly ScalingAlternative[]).map(scalingAlternativeBodyOf),
    chosen: chosenScalingBodyOf(chosen as ChosenScaling & { readonly actions: readonly ScalingAction[] }),
    effect: effect === null || unknown !== null ? null : scalingEffectBodyOf(effect as ScalingEffect),
    effect_unknown: unknown,
  };
}

function batchingDecisionBodyOf(made: Decision): DecisionBody {
  const { inputs, alternatives, chosen, effect } = made;
  return {
    ...envelopeOf(made),
    kind: 'batching',
    inputs: inputsBodyOf(inputs as BatchingInputs),
    alternatives: (alternatives as readonly BatchingAlternative[]).map(alternativeBodyOf),
    chosen: settingBodyOf(chosen as BatchingSetting),
    effect: effect === null ? null : effectBodyOf(effect as BatchingEffect),
  };
}

function inputsBodyOf({ wish, prices, coldStart, ...inputs }: BatchingInputs): DecisionBody['inputs'] {
  return {
    model: wish.model,
    objective: objectiveText(wish.objective),
    margin_ms: inputs.marginMs,
    memory_mib: wish.memoryMiB,
    policy: policyBodyOf(wish.policy),
    arrivals: arrivalFactsBodyOf(inputs.arrivals),
    profiles: inputs.profiles.map(sizeProfileBodyOf),
    prices: {
      usd_per_invocation: prices.usdPerInvocation,
      usd_per_gb_second: prices.usdPerGbSecond,
      billing_granularity_ms: prices.billingGranularityMs,
    },
    cold_start: { probability: coldStart.probability, ms: coldStart.ms },
    candidates: inputs.candidates,
    compute_ms: inputs.computeMs,
  };
}

function objectiveText(objective: Objective | null): string | null {
  return objective === null ? null : formatObjective(objective);
}

function policyBodyOf(policy: BatchPolicy): PolicyBody {
  if (policy.kind !== 'fixed') return { kind: policy.kind };
  return { kind: 'fixed', batch_size_max: policy.batchSizeMax, wait_ms_max: policy.waitMsMax };
}

function arrivalFactsBodyOf(arrivals: BatchingInputs['arrivals']): PlanBody['arrivals'] {
  return {
    source: arrivals.source,
    rate_per_second: arrivals.ratePerSecond,
    forecast_rate_per_second: arrivals.forecastRatePerSecond,
    scv: arrivals.scv,
    correlation_decay: arrivals.correlationDecay,
    index_of_dispersion: arrivals.indexOfDispersion,
    sample_count: arrivals.sampleCount,
    notes: [...arrivals.notes],
  };
}

function sizeProfileBodyOf({ memoryMiB, basis, measuredAtMs }: BatchingInputs['profiles'][number]): PlanBody['profiles'][number] {
  return { memory_mib: memoryMiB, basis, measured_at: timeOf(measuredAtMs) };
}

export function settingBodyOf({ memoryMiB, batchSizeMax, waitMsMax }: BatchingSetting): SettingBody {
  return { memory_mib: memoryMiB, batch_size_max: batchSizeMax, wait_ms_max: waitMsMax };
}

function predictionBodyOf(prediction: BatchingAlternative['predicted']): PredictionBody {
  return {
    p50_ms: prediction.p50Ms,
    p95_ms: prediction.p95Ms,
    p99_ms: prediction.p99Ms,
    within_slo: prediction.withinSlo,
    mean_batch: prediction.meanBatch,
    cost_usd_per_million: prediction.costUsdPerMillion,
  };
}

function alternativeBodyOf(alternative: BatchingAlternative): AlternativeBody {
  const { label, policy, feasible, rejectedBecause } = alternative;
  const predicted = predictionBodyOf(alternative.predicted);
  return { ...settingBodyOf(alternative), label, policy, predicted, feasible, rejected_because: rejectedBecause };
}

export function standingBodyOf(standing: Standing | null): StandingBody | null {
  if (standing === null) return null;
  const { decisionId, feasible, reason, predicted, measured } = standing;
  return {
    id: decisionId,
    feasible,
    reason,
    predicted: predicted === null ? null : predictionBodyOf(predicted),
    measured: measured === null ? null : effectBodyOf(measured),
  };
}

function effectBodyOf(effect: BatchingEffect): NonNullable<DecisionBody['effect']> {
  return {
    ...predictionBodyOf(effect),
    requests: effect.requests,
    mean_wait_ms: effect.meanWaitMs,
    cold_starts: effect.coldStarts,
    p95_error_percent: effect.p95ErrorPercent,
    cost_error_percent: effect.costErrorPercent,
  };
}
