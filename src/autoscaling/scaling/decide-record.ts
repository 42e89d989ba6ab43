/** The record of a `scaling` decision: inputs, alternatives, chosen plan, and an explanation. */
import { quantileGrid } from '../../forecasting/index.ts';
import type { Objective } from '../../objective.ts';
import type { Decision, NewDecision } from '../../records/index.ts';
import { risePerMs } from '../strategies/counter-window.ts';
import { atHorizon, type ForecastView, flatForecast, horizonFor } from '../strategies/forecast-view.ts';
import {
  type Budget,
  type FunctionChoice,
  isSamePlan,
  type Plan,
  planTotal,
  type Regime,
  type ScalingAlternative,
  type ScalingReason,
  type ScalingTrigger,
} from '../strategies/observation.ts';
import { alternativesTo, formatCosts } from '../strategies/plans/alternatives.ts';
import { planUsdPerHour } from '../strategies/plans/limits.ts';
import type { PricedType } from '../strategies/plans/plan-cost.ts';
import { formatPlan, type ScalingAction } from '../strategies/plans/scale-in.ts';
import { currentPlan } from '../strategies/plans/usable-types.ts';
import type { Policy } from '../strategies/policy.ts';
import type { StrategyMemories } from '../strategies/scaling-state.ts';
import type { Burn, SloLevel } from '../strategies/slo-correction.ts';
import type { StrategyInput, StrategyResult } from '../strategies/strategy.ts';
import { functionsNeeded, warmFunctions } from '../strategies/warm-functions.ts';

/** One instance type as it was when the decision was made. */
export interface TypeInputs {
  readonly active: number;
  readonly launching: number;
  readonly draining: number;
  readonly batchSize: number;
  /** mu in requests per second; mu_eff for a spot type; 0 if the type is not usable. */
  readonly ratePerSecond: number;
  readonly leadMs: number;
  readonly usdPerHour: number;
}

/** The forecast that the decision saw. `quantiles` has a list per horizon, by `tau`. */
export interface ForecastInputs {
  readonly model: string;
  readonly horizons: readonly number[];
  readonly mean: readonly number[];
  readonly tau: readonly number[];
  readonly quantiles: readonly (readonly number[])[];
  readonly residualsSeen: number;
}

/** All that the decision was computed from, so that it can be explained and repeated. */
export interface ScalingInputs {
  readonly regime: Regime;
  /** The policy text as configured. */
  readonly strategy: string;
  readonly slotMs: number;
  readonly lastCount: number | null;
  /** Requests per second over the last 30 s, or longer if the policy samples less often; null if it does not sample. */
  readonly ratePerSecond: number | null;
  readonly queue: number;
  readonly types: Readonly<Record<string, TypeInputs>>;
  /** One sentence per type that cannot be used. */
  readonly excluded: readonly string[];
  /** Planned utilisation; null for policies without one. */
  readonly rho: number | null;
  /** The planned slot: number of slots after the last complete one. */
  readonly horizon: number;
  /** c_f as the plan used it; null without functions. */
  readonly overflowUsdPerRequest: number | null;
  readonly objective: Objective | null;
  readonly burn5m: number | null;
  readonly burn1h: number | null;
  readonly level: SloLevel;
  readonly min: number;
  readonly max: number;
  readonly budget: Budget | null;
  readonly gaps: number;
  readonly forecast: ForecastInputs | null;
}

/** The plan, and what functions must follow. */
export interface ChosenScaling {
  readonly plan: Plan;
  readonly reason: ScalingReason;
  /** Batch setting of functions, if the policy chooses one. */
  readonly functions: FunctionChoice | null;
  /** W: environments to keep warm until the next decision. */
  readonly warmFunctions: number;
  /** Maximum hourly cost of functions; null without a budget. */
  readonly overflowUsdPerHourMax: number | null;
}

/** The record of one decision. */
export interface ScalingDecision {
  readonly trigger: ScalingTrigger;
  /** False if no plan meets the objective; the chosen one then does the least harm. */
  readonly feasible: boolean;
  readonly chosen: ChosenScaling;
  readonly inputs: ScalingInputs;
  /** The chosen plan first. Empty if the policy compares no costs and changed nothing. */
  readonly alternatives: readonly ScalingAlternative[];
  readonly explanation: string;
  /** True if the plan differs from the current instances. */
  readonly changes: boolean;
}

interface Aside {
  readonly burn: Burn;
  /** Why the forecast cannot be used; null if it can. */
  readonly fault: string | null;
  readonly excluded: readonly string[];
}

/** Builds the record from the input and result of a strategy. */
export function decisionFrom(
  policy: Policy,
  input: StrategyInput,
  result: StrategyResult<StrategyMemories>,
  aside: Aside,
): ScalingDecision {
  const { observation, types, limits, overflow } = input;
  const current = currentPlan(observation.types);
  const changes = !isSamePlan(result.plan, current);
  const alternatives = result.alternatives ?? (changes ? priced(input, result, current) : []);
  const budgeted = Number.isFinite(limits.usdPerHourMax) ? Math.max(0, limits.usdPerHourMax - planUsdPerHour(result.plan, types)) : null;
  return {
    trigger: observation.trigger,
    feasible: result.feasible ?? true,
    chosen: {
      plan: result.plan,
      reason: result.reason,
      functions: result.functions ?? null,
      warmFunctions: overflow === null ? 0 : warmFunctions(result.regime, overflow.warmMax, neededWarm(input, result.plan)),
      overflowUsdPerHourMax: overflow === null ? null : budgeted,
    },
    inputs: inputsOf(policy, input, result, aside),
    alternatives,
    explanation: explained(result, current, alternatives, input, aside),
    changes,
  };
}

/** What the policy observed; null if something other than the policy changed the number of instances. */
export function policyInputsOf({ inputs }: Pick<Decision, 'inputs'>): ScalingInputs | null {
  return 'strategy' in (inputs as object) ? (inputs as ScalingInputs) : null;
}

/** Wraps the decision in the envelope that all decision kinds share. */
export function scalingRecord(
  decision: ScalingDecision,
  names: { readonly endpoint: string; readonly variant: string },
  actions: readonly ScalingAction[],
): NewDecision {
  const { trigger, inputs, alternatives, chosen, explanation, changes } = decision;
  return {
    kind: 'scaling',
    ...names,
    trigger,
    inputs,
    alternatives,
    chosen: { ...chosen, actions },
    reason: chosen.reason,
    explanation,
    changes,
  };
}

function inputsOf(
  policy: Policy,
  input: StrategyInput,
  result: StrategyResult<StrategyMemories>,
  { burn, excluded }: Aside,
): ScalingInputs {
  const { observation, types, overflow, limits, level } = input;
  const { forecast, slotMs } = observation;
  const samples = Object.values(result.memory as Record<string, { readonly arrivals?: Parameters<typeof risePerMs>[0] }>).find(
    (memory) => memory.arrivals,
  )?.arrivals;
  const perMs = samples === undefined ? null : risePerMs(samples, 30_000);
  const usable = new Map(types.map((type) => [type.name, type]));
  return {
    regime: result.regime,
    strategy: policy.text,
    slotMs,
    lastCount: observation.lastCount,
    ratePerSecond: perMs === null ? null : perMs * 1000,
    queue: observation.queue,
    types: Object.fromEntries(
      observation.types.map(({ name, active, launching, draining, batchSize, leadMs, usdPerHour }): [string, TypeInputs] => {
        const type = usable.get(name);
        const facts = { ratePerSecond: type?.ratePerSecond ?? 0, usdPerHour: type?.usdPerHour ?? usdPerHour };
        return [name, { active, launching, draining, batchSize, leadMs, ...facts }];
      }),
    ),
    excluded,
    rho: result.rho ?? null,
    horizon: horizonOf(input),
    overflowUsdPerRequest: overflow === null ? null : (result.overflowUsdEach ?? overflow.usdPerRequest),
    objective: observation.objective,
    burn5m: burn.fiveMinutes,
    burn1h: burn.hour,
    level,
    min: limits.min,
    max: limits.max,
    budget: observation.limits.budget ?? null,
    gaps: observation.gaps ?? 0,
    forecast: forecast === null ? null : forecastInputs(forecast),
  };
}

/** Functions needed for the requests beyond the plan's capacity at the highest forecast quantile; undefined if unknown. */
function neededWarm(input: StrategyInput, plan: Plan): number | undefined {
  const { types, overflow, observation } = input;
  const { forecast, slotMs } = observation;
  const demand = forecast === null || overflow?.serviceMs === undefined ? null : atHorizon(forecast, horizonOf(input));
  if (demand === null || overflow?.serviceMs === undefined) return undefined;
  const carried = types.reduce((sum, { name, ratePerSecond }) => sum + ((plan[name] ?? 0) * ratePerSecond * slotMs) / 1000, 0);
  return functionsNeeded(Math.max(...demand.quantiles), carried, overflow.serviceMs, slotMs);
}

function horizonOf({ types, observation }: StrategyInput): number {
  return horizonFor(Math.max(0, ...types.map(({ leadMs }) => leadMs)), observation.slotMs);
}

/** Includes only the ten nearest horizons; a policy may use fifty. */
function forecastInputs({ model, horizons, residualsSeen }: ForecastView): ForecastInputs {
  const near = horizons.slice(0, 10);
  return {
    model,
    horizons: near.map(({ h }) => h),
    mean: near.map(({ mean }) => mean),
    tau: quantileGrid,
    quantiles: near.map(({ quantiles }) => quantiles),
    residualsSeen,
  };
}

/** The plan of a policy that compares no costs, priced with the forecast, or with the last count if there is no forecast. */
function priced(input: StrategyInput, result: StrategyResult<unknown>, current: Plan): ScalingAlternative[] {
  const { observation, types, overflow, limits } = input;
  const { forecast, lastCount, slotMs } = observation;
  const view = forecast ?? (lastCount === null ? null : flatForecast(lastCount));
  const demand = view === null ? null : atHorizon(view, horizonOf(input));
  if (demand === null || types.length === 0) return [];
  const weighed = types.map(({ name, ratePerSecond, usdPerSlot, have, leadMs }): PricedType => {
    return { name, capacity: (ratePerSecond * slotMs * (result.rho ?? 1)) / 1000, usdPerSlot, have, leadMs };
  });
  const overflowUsdEach = overflow?.usdPerRequest ?? 0;
  return alternativesTo(result.plan, current, null, {
    types,
    priced: weighed,
    demand: demand.quantiles,
    overflowUsdEach,
    mustCarry: 0,
    floor: 0,
    limits,
  });
}

const becauseOf: Readonly<Record<ScalingReason, string>> = {
  argmin: '',
  rule: '',
  hold: 'held, because more instances paid off a moment ago or almost do now',
  replace: 'instances to be removed serve until their replacements are ready',
  min: 'the minimum allows no fewer',
  awake: 'the last instance stays until there has been no traffic for a while',
  max: 'the maximum allows no more',
  budget: 'the budget allows no more',
  schedule: 'the schedule requires this number',
  'slo-floor': 'more than is cheapest, because the objective was missed',
  fast: '',
  spot: '',
  'no-forecast': '',
  'no-measurement': '',
  infeasible: '',
};

/** The explanation, such as `kept 2 × c5.large: expected $0.00395/min; 1 would cost 0.00571, 3 0.00478`. */
function explained(
  result: StrategyResult<unknown>,
  current: Plan,
  alternatives: readonly ScalingAlternative[],
  { observation }: StrategyInput,
  { fault }: Aside,
): string {
  const why = result.reason === 'no-forecast' && fault !== null ? `the forecast cannot be used: ${fault}` : result.why;
  const clauses = [why, becauseOf[result.reason], formatCosts(alternatives, observation.slotMs)].filter((clause) => clause !== '');
  return `${verbFor(result.plan, current)} ${formatPlan(result.plan)}: ${clauses.join('; ')}`;
}

function verbFor(plan: Plan, current: Plan): string {
  if (isSamePlan(plan, current)) return 'kept';
  if (planTotal(plan) === 0) return `removed ${formatPlan(current)}, leaving`;
  const names = Object.keys({ ...plan, ...current });
  const grows = names.some((name) => (plan[name] ?? 0) > (current[name] ?? 0));
  const shrinks = names.some((name) => (plan[name] ?? 0) < (current[name] ?? 0));
  return grows && shrinks ? 'changed to' : grows ? 'grew to' : 'shrank to';
}
