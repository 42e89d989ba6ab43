/** When a setting is looked at again. Pure: what has happened since the last time is handed in. */

export type BatchTrigger = 'manual' | 'deploy' | 'profile' | 'change-point' | 'period';

/** From so many arrivals on, their pattern is taken as known; with fewer, only their rate is. */
export const arrivalsForPattern = 300;

/** What the arrivals alone ask for waits so long after the last decision: bursts that come and go are no news each time. */
const calmMs = 5000;

export interface SinceLastDecision {
  readonly nowMs: number;
  /** When it was last decided; null where it never was. */
  readonly decidedAtMs: number | null;
  /** The objective, the limits or the policy are not those that were decided for. */
  readonly isReconfigured: boolean;
  /** Service times were measured. */
  readonly isProfiled: boolean;
  /** The arrivals have changed since. */
  readonly hasAlarm: boolean;
  /** Somebody asked for it. */
  readonly isAsked: boolean;
  /** When the last request came; null where none ever did. */
  readonly lastArrivalMs: number | null;
  /** Arrivals that are known now, and that were known then. */
  readonly arrivals: number;
  readonly arrivalsThen: number;
  readonly periodMs: number;
}

/**
 * Why it is to be decided now; null where it is not. The strongest reason is told where there are several.
 *
 * While nobody comes there is nothing to decide: the same inputs would only give the same record again. And where the last
 * decision knew too few arrivals to tell their pattern, enough of them are reason enough, whatever the period.
 */
export function dueFor(since: SinceLastDecision): BatchTrigger | null {
  if (since.isAsked) return 'manual';
  if (since.decidedAtMs === null || since.isReconfigured) return 'deploy';
  if (since.isProfiled) return 'profile';
  const sinceMs = since.nowMs - since.decidedAtMs;
  if (since.hasAlarm && sinceMs >= calmMs) return 'change-point';
  if (since.lastArrivalMs === null || since.lastArrivalMs <= since.decidedAtMs) return null;
  const isPatternKnown = since.arrivals >= arrivalsForPattern && since.arrivalsThen < arrivalsForPattern;
  return (isPatternKnown && sinceMs >= calmMs) || sinceMs >= since.periodMs ? 'period' : null;
}
