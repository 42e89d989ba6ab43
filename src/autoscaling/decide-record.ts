/** What a decision of kind `scaling` holds: from what it was made, what else there was, what was chosen, and why, in words. */
import { quantileGrid } from '../forecasting/index.ts';
import type { NewDecision } from '../monitoring/index.ts';
import type { Objective } from '../objective.ts';
import { alternativesTo, costInWords } from './strategies/alternatives.ts';
import { risePerMs } from './strategies/counter-window.ts';
import { atHorizon, type ForecastView, flatForecast, horizonFor } from './strategies/forecast-view.ts';
import { planUsdPerHour } from './strategies/limits.ts';
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
} from './strategies/observation.ts';
import type { PricedType } from './strategies/plan-cost.ts';
import type { Policy } from './strategies/policy.ts';
import { planInWords, type ScalingAction } from './strategies/scale-in.ts';
import type { StrategyMemories } from './strategies/scaling-state.ts';
import type { Burn, SloLevel } from './strategies/slo-correction.ts';
import type { Ask, Verdict } from './strategies/strategy.ts';
import { currentPlan } from './strategies/usable-types.ts';
import { functionsNeeded, warmFunctions } from './strategies/warm-functions.ts';

export interface TypeInputs {
  readonly active: number;
  readonly launching: number;
  readonly draining: number;
  readonly batchSize: number;
  /** mu, mu_eff of a spot type; 0: not usable. */
  readonly ratePerSecond: number;
  readonly leadMs: number;
  readonly usdPerHour: number;
}

export interface ForecastInputs {
  readonly model: string;
  readonly horizons: readonly number[];
  readonly mean: readonly number[];
  readonly tau: readonly number[];
  readonly quantiles: readonly (readonly number[])[];
  readonly residualsSeen: number;
}

export interface ScalingInputs {
  readonly regime: Regime;
  /** The policy, as it was given. */
  readonly strategy: string;
  readonly slotMs: number;
  readonly lastCount: number | null;
  /** Requests per second over the last 30 s (longer where the strategy looks less often); null where it does not look. */
  readonly ratePerSecond: number | null;
  readonly queue: number;
  readonly types: Readonly<Record<string, TypeInputs>>;
  /** A sentence for each type that cannot be used. */
  readonly excluded: readonly string[];
  /** The utilisation that was planned for; null for rules that know none. */
  readonly rho: number | null;
  /** The slot that was decided for, counted from the last whole one. */
  readonly horizon: number;
  /** c_f, as it was planned with; null without functions. */
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

export interface ChosenScaling {
  readonly plan: Plan;
  readonly reason: ScalingReason;
  /** How functions take requests, where the policy says it. */
  readonly functions: FunctionChoice | null;
  /** W: environments to keep warm until the next decision. */
  readonly warmFunctions: number;
  /** What functions may cost per hour; null without a budget. */
  readonly overflowUsdPerHourMax: number | null;
}

export interface ScalingDecision {
  readonly trigger: ScalingTrigger;
  /** false: nothing keeps the objective; the plan is what does least harm. */
  readonly feasible: boolean;
  readonly chosen: ChosenScaling;
  readonly inputs: ScalingInputs;
  /** The chosen plan first; empty where a rule that knows no cost changed nothing. */
  readonly alternatives: readonly ScalingAlternative[];
  readonly explanation: string;
  /** Whether the plan differs from what there is. */
  readonly changes: boolean;
}

interface Aside {
  readonly burn: Burn;
  /** What is wrong with the forecast. */
  readonly fault: string | null;
  readonly excluded: readonly string[];
}

export function decisionFrom(policy: Policy, ask: Ask, verdict: Verdict<StrategyMemories>, aside: Aside): ScalingDecision {
  const { observation, types, limits, overflow } = ask;
  const current = currentPlan(observation.types);
  const changes = !isSamePlan(verdict.plan, current);
  const alternatives = verdict.alternatives ?? (changes ? priced(ask, verdict, current) : []);
  const budgeted = Number.isFinite(limits.usdPerHourMax) ? Math.max(0, limits.usdPerHourMax - planUsdPerHour(verdict.plan, types)) : null;
  return {
    trigger: observation.trigger,
    feasible: verdict.feasible ?? true,
    chosen: {
      plan: verdict.plan,
      reason: verdict.reason,
      functions: verdict.functions ?? null,
      warmFunctions: overflow === null ? 0 : warmFunctions(verdict.regime, overflow.warmMax, neededWarm(ask, verdict.plan)),
      overflowUsdPerHourMax: overflow === null ? null : budgeted,
    },
    inputs: inputsOf(policy, ask, verdict, aside),
    alternatives,
    explanation: explained(verdict, current, alternatives, ask, aside),
    changes,
  };
}

/** The decision in the envelope that all kinds share. */
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

function inputsOf(policy: Policy, ask: Ask, verdict: Verdict<StrategyMemories>, { burn, excluded }: Aside): ScalingInputs {
  const { observation, types, overflow, limits, level } = ask;
  const { forecast, slotMs } = observation;
  const samples = Object.values(verdict.memory as Record<string, { readonly arrivals?: Parameters<typeof risePerMs>[0] }>).find(
    (memory) => memory.arrivals,
  )?.arrivals;
  const perMs = samples === undefined ? null : risePerMs(samples, 30_000);
  const usable = new Map(types.map((type) => [type.name, type]));
  return {
    regime: verdict.regime,
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
    rho: verdict.rho ?? null,
    horizon: horizonOf(ask),
    overflowUsdPerRequest: overflow === null ? null : (verdict.overflowUsdEach ?? overflow.usdPerRequest),
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

/** By the highest quantile of the forecast, what the plan does not carry; undefined where it is not known. */
function neededWarm(ask: Ask, plan: Plan): number | undefined {
  const { types, overflow, observation } = ask;
  const { forecast, slotMs } = observation;
  const demand = forecast === null || overflow?.serviceMs === undefined ? null : atHorizon(forecast, horizonOf(ask));
  if (demand === null || overflow?.serviceMs === undefined) return undefined;
  const carried = types.reduce((sum, { name, ratePerSecond }) => sum + ((plan[name] ?? 0) * ratePerSecond * slotMs) / 1000, 0);
  return functionsNeeded(Math.max(...demand.quantiles), carried, overflow.serviceMs, slotMs);
}

function horizonOf({ types, observation }: Ask): number {
  return horizonFor(Math.max(0, ...types.map(({ leadMs }) => leadMs)), observation.slotMs);
}

/** Only the nearest ten: a strategy may have looked at fifty. */
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

/** What a rule that knows no cost chose, priced by the forecast, or by the last count where there is none. */
function priced(ask: Ask, verdict: Verdict<unknown>, current: Plan): ScalingAlternative[] {
  const { observation, types, overflow, limits } = ask;
  const { forecast, lastCount, slotMs } = observation;
  const view = forecast ?? (lastCount === null ? null : flatForecast(lastCount));
  const demand = view === null ? null : atHorizon(view, horizonOf(ask));
  if (demand === null || types.length === 0) return [];
  const weighed = types.map(({ name, ratePerSecond, usdPerSlot, have, leadMs }): PricedType => {
    return { name, capacity: (ratePerSecond * slotMs * (verdict.rho ?? 1)) / 1000, usdPerSlot, have, leadMs };
  });
  const overflowUsdEach = overflow?.usdPerRequest ?? 0;
  return alternativesTo(verdict.plan, current, null, {
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
  hold: 'held, because more was worth it a moment ago',
  replace: 'those to be given up serve until what replaces them is ready',
  min: 'the minimum allows no fewer',
  awake: 'the last stays until nobody has asked for a while',
  max: 'the maximum allows no more',
  budget: 'the budget allows no more',
  schedule: 'the schedule asks for so many',
  'slo-floor': 'more than is worth it, because the objective was missed',
  fast: '',
  spot: '',
  'no-forecast': '',
  'no-measurement': '',
  infeasible: '',
};

/** `kept 2 × c5.large: expected $0.00395/min; 1 would cost 0.00571, 3 0.00478`. */
function explained(
  verdict: Verdict<unknown>,
  current: Plan,
  alternatives: readonly ScalingAlternative[],
  { observation }: Ask,
  { fault }: Aside,
): string {
  const why = verdict.reason === 'no-forecast' && fault !== null ? `the forecast is of no use: ${fault}` : verdict.why;
  const clauses = [why, becauseOf[verdict.reason], costInWords(alternatives, observation.slotMs)].filter((clause) => clause !== '');
  return `${verbFor(verdict.plan, current)} ${planInWords(verdict.plan)}: ${clauses.join('; ')}`;
}

function verbFor(plan: Plan, current: Plan): string {
  if (isSamePlan(plan, current)) return 'kept';
  if (planTotal(plan) === 0) return `gave up ${planInWords(current)}, now`;
  const names = Object.keys({ ...plan, ...current });
  const grows = names.some((name) => (plan[name] ?? 0) > (current[name] ?? 0));
  const shrinks = names.some((name) => (plan[name] ?? 0) < (current[name] ?? 0));
  return grows && shrinks ? 'changed to' : grows ? 'grew to' : 'shrank to';
}
