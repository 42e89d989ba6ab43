/**
 * Strategy `hpa`: as the Kubernetes HorizontalPodAutoscaler scales on a rate. Every 15 s: ⌈rate / (mu target)⌉, unless that is within
 * a tenth of what there is; down only to the most that was recommended within the window.
 */
import { type CounterSample, risePerMs, withSample } from './counter-window.ts';
import { neededFor } from './plan-cost.ts';
import type { Policy } from './policy.ts';
import { type Ask, brief, leastInstances, primaryType, ruledCount, stay, type Verdict } from './strategy.ts';

export interface HpaMemory {
  readonly arrivals: readonly CounterSample[];
  readonly recommended: readonly { readonly atMs: number; readonly count: number }[];
}

export const hpaBegin: HpaMemory = { arrivals: [], recommended: [] };

const rateWindowMs = 60_000;
const tolerance = 0.1;

export function hpa({ targetPercent, windowMs }: Extract<Policy, { kind: 'hpa' }>, memory: HpaMemory, ask: Ask): Verdict<HpaMemory> {
  const { observation, nowMs } = ask;
  const { ratePerSecond, have } = primaryType(ask);
  const arrivals = withSample(memory.arrivals, { atMs: nowMs, value: observation.arrivals }, rateWindowMs, rateWindowMs / 8);
  const perMs = risePerMs(arrivals, rateWindowMs);
  if (perMs === null) return stay(ask, { ...memory, arrivals }, 'no-measurement', 'the rate is not known yet');
  const rate = perMs * 1000;
  const perInstance = ratePerSecond * (targetPercent / 100);
  const isWithin = have > 0 && Math.abs(rate / (have * perInstance) - 1) <= tolerance + 1e-12;
  const needed = isWithin ? have : neededFor(rate, perInstance);
  const count = Math.max(leastInstances(ask), needed);
  const recommended = [...memory.recommended.filter(({ atMs }) => nowMs - atMs < windowMs), { atMs: nowMs, count }];
  const most = recommended.reduce((max, { count: other }) => Math.max(max, other), 0);
  const wanted = count >= have ? count : Math.min(have, most);
  const why = `${brief(rate)} requests/s need ${needed} of ${brief(perInstance)}/s`;
  const least = count > needed && count === ask.limits.min ? ask.limits.minBecause : 'rule';
  return ruledCount(ask, { arrivals, recommended }, wanted, why, wanted > count ? 'hold' : least);
}
