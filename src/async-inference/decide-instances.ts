/** How many instances the backlog of an asynchronous endpoint is worth. Pure. */

export interface BacklogSeen {
  /** Requests that wait, or are worked on. */
  readonly backlog: number;
  /** How long the oldest of them has been here. */
  readonly oldestMs: number;
  /** Within which requests are to be done. */
  readonly objectiveMs: number;
  /** How long a request is worked on; null where none was yet. */
  readonly workMs: number | null;
  /** So many at once are worked on by one instance. */
  readonly concurrency: number;
  /** Instances that are wanted now. */
  readonly wanted: number;
  readonly instancesMin: number;
  readonly instancesMax: number;
  /** What was needed at the last looks, the latest last. */
  readonly needed: readonly number[];
}

export interface BacklogDecision {
  /** What is to be remembered among `needed`. */
  readonly needed: number;
  readonly instances: number;
  readonly reason: string;
}

/** What is waited for at least, where the oldest has used up its time. */
const allowedShareMin = 0.1;
/** Requests for each that can be worked on at once, where nobody knows how long one takes. */
const roundsUnknown = 4;

/** Within which requests are to be done where nothing is promised. */
export const objectiveMsDefault = 60_000;

/**
 * How old a request may grow in its queue before that is an alarm, ms. Those who submit do not wait for the answer: a promise of 50 ms to
 * those who do says nothing of them, and one of two minutes does.
 */
export function ageMsMax(objectiveMs: number | null): number {
  return Math.max(objectiveMs ?? 0, objectiveMsDefault);
}

/**
 * As soon as one waits there is one instance. More are worth it where one alone would not be through in time: a backlog of q requests,
 * c at once, each w long, takes n instances  q w / (n c),  and is to be done within what is left of the objective to the oldest. Fewer
 * again are wanted once none of the last looks needed as many: a gap between two bursts costs less than starting anew.
 */
export function decideInstances(seen: BacklogSeen): BacklogDecision {
  const { backlog, oldestMs, objectiveMs, workMs, concurrency, wanted, instancesMin: min, instancesMax: max } = seen;
  const leftMs = Math.max(objectiveMs - oldestMs, objectiveMs * allowedShareMin);
  const each = workMs === null ? roundsUnknown * concurrency : Math.max((leftMs * concurrency) / Math.max(workMs, 1), 1);
  const needed = backlog === 0 ? 0 : Math.max(1, Math.ceil(backlog / each));
  const kept = Math.max(needed, Math.min(wanted, Math.max(0, ...seen.needed)));
  const instances = Math.max(min, Math.min(max, kept));
  const why =
    backlog === 0
      ? kept > 0
        ? 'nothing waits, but something did a moment ago'
        : 'nothing waits'
      : `${backlog} wait, the oldest for ${seconds(oldestMs)}: one instance does ${Math.floor(each)} in the ${seconds(leftMs)} that are left`;
  const bound = instances < kept ? `, the maximum is ${max}` : instances > kept ? `, the minimum is ${min}` : '';
  return { needed, instances, reason: `${why}${bound}` };
}

function seconds(ms: number): string {
  return `${(ms / 1000).toFixed(ms < 10_000 ? 1 : 0)} s`;
}
