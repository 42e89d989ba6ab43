/**
 * Strategy `ray`: scales like Ray Serve, on requests in the system with a target of two per replica: ⌈cur + f (want - cur)⌉,
 * where want = (ongoing + queued) / 2 over 30 s. Starts replicas if more were needed for 30 s, and removes some if fewer were
 * needed for 600 s. The first replica starts at once.
 */
import { type CounterSample, risePerMs, withSample } from '../strategies/counter-window.ts';
import {
  formatBrief,
  holdResult,
  minimumInstances,
  primaryType,
  ruleCountResult,
  type StrategyInput,
  type StrategyResult,
} from '../strategies/strategy.ts';

/** The samples of the mean, and since when it has required a change. */
export interface RayMemory {
  readonly concurrency: readonly CounterSample[];
  /** Time since which more (or fewer) than the current number have been needed without interruption; null if not. */
  readonly moreSinceMs: number | null;
  readonly fewerSinceMs: number | null;
}

/** Before the first observation. */
export const rayInitial: RayMemory = { concurrency: [], moreSinceMs: null, fewerSinceMs: null };

const windowMs = 30_000;
const ongoingTarget = 2;
const smoothing = 1;
const growAfterMs = 30_000;
const shrinkAfterMs = 600_000;
/** Maximum concurrent requests per replica; the router enforces it. */
export const rayOngoingMax = 5;

/** The first replica starts at once; further ones only after 30 s of need. */
export function ray(memory: RayMemory, input: StrategyInput): StrategyResult<RayMemory> {
  const { observation, nowMs } = input;
  const { have } = primaryType(input);
  const concurrency = withSample(memory.concurrency, { atMs: nowMs, value: observation.concurrencyMs }, windowMs, windowMs / 30);
  const mean = risePerMs(concurrency, windowMs);
  if (mean === null)
    return holdResult(input, { ...memory, concurrency }, 'no-measurement', 'the requests in the system are unknown so far');
  const want = mean / ongoingTarget;
  const desired = Math.min(Math.max(minimumInstances(input), Math.ceil(have + smoothing * (want - have) - 1e-9)), input.limits.max);
  const moreSinceMs = desired > have ? (memory.moreSinceMs ?? nowMs) : null;
  const fewerSinceMs = desired < have ? (memory.fewerSinceMs ?? nowMs) : null;
  const grows = moreSinceMs !== null && (have === 0 || nowMs - moreSinceMs >= growAfterMs);
  const shrinks = fewerSinceMs !== null && nowMs - fewerSinceMs >= shrinkAfterMs;
  const why = `${formatBrief(mean)} requests in the system over 30 s, ${ongoingTarget} per replica`;
  if (grows || shrinks) return ruleCountResult(input, { concurrency, moreSinceMs: null, fewerSinceMs: null }, desired, why);
  return ruleCountResult(input, { concurrency, moreSinceMs, fewerSinceMs }, have, why, desired < have ? 'hold' : 'rule');
}
