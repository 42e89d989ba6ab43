/**
 * Strategy `track`: like target tracking of Application Auto Scaling, on requests per instance and minute or on concurrent
 * requests per instance. Scales out as soon as the last minute requires it. Scales in only below nine tenths of the target and
 * after a cooldown. Works without knowing the throughput of an instance.
 */
import { type CounterSample, risePerMs, withSample } from './counter-window.ts';
import { instancesNeededFor } from './plans/plan-cost.ts';
import type { Policy } from './policy.ts';
import {
  formatBrief,
  holdResult,
  minimumInstances,
  primaryType,
  ruleCountResult,
  type StrategyInput,
  type StrategyResult,
} from './strategy.ts';

/** The samples of both metrics, and when the number last grew and shrank. */
export interface TrackMemory {
  readonly arrivals: readonly CounterSample[];
  readonly concurrency: readonly CounterSample[];
  readonly moreAtMs: number | null;
  readonly fewerAtMs: number | null;
}

/** Before the first observation. */
export const trackInitial: TrackMemory = { arrivals: [], concurrency: [], moreAtMs: null, fewerAtMs: null };

type TrackPolicy = Extract<Policy, { kind: 'track' }>;

const windowMs = 60_000;
const belowShare = 0.9;

/** Holds the number until the last minute is known. */
export function track(policy: TrackPolicy, memory: TrackMemory, input: StrategyInput): StrategyResult<TrackMemory> {
  const { observation, nowMs } = input;
  const { active, have } = primaryType(input);
  const sampled = (samples: readonly CounterSample[], value: number) => withSample(samples, { atMs: nowMs, value }, windowMs, windowMs / 8);
  const arrivals = sampled(memory.arrivals, observation.requests ?? observation.arrivals);
  const concurrency = sampled(memory.concurrency, observation.concurrencyMs);
  const current = { ...memory, arrivals, concurrency };
  const perMs = risePerMs(policy.metric === 'invocations' ? arrivals : concurrency, windowMs);
  if (perMs === null) return holdResult(input, current, 'no-measurement', 'the load is unknown so far');
  const total = policy.metric === 'invocations' ? perMs * 60_000 : perMs;
  const perInstance = total / Math.max(1, active);
  const needed = Math.max(minimumInstances(input), instancesNeededFor(total, policy.target));
  const unit = policy.metric === 'invocations' ? 'requests per instance and minute' : 'concurrent requests per instance';
  const facts = `${formatBrief(perInstance)} ${unit}, target ${formatBrief(policy.target)}`;
  if (needed > have) return ruleCountResult(input, { ...current, moreAtMs: nowMs }, needed, facts);
  if (needed === have || perInstance >= belowShare * policy.target)
    return ruleCountResult(input, current, Math.max(have, minimumInstances(input)), facts);
  if (policy.inMs === null) return ruleCountResult(input, current, have, `${facts}, never scales in`);
  const isCooling = within(memory.moreAtMs, policy.outMs, nowMs) || within(memory.fewerAtMs, policy.inMs, nowMs);
  if (isCooling) return ruleCountResult(input, current, have, `${facts}, cooling down`);
  return ruleCountResult(input, { ...current, fewerAtMs: nowMs }, needed, facts);
}

function within(sinceMs: number | null, ms: number, nowMs: number): boolean {
  return sinceMs !== null && nowMs - sinceMs < ms;
}
