/**
 * If the objective is missed more often than allowed, adds capacity beyond the cheapest plan: two levels, one step at a time.
 * burn = share of violations / (1 - a), with a = 0.95 for p95; at 1 the error budget is just used up. Only misses that more
 * instances prevent cause a step, not a past cold start or a surge before its instances were ready. So the objective must burn
 * over the hour (not a single accident), over five minutes (recent) and in the last minute (ongoing), although the requested
 * instances serve.
 */
import { budgetOf, type Objective } from '../../objective.ts';
import type { RequestCounts, SloWindows, TypeObservation } from './observation.ts';

/** 0: the cheapest plan. 1 and 2: additional capacity. */
export type SloLevel = 0 | 1 | 2;

/** The level in force, and what decides about its next step. */
export interface SloState {
  readonly level: SloLevel;
  /** Time of the last change of the level; null: never changed. */
  readonly changedAtMs: number | null;
  /** Time since which the burn has been low; null if it is not low. */
  readonly calmSinceMs: number | null;
  /** Time at which requested instances were last missing; absent: never. */
  readonly shortAtMs?: number;
}

/** No correction. */
export const initialSloState: SloState = { level: 0, changedAtMs: null, calmSinceMs: null };

const requestsForBurn = 200;
const hourMs = 3_600_000;
const raiseEveryMs = 300_000;
const lowerAfterMs = 1_800_000;
/**
 * Requests that waited for missing instances are late. This long after the instances started, the last minute contains none of
 * them.
 */
const settledAfterMs = 120_000;

/** The burn rate; null if there were too few requests. */
export function burnRate({ requests, violations }: RequestCounts, objective: Objective): number | null {
  if (!(requests >= requestsForBurn) || !(violations >= 0)) return null;
  return violations / requests / budgetOf(objective);
}

/** Burn rates over three windows; null if a window had too few requests. */
export interface Burn {
  /** True if the last minute exceeded its error budget, however few requests it had. */
  readonly goesOn: boolean;
  readonly fiveMinutes: number | null;
  /**
   * Burn over the hour, relative to the error budget of a full hour at this rate, even if less was observed. null with too few
   * requests.
   */
  readonly hour: number | null;
}

/** Burn rates of the objective. Without an objective or measurements nothing burns. */
export function burnOf(windows: SloWindows | null | undefined, objective: Objective | null): Burn {
  if (windows === null || windows === undefined || objective === null) return { goesOn: false, fiveMinutes: null, hour: null };
  const { minute, fiveMinutes, hour, watchedMs } = windows;
  const burnWatched = burnRate(hour, objective);
  return {
    goesOn: minute.requests > 0 && minute.violations / minute.requests > budgetOf(objective),
    fiveMinutes: burnRate(fiveMinutes, objective),
    hour: burnWatched === null ? null : burnWatched * Math.min(1, watchedMs / hourMs),
  };
}

/** True if at most a fifth of the requested instances are still launching. */
export function isMostlyLaunched(types: readonly Pick<TypeObservation, 'active' | 'launching'>[]): boolean {
  let [active, launching] = [0, 0];
  for (const type of types) {
    active += type.active;
    launching += type.launching;
  }
  return launching * 4 <= active;
}

/**
 * The new level. Increases by one if all windows burn (2 over five minutes, 1 over the hour), no instances were missing in the
 * last two minutes, and the last change is at least five minutes ago. Decreases by one after each half hour below 1. With too
 * few requests nothing burns.
 */
export function correctSlo(former: SloState, { goesOn, fiveMinutes, hour }: Burn, isWholeNow: boolean, nowMs: number): SloState {
  const isCalm = fiveMinutes === null || fiveMinutes < 1;
  const state: SloState = {
    ...former,
    calmSinceMs: isCalm ? (former.calmSinceMs ?? nowMs) : null,
    ...(isWholeNow ? {} : { shortAtMs: nowMs }),
  };
  const { level, changedAtMs, calmSinceMs, shortAtMs = Number.NEGATIVE_INFINITY } = state;
  const burns = goesOn && fiveMinutes !== null && fiveMinutes >= 2 && hour !== null && hour >= 1;
  if (burns && nowMs - shortAtMs >= settledAfterMs && nowMs - (changedAtMs ?? Number.NEGATIVE_INFINITY) >= raiseEveryMs && level < 2) {
    return { ...state, level: level === 0 ? 1 : 2, changedAtMs: nowMs };
  }
  if (level > 0 && calmSinceMs !== null && nowMs - calmSinceMs >= lowerAfterMs) {
    return { ...state, level: level === 2 ? 1 : 0, changedAtMs: nowMs, calmSinceMs: nowMs };
  }
  return state;
}

/** The planned utilisation at this level, lowered to leave headroom. */
export function correctedRho(rho: number, level: SloLevel): number {
  return Math.max(0.05, rho - 0.05 * level);
}

/** The quantile of the demand that instances alone should serve at this level; null: none. */
export function floorTau(level: SloLevel): number | null {
  return level === 0 ? null : level === 1 ? 0.8 : 0.95;
}
