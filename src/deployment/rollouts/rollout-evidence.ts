/**
 * Whether a step of a monitored update has enough answers of the new version to be judged. Two requests, one of them rejected,
 * do not prove that a version works. Pure.
 */
import { PlatformError } from '../../errors.ts';

/** How many answers a step needs, and what happens without them. */
export interface EvidenceRule {
  /** Answers of the new version in a step, late or failed ones included; 0: none are needed. */
  readonly answersMin: number;
  /** Longest time to monitor a step that has too few; null: `watchMaxFactor` times the step's own time. */
  readonly watchMaxMs: number | null;
  /** After that time: pause until there are enough or a user continues, or continue without them. */
  readonly ifTooFew: 'pause' | 'continue';
}

/** What the new version has received in a step. */
export interface StepEvidence {
  /** Requests, regardless of outcome. */
  readonly requests: number;
  /** The requests that it answered or failed; it did not run the others. */
  readonly answers: number;
}

interface WatchedStep {
  /** How long it is monitored by plan. */
  readonly bakeMs: number;
}

/** `extended`: monitored for longer than planned, because it had too few answers. */
export type RolloutHold = 'extended' | 'paused';

/** Whether to judge now, wait, extend the step, or pause the rollout until a user decides. */
export type EvidenceVerdict =
  /** `note`: what was not measured; null if there was enough evidence. */
  | { readonly kind: 'enough'; readonly note: string | null }
  | { readonly kind: 'wait' }
  | { readonly kind: 'extend'; readonly reason: string }
  | { readonly kind: 'pause'; readonly reason: string };

/**
 * Answers of the new version that a step needs. 30 show a version that fails every tenth request with a probability of 96 % (1 - 0.9^30).
 */
export const answersMinDefault = 30;
const watchMaxFactor = 4;
const answersMinMax = 1_000_000;
const watchMaxMsMax = 604_800_000;

/**
 * Judges a step whose planned time is over. A step without any request completes, because an endpoint without traffic could
 * otherwise not be updated. Without a rule, time and alarms alone decide, as on AWS.
 */
export function evidenceVerdict(
  { evidence, hold }: { readonly evidence: EvidenceRule | undefined; readonly hold: RolloutHold | undefined },
  step: WatchedStep,
  { watchedMs, requests, answers }: StepEvidence & { readonly watchedMs: number },
): EvidenceVerdict {
  if (evidence === undefined || step.bakeMs === 0) return { kind: 'enough', note: null };
  if (requests === 0 && hold === undefined) return { kind: 'enough', note: 'no requests: nothing was measured' };
  if (answers >= evidence.answersMin) return { kind: 'enough', note: null };
  if (hold === 'paused') return { kind: 'wait' };
  const reason = `too few to judge: ${answers} of ${evidence.answersMin} answers in ${Math.round(watchedMs / 1000)} s`;
  if (watchedMs < watchMaxMsOf(evidence, step)) return hold === 'extended' ? { kind: 'wait' } : { kind: 'extend', reason };
  return evidence.ifTooFew === 'pause' ? { kind: 'pause', reason } : { kind: 'enough', note: reason };
}

/** The longest time that a step is monitored before it pauses or continues. */
export function watchMaxMsOf({ watchMaxMs }: EvidenceRule, { bakeMs }: WatchedStep): number {
  return watchMaxMs ?? watchMaxFactor * bakeMs;
}

/** Throws `invalid_request`. */
export function checkEvidence(evidence: EvidenceRule | undefined, steps: readonly WatchedStep[]): void {
  if (evidence === undefined) return;
  const { answersMin, watchMaxMs } = evidence;
  if (!Number.isSafeInteger(answersMin) || answersMin < 0 || answersMin > answersMinMax)
    throw invalid(`rollout: expected min_requests to be a whole number from 0 to ${answersMinMax}, got ${answersMin}`);
  if (watchMaxMs === null) return;
  const longestMs = Math.max(...steps.map(({ bakeMs }) => bakeMs));
  if (!(watchMaxMs >= longestMs && watchMaxMs <= watchMaxMsMax))
    throw invalid(
      `rollout: expected watch_max_s to be from ${longestMs / 1000}, the time of its longest step, to ${watchMaxMsMax / 1000}, got ${watchMaxMs / 1000}`,
    );
}

function invalid(message: string): PlatformError {
  return new PlatformError('invalid_request', message);
}
