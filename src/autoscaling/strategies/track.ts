/**
 * Strategy `track`: as Application Auto Scaling tracks a target that its user names: so many requests per instance and minute,
 * or so many at once per instance. More as soon as the last minute asks for more; fewer only below nine tenths of the target,
 * and not for a while after the number has changed. It needs to know nothing of how fast an instance is.
 */
import { type CounterSample, risePerMs, withSample } from './counter-window.ts';
import { neededFor } from './plan-cost.ts';
import type { Policy } from './policy.ts';
import { type Ask, brief, leastInstances, primaryType, ruledCount, stay, type Verdict } from './strategy.ts';

export interface TrackMemory {
  readonly arrivals: readonly CounterSample[];
  readonly concurrency: readonly CounterSample[];
  readonly moreAtMs: number | null;
  readonly fewerAtMs: number | null;
}

export const trackBegin: TrackMemory = { arrivals: [], concurrency: [], moreAtMs: null, fewerAtMs: null };

type TrackPolicy = Extract<Policy, { kind: 'track' }>;

const windowMs = 60_000;
const belowShare = 0.9;

export function track(policy: TrackPolicy, memory: TrackMemory, ask: Ask): Verdict<TrackMemory> {
  const { observation, nowMs } = ask;
  const { active, have } = primaryType(ask);
  const sampled = (samples: readonly CounterSample[], value: number) => withSample(samples, { atMs: nowMs, value }, windowMs, windowMs / 8);
  const arrivals = sampled(memory.arrivals, observation.requests ?? observation.arrivals);
  const concurrency = sampled(memory.concurrency, observation.concurrencyMs);
  const seen = { ...memory, arrivals, concurrency };
  const perMs = risePerMs(policy.metric === 'invocations' ? arrivals : concurrency, windowMs);
  if (perMs === null) return stay(ask, seen, 'no-measurement', 'the load is not known yet');
  const total = policy.metric === 'invocations' ? perMs * 60_000 : perMs;
  const perInstance = total / Math.max(1, active);
  const needed = Math.max(leastInstances(ask), neededFor(total, policy.target));
  const unit = policy.metric === 'invocations' ? 'requests per instance and minute' : 'requests at once per instance';
  const facts = `${brief(perInstance)} ${unit}, target ${brief(policy.target)}`;
  if (needed > have) return ruledCount(ask, { ...seen, moreAtMs: nowMs }, needed, facts);
  if (needed === have || perInstance >= belowShare * policy.target)
    return ruledCount(ask, seen, Math.max(have, leastInstances(ask)), facts);
  if (policy.inMs === null) return ruledCount(ask, seen, have, `${facts}, and never fewer`);
  const isCooling = within(memory.moreAtMs, policy.outMs, nowMs) || within(memory.fewerAtMs, policy.inMs, nowMs);
  if (isCooling) return ruledCount(ask, seen, have, `${facts}, cooling down`);
  return ruledCount(ask, { ...seen, fewerAtMs: nowMs }, needed, facts);
}

function within(sinceMs: number | null, ms: number, nowMs: number): boolean {
  return sinceMs !== null && nowMs - sinceMs < ms;
}
