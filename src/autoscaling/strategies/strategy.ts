/** Input and output of every strategy. */
import type { SimulatedFacts } from '../rivals/simulated-facts.ts';
import type { FunctionChoice, Observation, OverflowObservation, Plan, Regime, ScalingAlternative, ScalingReason } from './observation.ts';
import { type CurrentLimits, clampPlan } from './plans/limits.ts';
import { currentPlan, planOf, type UsableType } from './plans/usable-types.ts';
import type { SloLevel } from './slo-correction.ts';

/** A validated observation with derived values. */
export interface StrategyInput {
  readonly observation: Observation;
  readonly simulated: SimulatedFacts;
  /** At least one usable type, except for `batch`. */
  readonly types: readonly UsableType[];
  /** null if there are no functions or the policy does not use them. */
  readonly overflow: OverflowObservation | null;
  readonly limits: CurrentLimits;
  /** Level of correction for a missed objective. */
  readonly level: SloLevel;
  readonly nowMs: number;
}

/** The plan of a strategy, and its part of the explanation. */
export interface StrategyResult<Memory> {
  /** State for the next call; plain JSON. */
  readonly memory: Memory;
  readonly plan: Plan;
  readonly reason: ScalingReason;
  /** A clause for the explanation, after the plan: `55 requests/s need 3 of 19.1/s`. */
  readonly why: string;
  readonly regime: Regime;
  /** Planned utilisation; absent for policies without one. */
  readonly rho?: number;
  /** c_f, if it differs from the cost of a single request. */
  readonly overflowUsdEach?: number;
  /** Alternative plans, if the strategy compared any. */
  readonly alternatives?: readonly ScalingAlternative[];
  readonly functions?: FunctionChoice;
  /** False if no plan meets the objective. Default: true. */
  readonly feasible?: boolean;
}

/** The type that a policy for a single type scales: the first. */
export function primaryType({ types }: StrategyInput): UsableType {
  const [first] = types;
  if (first === undefined) throw new Error('a strategy for instances needs at least one usable type');
  return first;
}

/** The regime of a policy that uses instances. */
export function regimeOf({ overflow }: Pick<StrategyInput, 'overflow'>): Regime {
  return overflow === null ? 'instances-only' : 'hybrid';
}

/** The result of a policy that compares no costs, with the plan clamped to the limits. */
export function ruleResult<Memory>(
  input: StrategyInput,
  memory: Memory,
  plan: Plan,
  why: string,
  reason: ScalingReason = 'rule',
): StrategyResult<Memory> {
  const clamped = clampPlan(plan, input.types, input.limits);
  return { memory, plan: clamped.plan, reason: clamped.by ?? reason, why, regime: regimeOf(input) };
}

/** Like `ruleResult`, for a number of instances of the first type and none of the others. */
export function ruleCountResult<Memory>(
  input: StrategyInput,
  memory: Memory,
  count: number,
  why: string,
  reason: ScalingReason = 'rule',
): StrategyResult<Memory> {
  return ruleResult(input, memory, planOf(input.observation.types, primaryType(input).name, count), why, reason);
}

/** Leaves the plan unchanged, because an input of the policy is unknown. */
export function holdResult<Memory>(
  input: StrategyInput,
  memory: Memory,
  reason: 'no-forecast' | 'no-measurement',
  why: string,
): StrategyResult<Memory> {
  const have = currentPlan(input.observation.types);
  const { min } = input.limits;
  const least = Math.max(min, input.overflow === null ? 1 : 0);
  const clamped = clampPlan(have, input.types, { ...input.limits, min: Math.min(least, input.limits.max) });
  return { memory, plan: clamped.plan, reason, why, regime: regimeOf(input) };
}

/** The minimum; at least one without functions, so policies never remove the last instance. */
export function minimumInstances(input: StrategyInput): number {
  return Math.min(input.limits.max, Math.max(input.limits.min, input.overflow === null ? 1 : 0));
}

/** Rounded for readability: `13.6`. */
export function formatBrief(value: number): string {
  return String(Number(value.toPrecision(3)));
}
