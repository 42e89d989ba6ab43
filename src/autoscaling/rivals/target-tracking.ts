/**
 * Strategy `target-tracking`: scales like SageMaker on InvocationsPerInstance. Two alarms evaluate the requests per instance each
 * minute. Three minutes in a row above the target scale out; fifteen in a row below nine tenths of it scale in. After either
 * there is a cooldown of five minutes.
 */
import { instancesNeededFor } from '../strategies/plans/plan-cost.ts';
import type { Policy } from '../strategies/policy.ts';
import {
  formatBrief,
  holdResult,
  minimumInstances,
  primaryType,
  ruleCountResult,
  type StrategyInput,
  type StrategyResult,
} from '../strategies/strategy.ts';

/** The last minutes, for both alarms, and the last change, for the cooldown. */
export interface TargetTrackingMemory {
  /** Requests per instance in each of the last minutes, newest last. */
  readonly perInstance: readonly number[];
  readonly changedAtMs: number | null;
}

/** Before the first minute. */
export const targetTrackingInitial: TargetTrackingMemory = { perInstance: [], changedAtMs: null };

const minutesAbove = 3;
const minutesBelow = 15;
const belowShare = 0.9;
const cooldownMs = 300_000;

/** Judges whole minutes: a burst within one is averaged away, as on SageMaker. */
export function targetTracking(
  { targetPercent }: Extract<Policy, { kind: 'target-tracking' }>,
  memory: TargetTrackingMemory,
  input: StrategyInput,
): StrategyResult<TargetTrackingMemory> {
  const { observation, nowMs } = input;
  const { ratePerSecond, active, have } = primaryType(input);
  const { lastCount, slotMs } = observation;
  if (lastCount === null || !(lastCount >= 0)) return holdResult(input, memory, 'no-measurement', 'the last minute has no count');
  const target = (targetPercent / 100) * ratePerSecond * (slotMs / 1000);
  const metric = lastCount / Math.max(1, active);
  const perInstance = [...memory.perInstance, metric].slice(-minutesBelow);
  const needed = instancesNeededFor(Math.max(1, active) * metric, target);
  const isCooling = memory.changedAtMs !== null && nowMs - memory.changedAtMs < cooldownMs;
  const facts = `${formatBrief(metric)} requests per instance and minute, target ${formatBrief(target)}`;
  const isAbove = perInstance.length >= minutesAbove && perInstance.slice(-minutesAbove).every((value) => value > target);
  const isBelow = perInstance.length >= minutesBelow && perInstance.every((value) => value < belowShare * target);
  if (isCooling || !(isAbove || isBelow)) {
    const why = isCooling ? `${facts}, cooling down` : `${facts}, no alarm`;
    return ruleCountResult(input, { ...memory, perInstance }, Math.max(have, minimumInstances(input)), why);
  }
  const wanted = isAbove ? Math.max(have, needed) : Math.min(have, Math.max(minimumInstances(input), needed));
  const changedAtMs = wanted === have ? memory.changedAtMs : nowMs;
  const alarm = isAbove ? `above for ${minutesAbove} minutes` : `below for ${minutesBelow} minutes`;
  return ruleCountResult(input, { perInstance, changedAtMs }, wanted, `${facts}, ${alarm}`);
}
