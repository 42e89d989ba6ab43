/** Routes of decisions (what was chosen for an endpoint and why) and of batching plans (what would be chosen for a model). */
import { z } from 'zod';
import {
  type BatchingAlternative,
  type BatchingEffect,
  type BatchingInputs,
  type BatchingPlan,
  type BatchingSetting,
  type DecisionStatus,
  type PlannedArrivals,
  type PlannedFunctions,
  type PlanRequest,
  policyInputsOf,
  type ScalingAlternative,
  type ScalingEffect,
} from '../../autoscaling/index.ts';
import { defined } from '../../defined.ts';
import type { BatchPolicy } from '../../deployment/index.ts';
import { PlatformError } from '../../errors.ts';
import { formatObjective, type Objective, parseObjective } from '../../objective.ts';
import type { Decision, FoldedDecision, UnknownEffect } from '../../records/index.ts';
import { pageBody } from '../bodies.ts';
import { endpointPath, isoTime, limitParameter, switchParameter } from '../routing/parameters.ts';
import { type ApiRoute, apiRoute } from '../routing/route.ts';
import type { ApiServices } from '../routing/services.ts';
import {
  type AlternativeBody,
  type AnyDecisionBody,
  anyDecisionBody,
  batchingPolicies,
  type DecisionBody,
  type DecisionStatusBody,
  type HostSetDecisionBody,
  type PlanBody,
  type PolicyBody,
  type PredictionBody,
  planBody,
  type ScalingDecisionBody,
  type SettingBody,
} from './decision-bodies.ts';
import { hostSetDecisionPartsOf } from './host-set-decisions.ts';
import { placementDecisionPartsOf } from './placement-decisions.ts';
import {
  chosenScalingBodyOf,
  countBefore,
  scalingAlternativeBodyOf,
  scalingEffectBodyOf,
  scalingInputsBodyOf,
} from './scaling-decision-bodies.ts';
import { selectionDecisionPartsOf } from './selection-decisions.ts';
import { trainingDecisionPartsOf } from './training-decisions.ts';

const decisionsQuery = z.strictObject({
  kind: z.enum(['batching', 'host-set', 'placement', 'scaling', 'selection', 'training']).optional().describe('Default: all.'),
  changes: z
    .enum(['true', 'false'])
    .transform((word) => word === 'true')
    .optional()
    .describe('true: only decisions that changed something; false: only the others.'),
  folded: switchParameter.describe(
    'Consecutive decisions of a variant without a change are one item: the latest, with their number. Cannot be combined with `changes`.',
  ),
  limit: limitParameter,
  before: z.string().max(64).optional().describe('The `next` of the previous page.'),
});

const arrivalsInput = z
  .discriminatedUnion('kind', [
    z.strictObject({ kind: z.literal('poisson'), rate_per_second: z.number() }),
    z.strictObject({
      kind: z.literal('mmpp'),
      rates_per_second: z.tuple([z.number(), z.number()]).describe('Rates of the two phases, such as quiet and burst.'),
      switches_per_second: z
        .tuple([z.number(), z.number()])
        .describe('Rates of the transitions from the first phase to the second and back.'),
    }),
    z.strictObject({ kind: z.literal('times'), times_ms: z.array(z.number()).max(100_000).describe('Arrival times, ascending.') }),
  ])
  .describe('The arrival process. Give either this or `rate_per_second` (Poisson arrivals).');

const planInput = z.strictObject({
  model: z.string().describe('GROUP/VERSION, or GROUP for the latest approved version.'),
  objective: z.string().nullable().default(null).describe('For example p95<=100ms.'),
  rate_per_second: z.number().optional(),
  arrivals: arrivalsInput.optional(),
  policy: z.enum(batchingPolicies).default('slack').describe('How batches are formed.'),
  batch_size_max: z.number().optional().describe('Rows of a full batch; only with the policy fixed.'),
  wait_ms_max: z.number().optional().describe('How long the first row waits; only with the policy fixed.'),
  memory_mib: z.union([z.number(), z.literal('auto')]).default('auto'),
  keep_alive_ms: z.number().optional().describe('Keep-alive of an idle function. Default: that of endpoints.'),
  max_concurrency: z.number().optional().describe('Maximum number of functions. Default: that of endpoints.'),
});

/** A list holds decisions of all control loops: their bodies differ by `kind`. */
export function decisionRoutes({
  deployments,
  decisions,
  batching,
  scaling,
  registry,
  planner,
}: Pick<ApiServices, 'deployments' | 'decisions' | 'batching' | 'scaling' | 'registry' | 'planner'>): ApiRoute[] {
  return [
    apiRoute('GET /endpoints/:endpoint/decisions', {
      summary: 'List the decisions for an endpoint, newest first',
      description: 'Each with its inputs, alternatives, reason and prediction and, once known, its measured effect.',
      params: endpointPath,
      query: decisionsQuery,
      answer: pageBody(anyDecisionBody).extend({ total: z.number().describe('Number of stored decisions that match.') }),
      handle: async ({ params, query }) => {
        const endpoint = deployments.get(params.endpoint).config.name;
        const { kind, changes } = query;
        return { ...(await pageOf(decisions, query, endpoint)), total: await decisions.count({ endpoint, kind, changes }) };
      },
    }),
    apiRoute('GET /decisions', {
      summary: 'List the decisions for all endpoints and for the cluster, newest first',
      query: decisionsQuery,
      answer: pageBody(anyDecisionBody),
      handle: ({ query }) => pageOf(decisions, query),
    }),
    apiRoute('GET /endpoints/:endpoint/decisions/:decision', {
      summary: 'Get a decision',
      params: endpointPath.extend({ decision: z.string().max(64) }),
      answer: anyDecisionBody,
      handle: async ({ params }) => {
        const { name } = deployments.get(params.endpoint).config;
        const made = await decisions.get(name, params.decision);
        if (made !== null) return decisionBodyOf(made);
        throw new PlatformError(
          'not_found',
          `endpoint ${name} has no decision ${params.decision}: the last 10,000 of each endpoint are retained`,
        );
      },
    }),
    apiRoute('POST /endpoints/:endpoint/decisions', {
      summary: 'Request a new decision for an endpoint',
      description:
        'Returns at once; the decision appears in the list a moment later. `asked` is false if the endpoint has neither functions nor scaling.',
      params: endpointPath,
      status: 202,
      answer: z.strictObject({ asked: z.boolean() }),
      handle: ({ params }) => {
        const { name } = deployments.get(params.endpoint).config;
        const requested = [batching.requestDecision(name), scaling.requestDecision(name)];
        return { asked: requested.includes(true) };
      },
    }),
    apiRoute('POST /plan', {
      summary: 'Plan the batching of a model without deploying it',
      description: 'A model that was not measured yet is measured first, which takes a few seconds.',
      body: planInput,
      answer: planBody,
      handle: async ({ body }) => {
        const objective = body.objective === null ? null : parseObjective(body.objective);
        return planBodyOf(await planner.plan(await registry.resolve(body.model), { objective, ...planQueryOf(body) }));
      },
    }),
  ];
}

/** One decision more than the page has is read, to know whether another page follows. */
async function pageOf(
  decisions: ApiServices['decisions'],
  { kind, changes, folded, limit = 20, before }: z.output<typeof decisionsQuery>,
  endpoint?: string,
): Promise<{ items: AnyDecisionBody[]; next: string | null }> {
  if (folded && changes !== undefined) {
    throw new PlatformError('invalid_request', 'folded and changes cannot be combined: leave one of them out');
  }
  const page = { endpoint, kind, limit: limit + 1, before };
  const made = folded
    ? (await decisions.listFolded(page)).map(foldedBodyOf)
    : (await decisions.list({ ...page, changes })).map(decisionBodyOf);
  const items = made.slice(0, limit);
  return { items, next: made.length > limit ? (items.at(-1)?.id ?? null) : null };
}

/** A decision without equals before it has no member `folded`. */
function foldedBodyOf({ decision, run: { count, sinceMs, isWhole } }: FoldedDecision): AnyDecisionBody {
  const body = decisionBodyOf(decision);
  return count === 1 ? body : { ...body, folded: { count, since: isoTime(sinceMs), complete: isWhole } };
}

function planQueryOf(body: z.output<typeof planInput>): Omit<PlanRequest, 'objective'> {
  const { memory_mib: memoryMiB, keep_alive_ms: keepAliveMs, max_concurrency: maxConcurrency } = body;
  return { memoryMiB, policy: policyOf(body), arrivals: arrivalsOf(body), ...defined({ keepAliveMs, maxConcurrency }) };
}

/** Missing members of a fixed policy are reported by the validation of that policy. */
function policyOf({
  policy: kind,
  batch_size_max: batchSizeMax,
  wait_ms_max: waitMsMax,
}: z.output<typeof planInput>): PlanRequest['policy'] {
  if (kind === 'fixed') return { kind, batchSizeMax: batchSizeMax as number, waitMsMax: waitMsMax as number };
  if (batchSizeMax === undefined && waitMsMax === undefined) return { kind };
  throw new PlatformError('invalid_request', `batch_size_max and wait_ms_max are only for the policy fixed, got ${kind}: leave them out`);
}

/** Exactly one of the two forms. The phases of an MMPP last exponentially long, on average 1 / the rate of leaving them. */
function arrivalsOf({ arrivals, rate_per_second: ratePerSecond }: z.output<typeof planInput>): PlannedArrivals {
  if ((arrivals === undefined) === (ratePerSecond === undefined)) {
    throw new PlatformError('invalid_request', 'expected either rate_per_second or arrivals, got both or neither');
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

/** The stored contents were written by autoscaling and are not validated again. */
function decisionBodyOf(made: Decision): AnyDecisionBody {
  if (made.kind === 'placement') return { ...envelopeOf(made), ...placementDecisionPartsOf(made) };
  if (made.kind === 'host-set') return hostSetDecisionBodyOf(made);
  if (made.kind === 'training') return { ...envelopeOf(made), ...trainingDecisionPartsOf(made) };
  if (made.kind === 'selection') return { ...envelopeOf(made), ...selectionDecisionPartsOf(made) };
  return made.kind === 'batching' ? batchingDecisionBodyOf(made) : scalingDecisionBodyOf(made);
}

export function hostSetDecisionBodyOf(made: Decision): HostSetDecisionBody {
  return { ...envelopeOf(made), ...hostSetDecisionPartsOf(made) };
}

/** The members of decisions of every kind. Those about the cluster replace the first two. */
function envelopeOf({ endpoint, variant, id, atMs, trigger, changes, reason, explanation }: Decision) {
  return { endpoint: endpoint ?? '', variant, id, at: isoTime(atMs), trigger, changes, reason, explanation };
}

/** `effect_unknown` says why the effect will never be known; `effect` is null then, too. */
function scalingDecisionBodyOf(made: Decision): ScalingDecisionBody {
  const { alternatives, chosen, effect } = made;
  const inputs = policyInputsOf(made);
  const { unknown = null } = (effect ?? {}) as Partial<UnknownEffect>;
  return {
    ...envelopeOf(made),
    kind: 'scaling',
    before: countBefore(made),
    inputs: inputs === null ? null : scalingInputsBodyOf(inputs),
    alternatives: (alternatives as readonly ScalingAlternative[]).map(scalingAlternativeBodyOf),
    chosen: chosenScalingBodyOf(chosen as Parameters<typeof chosenScalingBodyOf>[0]),
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

function inputsBodyOf({ query, prices, coldStart, ...inputs }: BatchingInputs): DecisionBody['inputs'] {
  return {
    model: query.model,
    objective: objectiveText(query.objective),
    margin_ms: inputs.marginMs,
    memory_mib: query.memoryMiB,
    policy: policyBodyOf(query.policy),
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
    correction: correctionBodyOf(inputs.correction ?? null),
  };
}

/** The factors by which predictions were corrected; null for a decision without correction. */
function correctionBodyOf(correction: NonNullable<BatchingInputs['correction']> | null): DecisionBody['inputs']['correction'] {
  if (correction === null) return null;
  const { latencyFactor, batchFactor, costFactor, reason } = correction;
  return { latency_factor: latencyFactor, batch_factor: batchFactor, cost_factor: costFactor, reason };
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
  return { memory_mib: memoryMiB, basis, measured_at: isoTime(measuredAtMs) };
}

/** A batching setting, for decisions and for descriptions of functions. */
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

/** The decision in force, for the description of an endpoint; null before the first. */
export function decisionStatusBodyOf(status: DecisionStatus | null): DecisionStatusBody | null {
  if (status === null) return null;
  const { decisionId, feasible, reason, predicted, correction, measured } = status;
  return {
    id: decisionId,
    feasible,
    reason,
    predicted: predicted === null ? null : predictionBodyOf(predicted),
    correction,
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
