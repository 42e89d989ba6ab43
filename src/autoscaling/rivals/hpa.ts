/**
 * Strategy `hpa`: scales like the Kubernetes HorizontalPodAutoscaler, on the request rate. Every 15 s it computes ⌈rate / (mu
 * target)⌉, and ignores results within a tenth of the current number. It scales in only to the highest recommendation within the
 * window.
 */
import { type CounterSample, risePerMs, withSample } from '../strategies/counter-window.ts';
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

/** The samples that the rate is computed from, and recent recommendations for the window of scale-in. */
export interface HpaMemory {
  readonly arrivals: readonly CounterSample[];
  readonly recommended: readonly { readonly atMs: number; readonly count: number }[];
}

/** Before the first observation. */
export const hpaInitial: HpaMemory = { arrivals: [], recommended: [] };

const rateWindowMs = 60_000;
const tolerance = 0.1;

/** Holds the number until the rate is known. */
export function hpa(
  { targetPercent, windowMs }: Extract<Policy, { kind: 'hpa' }>,
  memory: HpaMemory,
  input: StrategyInput,
): StrategyResult<HpaMemory> {
  const { observation, nowMs } = input;
  const { ratePerSecond, have } = primaryType(input);
  const arrivals = withSample(memory.arrivals, { atMs: nowMs, value: observation.arrivals }, rateWindowMs, rateWindowMs / 8);
  const perMs = risePerMs(arrivals, rateWindowMs);
  if (perMs === null) return holdResult(input, { ...memory, arrivals }, 'no-measurement', 'the rate is unknown so far');
  const rate = perMs * 1000;
  const perInstance = ratePerSecond * (targetPercent / 100);
  const isWithin = have > 0 && Math.abs(rate / (have * perInstance) - 1) <= tolerance + 1e-12;
  const needed = isWithin ? have : instancesNeededFor(rate, perInstance);
  const count = Math.max(minimumInstances(input), needed);
  const recommended = [...memory.recommended.filter(({ atMs }) => nowMs - atMs < windowMs), { atMs: nowMs, count }];
  const most = recommended.reduce((max, { count: other }) => Math.max(max, other), 0);
  const wanted = count >= have ? count : Math.min(have, most);
  const why = `${formatBrief(rate)} requests/s need ${needed} of ${formatBrief(perInstance)}/s`;
  const least = count > needed && count === input.limits.min ? input.limits.minBecause : 'rule';
  return ruleCountResult(input, { arrivals, recommended }, wanted, why, wanted > count ? 'hold' : least);
}
