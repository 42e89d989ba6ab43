/** What bounds every plan: the least and the most instances, floors by the time of day, money. */
import type { ScheduledFloor } from '../../deployment/index.ts';
import { type Budget, type Plan, planTotal, type ScalingLimits, type ScalingReason } from './observation.ts';
import type { UsableType } from './usable-types.ts';

const minutesPerDay = 1440;

/** The highest floor that is in force at `atMs` (epoch, UTC); 0 where none is. */
export function floorAt(floors: readonly ScheduledFloor[], atMs: number): number {
  const minute = Math.floor(atMs / 60_000);
  const ofDay = ((minute % minutesPerDay) + minutesPerDay) % minutesPerDay;
  const weekday = (((Math.floor(minute / minutesPerDay) + 4) % 7) + 7) % 7; // 1 January 1970 was a Thursday
  let floor = 0;
  for (const { days, fromMinute, untilMinute, instances } of floors) {
    const isOn = (day: number): boolean => days.length === 0 || days.includes(day);
    const spansMidnight = untilMinute <= fromMinute;
    const began = ofDay >= fromMinute && (spansMidnight || ofDay < untilMinute) && isOn(weekday);
    const beganYesterday = spansMidnight && ofDay < untilMinute && isOn((weekday + 6) % 7);
    if (began || beganYesterday) floor = Math.max(floor, instances);
  }
  return floor;
}

/** The floor of now, or of when an instance that is started now would be ready. */
export function floorWithin(floors: readonly ScheduledFloor[], nowMs: number, leadMs: number): number {
  return Math.max(floorAt(floors, nowMs), floorAt(floors, nowMs + leadMs));
}

/** What may be spent in an hour from now on so that the budget lasts; infinite without one. */
export function affordableUsdPerHour(budget: Budget | null | undefined): number {
  if (budget === null || budget === undefined) return Number.POSITIVE_INFINITY;
  const leftUsd = Math.max(0, budget.usdMax - budget.spentUsd);
  return leftUsd === 0 ? 0 : leftUsd / (Math.max(1, budget.remainingMs) / 3_600_000);
}

/** What functions may still cost until the stretch of a budget is over: what is left of it, less what instances will cost by then. */
export function leftForFunctionsUsd({ usdMax, spentUsd, remainingMs }: Budget, instancesUsdPerHour: number): number {
  return Math.max(0, usdMax - spentUsd - (instancesUsdPerHour * remainingMs) / 3_600_000);
}

/** Whoever is there goes on once the money is spent: the last one is not sent away. */
export function leastWithin(budget: Budget | null, min: number, active: number): number {
  const isSpent = budget !== null && budget.spentUsd >= budget.usdMax;
  return isSpent ? Math.max(min, Math.min(1, active)) : min;
}

/** The limits as they are at one moment. */
export interface LimitsNow {
  /** The greater of the minimum and the scheduled floor, at most `max`. */
  readonly min: number;
  readonly minBecause: 'min' | 'awake' | 'schedule';
  readonly max: number;
  /** Where even the minimum costs more, the minimum is kept: it was asked for by its number. */
  readonly usdPerHourMax: number;
}

/** A floor counts as early as an instance started now would be ready for it. */
export function limitsAt(limits: ScalingLimits, nowMs: number, leadMs: number): LimitsNow {
  const scheduled = Math.min(limits.max, floorWithin(limits.floors ?? [], nowMs, leadMs));
  return {
    min: Math.max(limits.min, scheduled),
    minBecause: scheduled > limits.min ? 'schedule' : (limits.minBecause ?? 'min'),
    max: limits.max,
    usdPerHourMax: affordableUsdPerHour(limits.budget),
  };
}

export function planUsdPerHour(plan: Plan, types: readonly UsableType[]): number {
  return types.reduce((usd, { name, usdPerHour }) => usd + (plan[name] ?? 0) * usdPerHour, 0);
}

/** By how little money may differ and still be the same. */
const usdTolerance = 1e-9;

/** The first limit that the plan breaks; null where it keeps all. */
export function brokenLimit(plan: Plan, types: readonly UsableType[], limits: LimitsNow): ScalingReason | null {
  const total = planTotal(plan);
  if (total < limits.min) return limits.minBecause;
  if (total > limits.max) return 'max';
  return total > limits.min && planUsdPerHour(plan, types) > limits.usdPerHourMax + usdTolerance ? 'budget' : null;
}

export interface Clamped {
  readonly plan: Plan;
  /** The limit that changed it; null where none did. */
  readonly by: ScalingReason | null;
}

/**
 * The plan with as few changes as the limits allow: what is too much is taken from the type that carries least, what is missing
 * is added of the type that costs least.
 */
export function clampPlan(plan: Plan, types: readonly UsableType[], limits: LimitsNow): Clamped {
  const counts: Record<string, number> = { ...plan };
  let by: ScalingReason | null = null;
  const [cheapest] = types.toSorted((a, b) => a.usdPerHour - b.usdPerHour);
  if (cheapest !== undefined && planTotal(counts) < limits.min) {
    counts[cheapest.name] = (counts[cheapest.name] ?? 0) + limits.min - planTotal(counts);
    by = limits.minBecause;
  }
  const smallestFirst = types.toSorted((a, b) => a.ratePerSecond - b.ratePerSecond);
  for (;;) {
    const broken = brokenLimit(counts, types, limits);
    if (broken !== 'max' && broken !== 'budget') break;
    const smallest = smallestFirst.find(({ name }) => (counts[name] ?? 0) > 0);
    if (smallest === undefined) break;
    counts[smallest.name] = (counts[smallest.name] ?? 0) - 1;
    by = broken;
  }
  return { plan: counts, by };
}
