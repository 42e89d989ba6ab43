/** The plans beside the chosen one, each with what it was expected to cost and what forbade it; and the sentence that tells them. */
import { brokenLimit, type LimitsNow } from './limits.ts';
import { isSamePlan, type Plan, type ScalingAlternative, type ScalingReason } from './observation.ts';
import { capacityOf, countsOf, type PricedType, planCost } from './plan-cost.ts';
import { planInWords } from './scale-in.ts';
import type { UsableType } from './usable-types.ts';

export interface Weighing {
  readonly types: readonly UsableType[];
  readonly priced: readonly PricedType[];
  /** Quantiles of the demand in the slot that is decided for. */
  readonly demand: readonly number[];
  readonly overflowUsdEach: number;
  /** Requests per slot that a plan has to carry itself, for functions cannot take them. */
  readonly mustCarry: number;
  readonly floor: number;
  readonly limits: LimitsNow;
}

/** The chosen plan first, then one instance less and more of each type, none at all, what there is, and the best without limits. */
export function alternativesTo(chosen: Plan, current: Plan, unbounded: Plan | null, weighing: Weighing): ScalingAlternative[] {
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

export function excludedBy(
  plan: Plan,
  { types, priced, mustCarry, floor, limits }: Omit<Weighing, 'demand' | 'overflowUsdEach'>,
): ScalingReason | null {
  const broken = brokenLimit(plan, types, limits);
  if (broken !== null) return broken;
  const capacity = capacityOf(priced, countsOf(priced, plan)) * (1 + 1e-9);
  if (capacity < mustCarry) return 'infeasible';
  return capacity < floor ? 'slo-floor' : null;
}

/** `expected $0.00395/min; 1 would cost 0.00571, 3 0.00478`. */
export function costInWords(alternatives: readonly ScalingAlternative[], slotMs: number): string {
  const [chosen, ...others] = alternatives;
  if (chosen === undefined) return '';
  const unit = slotMs === 60_000 ? 'min' : `${slotMs / 1000} s`;
  const used = Object.keys(chosen.plan).filter((name) => (chosen.plan[name] ?? 0) > 0);
  const neighbours = others
    .filter(({ plan }) => changed(plan, chosen.plan) === 1)
    .filter(({ plan }) => used.length === 0 || used.some((name) => plan[name] !== chosen.plan[name]));
  const told = neighbours
    .slice(0, 4)
    .map(({ plan, totalUsd }, i) => `${nameOf(plan, used)}${i === 0 ? ' would cost' : ''} ${usd(totalUsd)}`);
  const tail = told.length === 0 ? '' : `; ${told.join(', ')}`;
  return `expected $${usd(chosen.totalUsd)}/${unit}${tail}`;
}

/** By how many instances they differ. */
function changed(left: Plan, right: Plan): number {
  return Object.keys({ ...left, ...right }).reduce((sum, name) => sum + Math.abs((left[name] ?? 0) - (right[name] ?? 0)), 0);
}

/** A bare number where only one type is in use. */
function nameOf(plan: Plan, used: readonly string[]): string {
  const names = Object.keys(plan).filter((name) => (plan[name] ?? 0) > 0);
  const [only] = used;
  return only !== undefined && used.length === 1 && names.every((name) => name === only) ? String(plan[only] ?? 0) : planInWords(plan);
}

function usd(value: number): string {
  if (value === 0) return '0';
  const digits = Math.max(2, 2 - Math.floor(Math.log10(Math.abs(value))));
  return value.toFixed(Math.min(digits, 12));
}
