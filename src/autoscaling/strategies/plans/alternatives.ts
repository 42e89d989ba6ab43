/**
 * The alternatives to the chosen plan, each with its expected cost and the limit that excludes it, and
 * the text that explains the comparison.
 */

import { isSamePlan, type Plan, type ScalingAlternative, type ScalingReason } from '../observation.ts';
import { brokenLimit, type CurrentLimits } from './limits.ts';
import { countsOf, type PricedType, planCapacity, planCost } from './plan-cost.ts';
import { formatPlan } from './scale-in.ts';
import type { UsableType } from './usable-types.ts';

/** Quantities that were used to find the chosen plan. */
export interface AlternativesInput {
  readonly types: readonly UsableType[];
  readonly priced: readonly PricedType[];
  /** Quantiles of the demand in the planned slot. */
  readonly demand: readonly number[];
  readonly overflowUsdEach: number;
  /** Requests per slot that instances must serve, because functions cannot. */
  readonly mustCarry: number;
  readonly floor: number;
  readonly limits: CurrentLimits;
}

/**
 * The chosen plan first. Then one instance fewer and one more of each type, zero instances, the current plan, and the best plan
 * without limits.
 */
export function alternativesTo(chosen: Plan, current: Plan, unbounded: Plan | null, weighing: AlternativesInput): ScalingAlternative[] {
  const { types } = weighing;
  const plans: Plan[] = [chosen];
  for (const { name } of types) {
    const count = chosen[name] ?? 0;
    if (count > 0) plans.push({ ...chosen, [name]: count - 1 });
    plans.push({ ...chosen, [name]: count + 1 });
  }
  plans.push(Object.fromEntries(types.map(({ name }) => [name, 0])), current);
  if (unbounded !== null) plans.push(unbounded);
  const different = plans.filter((plan, i) => plans.findIndex((other) => isSamePlan(other, plan)) === i);
  return different.map((plan) => ({
    plan,
    ...planCost(weighing.priced, countsOf(weighing.priced, plan), weighing.demand, weighing.overflowUsdEach),
    excludedBy: excludedBy(plan, weighing),
  }));
}

/** The limit that excludes a plan; null if none does. */
export function excludedBy(
  plan: Plan,
  { types, priced, mustCarry, floor, limits }: Omit<AlternativesInput, 'demand' | 'overflowUsdEach'>,
): ScalingReason | null {
  const broken = brokenLimit(plan, types, limits);
  if (broken !== null) return broken;
  const capacity = planCapacity(priced, countsOf(priced, plan)) * (1 + 1e-9);
  if (capacity < mustCarry) return 'infeasible';
  return capacity < floor ? 'slo-floor' : null;
}

/** Costs for the explanation, such as `expected $0.00395/min; 1 would cost 0.00571, 3 0.00478`. */
export function formatCosts(alternatives: readonly ScalingAlternative[], slotMs: number): string {
  const [chosen, ...others] = alternatives;
  if (chosen === undefined) return '';
  const unit = slotMs === 60_000 ? 'min' : `${slotMs / 1000} s`;
  const used = Object.keys(chosen.plan).filter((name) => (chosen.plan[name] ?? 0) > 0);
  const adjacent = others
    .filter(({ plan }) => changed(plan, chosen.plan) === 1)
    .filter(({ plan }) => used.length === 0 || used.some((name) => plan[name] !== chosen.plan[name]));
  const reported = adjacent
    .slice(0, 4)
    .map(({ plan, totalUsd }, i) => `${nameOf(plan, used)}${i === 0 ? ' would cost' : ''} ${usd(totalUsd)}`);
  const tail = reported.length === 0 ? '' : `; ${reported.join(', ')}`;
  return `expected $${usd(chosen.totalUsd)}/${unit}${tail}`;
}

/** Number of instances by which the plans differ. */
function changed(left: Plan, right: Plan): number {
  return Object.keys({ ...left, ...right }).reduce((sum, name) => sum + Math.abs((left[name] ?? 0) - (right[name] ?? 0)), 0);
}

/** Formats a plan; as a bare number if only one type is in use. */
function nameOf(plan: Plan, used: readonly string[]): string {
  const names = Object.keys(plan).filter((name) => (plan[name] ?? 0) > 0);
  const [only] = used;
  return only !== undefined && used.length === 1 && names.every((name) => name === only) ? String(plan[only] ?? 0) : formatPlan(plan);
}

function usd(value: number): string {
  if (value === 0) return '0';
  const digits = Math.max(2, 2 - Math.floor(Math.log10(Math.abs(value))));
  return value.toFixed(Math.min(digits, 12));
}
