/**
 * Strategy `ray`: as Ray Serve scales on requests in the system, two per replica: ⌈cur + f (want - cur)⌉, want = (ongoing + queued) / 2 over
 * 30 s. More is wanted for 30 s before it is started, less for 600 s before it is given up; the first comes at once.
 */
import { type CounterSample, risePerMs, withSample } from './counter-window.ts';
import { type Ask, brief, leastInstances, primaryType, ruledCount, stay, type Verdict } from './strategy.ts';

export interface RayMemory {
  readonly concurrency: readonly CounterSample[];
  /** Since when more (or fewer) than there are have been wanted without a break. */
  readonly moreSinceMs: number | null;
  readonly fewerSinceMs: number | null;
}

export const rayBegin: RayMemory = { concurrency: [], moreSinceMs: null, fewerSinceMs: null };

const windowMs = 30_000;
const ongoingTarget = 2;
const smoothing = 1;
const growAfterMs = 30_000;
const shrinkAfterMs = 600_000;
/** Requests that one replica takes at once at most: the router's business. */
export const rayOngoingMax = 5;

export function ray(memory: RayMemory, ask: Ask): Verdict<RayMemory> {
  const { observation, nowMs } = ask;
  const { have } = primaryType(ask);
  const concurrency = withSample(memory.concurrency, { atMs: nowMs, value: observation.concurrencyMs }, windowMs, windowMs / 30);
  const mean = risePerMs(concurrency, windowMs);
  if (mean === null) return stay(ask, { ...memory, concurrency }, 'no-measurement', 'the requests in the system are not known yet');
  const want = mean / ongoingTarget;
  const desired = Math.min(Math.max(leastInstances(ask), Math.ceil(have + smoothing * (want - have) - 1e-9)), ask.limits.max);
  const moreSinceMs = desired > have ? (memory.moreSinceMs ?? nowMs) : null;
  const fewerSinceMs = desired < have ? (memory.fewerSinceMs ?? nowMs) : null;
  const grows = moreSinceMs !== null && (have === 0 || nowMs - moreSinceMs >= growAfterMs);
  const shrinks = fewerSinceMs !== null && nowMs - fewerSinceMs >= shrinkAfterMs;
  const why = `${brief(mean)} requests in the system over 30 s, ${ongoingTarget} per replica`;
  if (grows || shrinks) return ruledCount(ask, { concurrency, moreSinceMs: null, fewerSinceMs: null }, desired, why);
  return ruledCount(ask, { concurrency, moreSinceMs, fewerSinceMs }, have, why, desired < have ? 'hold' : 'rule');
}
