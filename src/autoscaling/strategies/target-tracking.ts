/**
 * Strategy `target-tracking`: as SageMaker scales on InvocationsPerInstance. Two alarms look at the requests per instance of each
 * minute: three in a row above the target start more, fifteen in a row below nine tenths of it take some away; after either
 * nothing happens for five minutes.
 */
import { neededFor } from './plan-cost.ts';
import type { Policy } from './policy.ts';
import { type Ask, brief, leastInstances, primaryType, ruledCount, stay, type Verdict } from './strategy.ts';

export interface TargetTrackingMemory {
  /** Requests per instance of the last minutes, the newest last. */
  readonly perInstance: readonly number[];
  readonly changedAtMs: number | null;
}

export const targetTrackingBegin: TargetTrackingMemory = { perInstance: [], changedAtMs: null };

const minutesAbove = 3;
const minutesBelow = 15;
const belowShare = 0.9;
const cooldownMs = 300_000;

export function targetTracking(
  { targetPercent }: Extract<Policy, { kind: 'target-tracking' }>,
  memory: TargetTrackingMemory,
  ask: Ask,
): Verdict<TargetTrackingMemory> {
  const { observation, nowMs } = ask;
  const { ratePerSecond, active, have } = primaryType(ask);
  const { lastCount, slotMs } = observation;
  if (lastCount === null || !(lastCount >= 0)) return stay(ask, memory, 'no-measurement', 'nobody counted the last minute');
  const target = (targetPercent / 100) * ratePerSecond * (slotMs / 1000);
  const metric = lastCount / Math.max(1, active);
  const perInstance = [...memory.perInstance, metric].slice(-minutesBelow);
  const needed = neededFor(Math.max(1, active) * metric, target);
  const isCooling = memory.changedAtMs !== null && nowMs - memory.changedAtMs < cooldownMs;
  const facts = `${brief(metric)} requests per instance and minute, target ${brief(target)}`;
  const isAbove = perInstance.length >= minutesAbove && perInstance.slice(-minutesAbove).every((value) => value > target);
  const isBelow = perInstance.length >= minutesBelow && perInstance.every((value) => value < belowShare * target);
  if (isCooling || !(isAbove || isBelow)) {
    const why = isCooling ? `${facts}, cooling down` : `${facts}, no alarm`;
    return ruledCount(ask, { ...memory, perInstance }, Math.max(have, leastInstances(ask)), why);
  }
  const wanted = isAbove ? Math.max(have, needed) : Math.min(have, Math.max(leastInstances(ask), needed));
  const changedAtMs = wanted === have ? memory.changedAtMs : nowMs;
  const alarm = isAbove ? `above for ${minutesAbove} minutes` : `below for ${minutesBelow} minutes`;
  return ruledCount(ask, { perInstance, changedAtMs }, wanted, `${facts}, ${alarm}`);
}
