/** What every strategy is asked, and what it answers. */
import { clampPlan, type LimitsNow } from './limits.ts';
import type { FunctionChoice, Observation, OverflowObservation, Plan, Regime, ScalingAlternative, ScalingReason } from './observation.ts';
import type { SloLevel } from './slo-correction.ts';
import { currentPlan, planOf, type UsableType } from './usable-types.ts';

/** An observation that was checked, with what follows from it. */
export interface Ask {
  readonly observation: Observation;
  /** At least one, but for `batch`. */
  readonly types: readonly UsableType[];
  /** null also where the policy does not use it. */
  readonly overflow: OverflowObservation | null;
  readonly limits: LimitsNow;
  /** How far the objective has to be made up for. */
  readonly level: SloLevel;
  readonly nowMs: number;
}

export interface Verdict<Memory> {
  /** What it wants to be handed next time; JSON. */
  readonly memory: Memory;
  readonly plan: Plan;
  readonly reason: ScalingReason;
  /** In a clause, behind the plan: `55 requests/s need 3 of 19.1/s`. */
  readonly why: string;
  readonly regime: Regime;
  /** The utilisation that was planned for; not for rules that know none. */
  readonly rho?: number;
  /** c_f, where another than that of one request sent by itself was planned with. */
  readonly overflowUsdEach?: number;
  /** What else there was, where the strategy weighed it. */
  readonly alternatives?: readonly ScalingAlternative[];
  readonly functions?: FunctionChoice;
  /** false: nothing keeps the objective. */
  readonly feasible?: boolean;
}

/** The type that a rule for one type scales: the first. */
export function primaryType({ types }: Ask): UsableType {
  const [first] = types;
  if (first === undefined) throw new Error('a strategy for instances is only asked where there is a usable type');
  return first;
}

export function regimeOf({ overflow }: Pick<Ask, 'overflow'>): Regime {
  return overflow === null ? 'instances-only' : 'hybrid';
}

/** A plan of the rule's own, within the limits. */
export function ruled<Memory>(ask: Ask, memory: Memory, plan: Plan, why: string, reason: ScalingReason = 'rule'): Verdict<Memory> {
  const clamped = clampPlan(plan, ask.types, ask.limits);
  return { memory, plan: clamped.plan, reason: clamped.by ?? reason, why, regime: regimeOf(ask) };
}

/** So many instances of the first type, and none of the others. */
export function ruledCount<Memory>(ask: Ask, memory: Memory, count: number, why: string, reason: ScalingReason = 'rule'): Verdict<Memory> {
  return ruled(ask, memory, planOf(ask.observation.types, primaryType(ask).name, count), why, reason);
}

/** Everything stays as it is, because what the rule needs to know is not known. */
export function stay<Memory>(ask: Ask, memory: Memory, reason: 'no-forecast' | 'no-measurement', why: string): Verdict<Memory> {
  const have = currentPlan(ask.observation.types);
  const { min } = ask.limits;
  const least = Math.max(min, ask.overflow === null ? 1 : 0);
  const clamped = clampPlan(have, ask.types, { ...ask.limits, min: Math.min(least, ask.limits.max) });
  return { memory, plan: clamped.plan, reason, why, regime: regimeOf(ask) };
}

/** Rules without functions never give up the last instance. */
export function leastInstances(ask: Ask): number {
  return Math.min(ask.limits.max, Math.max(ask.limits.min, ask.overflow === null ? 1 : 0));
}

/** `13.6`: enough digits to follow, not more. */
export function brief(value: number): string {
  return String(Number(value.toPrecision(3)));
}
