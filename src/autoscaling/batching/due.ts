/** Decides when a batching setting is due for review. Pure: the caller passes in the events since the last decision. */

/** Why a choice was due; of several reasons, the first of this list is recorded. */
export type BatchTrigger = 'manual' | 'deploy' | 'profile' | 'change-point' | 'period';

/** From this number of arrivals on, decisions use their pattern; with fewer, only their rate. */
export const arrivalsForPattern = 300;

/** Minimum time between decisions that only arrivals cause, so recurring bursts do not each cause one. */
const calmMs = 5000;

/** What happened since the last decision. */
export interface SinceLastDecision {
  readonly nowMs: number;
  /** Time of the last decision; null before the first one. */
  readonly decidedAtMs: number | null;
  /** True if the objective, limits or policy changed since the last decision. */
  readonly isReconfigured: boolean;
  /** True if service times were measured since the last decision. */
  readonly isProfiled: boolean;
  /** True if the arrival pattern changed since the last decision. */
  readonly hasAlarm: boolean;
  /** True if a decision was requested manually. */
  readonly isRequested: boolean;
  /** Time of the last request; null before the first one. */
  readonly lastArrivalMs: number | null;
  /** Number of arrivals known now and at the last decision. */
  readonly arrivals: number;
  readonly arrivalsThen: number;
  readonly periodMs: number;
}

/**
 * Why a decision is due now; null if none is due. Of several reasons, returns the strongest. Without traffic no decision is due,
 * because the same inputs give the same result. If the last decision knew too few arrivals for a pattern, a decision is due as
 * soon as there are enough.
 */
export function dueTrigger(since: SinceLastDecision): BatchTrigger | null {
  if (since.isRequested) return 'manual';
  if (since.decidedAtMs === null || since.isReconfigured) return 'deploy';
  if (since.isProfiled) return 'profile';
  const sinceMs = since.nowMs - since.decidedAtMs;
  if (since.hasAlarm && sinceMs >= calmMs) return 'change-point';
  if (since.lastArrivalMs === null || since.lastArrivalMs <= since.decidedAtMs) return null;
  const isPatternKnown = since.arrivals >= arrivalsForPattern && since.arrivalsThen < arrivalsForPattern;
  return (isPatternKnown && sinceMs >= calmMs) || sinceMs >= since.periodMs ? 'period' : null;
}
