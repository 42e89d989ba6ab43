/** Limits on every plan: minimum and maximum, scheduled floors, budget. */
import type { ScheduledFloor } from '../../../deployment/index.ts';
import { type Budget, type Plan, planTotal, type ScalingLimits, type ScalingReason } from '../observation.ts';
import type { UsableType } from './usable-types.ts';

const minutesPerDay = 1440;

/** The highest scheduled floor at `atMs` (epoch milliseconds; schedules are in UTC). 0 if there is none. */
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

/** The higher of the floors at two times: now, and when an instance started now is ready. */
export function floorWithin(floors: readonly ScheduledFloor[], nowMs: number, leadMs: number): number {
  return Math.max(floorAt(floors, nowMs), floorAt(floors, nowMs + leadMs));
}

/** Spending per hour that makes the budget last until its end; infinite without a budget. */
export function affordableUsdPerHour(budget: Budget | null | undefined): number {
  if (budget === null || budget === undefined) return Number.POSITIVE_INFINITY;
  const leftUsd = Math.max(0, budget.usdMax - budget.spentUsd);
  return leftUsd === 0 ? 0 : leftUsd / (Math.max(1, budget.remainingMs) / 3_600_000);
}

/**
 * Amount that functions can still spend in the budget period: the rest of the budget minus the cost of instances until its end.
 */
export function remainingForFunctionsUsd({ usdMax, spentUsd, remainingMs }: Budget, instancesUsdPerHour: number): number {
  return Math.max(0, usdMax - spentUsd - (instancesUsdPerHour * remainingMs) / 3_600_000);
}

/** The minimum, raised so that an exhausted budget does not remove the last running instance. */
export function minimumWithin(budget: Budget | null, min: number, active: number): number {
  const isExhausted = budget !== null && budget.spentUsd >= budget.usdMax;
  return isExhausted ? Math.max(min, Math.min(1, active)) : min;
}

/** Limits at one point in time. */
export interface CurrentLimits {
  /** The higher of the minimum and the scheduled floor, at most `max`. */
  readonly min: number;
  readonly minBecause: 'min' | 'awake' | 'schedule';
  readonly max: number;
  /** If even the minimum costs more, the minimum applies, because it was configured explicitly. */
  readonly usdPerHourMax: number;
}

/** The limits at `nowMs`. Scheduled floors apply `leadMs` early, so an instance started now is ready when they begin. */
export function limitsAt(limits: ScalingLimits, nowMs: number, leadMs: number): CurrentLimits {
  const scheduled = Math.min(limits.max, floorWithin(limits.floors ?? [], nowMs, leadMs));
  return {
    min: Math.max(limits.min, scheduled),
    minBecause: scheduled > limits.min ? 'schedule' : (limits.minBecause ?? 'min'),
    max: limits.max,
    usdPerHourMax: affordableUsdPerHour(limits.budget),
  };
}

/** Hourly price of the instances of a plan. Types that are not listed count as free. */
export function planUsdPerHour(plan: Plan, types: readonly UsableType[]): number {
  return types.reduce((usd, { name, usdPerHour }) => usd + (plan[name] ?? 0) * usdPerHour, 0);
}

/** Smaller differences are rounding errors. */
const usdTolerance = 1e-9;

/** The first limit that the plan exceeds or falls below; null if it is within all limits. */
export function brokenLimit(plan: Plan, types: readonly UsableType[], limits: CurrentLimits): ScalingReason | null {
  const total = planTotal(plan);
  if (total < limits.min) return limits.minBecause;
  if (total > limits.max) return 'max';
  return total > limits.min && planUsdPerHour(plan, types) > limits.usdPerHourMax + usdTolerance ? 'budget' : null;
}

/** A plan within the limits, and the limit that changed it. */
export interface Clamped {
  readonly plan: Plan;
  /** The limit that changed the plan; null if none did. */
  readonly by: ScalingReason | null;
}

/**
 * The nearest plan within the limits. Surplus instances are removed from the type with the lowest capacity; missing ones are
 * added to the cheapest type.
 */
export function clampPlan(plan: Plan, types: readonly UsableType[], limits: CurrentLimits): Clamped {
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
