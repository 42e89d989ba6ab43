/**
 * When the objective is missed faster than it may be, more is kept than is worth its money: two levels, one step at a time.
 *
 *   burn = share of violations / (1 - a)     a = 0.95 for p95; at 1 the budget of misses is used up exactly
 *
 * Only misses that more instances now would undo buy instances. A cold start that is over, a surge that was late until the instances
 * for it were there: these have happened, and paying more afterwards brings nobody his answer sooner. So it has to burn over the hour
 * (it is no accident), over five minutes (it is not long ago) and in the last minute (it goes on), with the instances in service that
 * were wished for (they are not enough).
 */
import { budgetOf, type Objective } from '../../objective.ts';
import type { RequestCounts, SloWindows, TypeObservation } from './observation.ts';

export type SloLevel = 0 | 1 | 2;

export interface SloState {
  readonly level: SloLevel;
  /** When the level changed last; null: never. */
  readonly changedAtMs: number | null;
  /** Since when it burns slowly enough; null: it does not. */
  readonly calmSinceMs: number | null;
  /** When instances that were wished for were seen to be missing last; left out: never. */
  readonly shortAtMs?: number;
}

export const noSloTrouble: SloState = { level: 0, changedAtMs: null, calmSinceMs: null };

const requestsForBurn = 200;
const hourMs = 3_600_000;
const raiseEveryMs = 300_000;
const lowerAfterMs = 1_800_000;
/** What waited for instances is late when they are there: a minute later none of it is left in the last minute. */
const settledAfterMs = 120_000;

/** null where too few requests came to tell. */
export function burnRate({ requests, violations }: RequestCounts, objective: Objective): number | null {
  if (!(requests >= requestsForBurn) || !(violations >= 0)) return null;
  return violations / requests / budgetOf(objective);
}

export interface Burn {
  /** Whether more was missed in the last minute than may be, however few came. */
  readonly goesOn: boolean;
  readonly fiveMinutes: number | null;
  /** Of what may be missed in a whole hour of so many requests, though less of it has been watched. */
  readonly hour: number | null;
}

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

/** Whether at most a fifth of the instances that were wished for is still on its way. */
export function isWhole(types: readonly Pick<TypeObservation, 'active' | 'launching'>[]): boolean {
  let [active, launching] = [0, 0];
  for (const type of types) {
    active += type.active;
    launching += type.launching;
  }
  return launching * 4 <= active;
}

/**
 * The level from now on: one up where it burns in all windows (at 2 over five minutes, at 1 over the hour) and no instances are
 * missing, five minutes after the last change at the earliest; one down after each half hour of burning below 1. Where too few came
 * to tell, nothing burns.
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

/** Utilisation that is planned for less, so that there is room. */
export function correctedRho(rho: number, level: SloLevel): number {
  return Math.max(0.05, rho - 0.05 * level);
}

/** The quantile of the demand that instances alone should carry; null: none. */
export function floorTau(level: SloLevel): number | null {
  return level === 0 ? null : level === 1 ? 0.8 : 0.95;
}
