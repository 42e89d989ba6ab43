/**
 * When the objective is missed faster than it may be, more is kept than is worth its money: two levels, one step at a time.
 *
 *   burn = share of violations / (1 - a)     a = 0.95 for p95; at 1 the budget of misses is used up exactly
 */
import type { Objective } from '../../objective.ts';
import type { RequestCounts, SloWindows } from './observation.ts';

export type SloLevel = 0 | 1 | 2;

export interface SloState {
  readonly level: SloLevel;
  /** When the level changed last; null: never. */
  readonly changedAtMs: number | null;
  /** Since when it burns slowly enough; null: it does not. */
  readonly calmSinceMs: number | null;
}

export const noSloTrouble: SloState = { level: 0, changedAtMs: null, calmSinceMs: null };

const requestsForBurn = 200;
const raiseEveryMs = 300_000;
const lowerAfterMs = 1_800_000;

/** null where too few requests came to tell. */
export function burnRate({ requests, violations }: RequestCounts, { percentile }: Objective): number | null {
  if (!(requests >= requestsForBurn) || !(violations >= 0)) return null;
  return violations / requests / (1 - percentile / 100);
}

export interface Burn {
  readonly fiveMinutes: number | null;
  readonly hour: number | null;
}

export function burnOf(windows: SloWindows | null | undefined, objective: Objective | null): Burn {
  if (windows === null || windows === undefined || objective === null) return { fiveMinutes: null, hour: null };
  return { fiveMinutes: burnRate(windows.fiveMinutes, objective), hour: burnRate(windows.hour, objective) };
}

/**
 * The level from now on: one up where both windows burn (at 2 and 1), five minutes after the last change at the earliest; one
 * down after each half hour of burning below 1. Where too few came to tell, nothing burns.
 */
export function correctSlo(state: SloState, { fiveMinutes, hour }: Burn, nowMs: number): SloState {
  const isCalm = fiveMinutes === null || fiveMinutes < 1;
  const calmSinceMs = isCalm ? (state.calmSinceMs ?? nowMs) : null;
  if (fiveMinutes !== null && fiveMinutes >= 2 && hour !== null && hour >= 1) {
    const isSoon = state.changedAtMs !== null && nowMs - state.changedAtMs < raiseEveryMs;
    if (state.level === 2 || isSoon) return { ...state, calmSinceMs };
    return { level: state.level === 0 ? 1 : 2, changedAtMs: nowMs, calmSinceMs };
  }
  if (state.level > 0 && calmSinceMs !== null && nowMs - calmSinceMs >= lowerAfterMs) {
    return { level: state.level === 2 ? 1 : 0, changedAtMs: nowMs, calmSinceMs: nowMs };
  }
  return { ...state, calmSinceMs };
}

/** Utilisation that is planned for less, so that there is room. */
export function correctedRho(rho: number, level: SloLevel): number {
  return Math.max(0.05, rho - 0.05 * level);
}

/** The quantile of the demand that instances alone should carry; null: none. */
export function floorTau(level: SloLevel): number | null {
  return level === 0 ? null : level === 1 ? 0.8 : 0.95;
}
