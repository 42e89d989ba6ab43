/**
 * Strategy `kpa`: scales like the Knative pod autoscaler, on requests in the system. Every 2 s it computes two means: over 60 s
 * (stable) and 6 s (panic). If the panic mean needs twice the ready instances, it enters panic mode: it uses the greater count
 * and removes nothing until the panic mean has been lower for 60 s. After 60 s without requests and a grace period of 30 s it
 * scales to zero.
 */
import { type CounterSample, risePerMs, withSample } from '../strategies/counter-window.ts';
import type { Policy } from '../strategies/policy.ts';
import { formatBrief, holdResult, primaryType, ruleCountResult, type StrategyInput, type StrategyResult } from '../strategies/strategy.ts';

/** The samples of both means, and the state of panic mode. */
export interface KpaMemory {
  readonly concurrency: readonly CounterSample[];
  /** Time at which the panic threshold was last exceeded; null outside panic mode. */
  readonly panickedAtMs: number | null;
  /** Highest desired number in panic mode. */
  readonly panicMost: number;
  /** Time since which no instance has been needed; null if one is. */
  readonly idleSinceMs: number | null;
}

/** Outside panic mode, before the first observation. */
export const kpaInitial: KpaMemory = { concurrency: [], panickedAtMs: null, panicMost: 0, idleSinceMs: null };

const stableMs = 60_000;
const panicMs = 6000;
const utilisation = 0.7;
const panicThreshold = 2;
const scaleUpMost = 1000;
const scaleDownMost = 2;
const graceMs = 30_000;

/** The target is 0.7 of the concurrency per instance, or of twice its batch size. */
export function kpa(policy: Extract<Policy, { kind: 'kpa' }>, memory: KpaMemory, input: StrategyInput): StrategyResult<KpaMemory> {
  const { observation, nowMs } = input;
  const type = primaryType(input);
  const concurrency = withSample(memory.concurrency, { atMs: nowMs, value: observation.concurrencyMs }, stableMs, 1500);
  const stable = risePerMs(concurrency, stableMs);
  const panic = risePerMs(concurrency, panicMs);
  if (stable === null || panic === null)
    return holdResult(input, { ...memory, concurrency }, 'no-measurement', 'the concurrency is unknown so far');
  const ready = Math.max(1, type.active);
  const target = utilisation * (policy.concurrency ?? 2 * type.batchSize);
  const clamp = (mean: number): number => {
    const wanted = Math.ceil(mean / target - 1e-9);
    return Math.min(Math.max(wanted, Math.floor(ready / scaleDownMost)), Math.ceil(scaleUpMost * ready));
  };
  const isOver = Math.ceil(panic / target - 1e-9) / ready >= panicThreshold;
  const isCalmAgain = memory.panickedAtMs !== null && nowMs - memory.panickedAtMs >= stableMs;
  const panickedAtMs = isOver ? nowMs : isCalmAgain ? null : memory.panickedAtMs;
  const requested = panickedAtMs === null ? clamp(stable) : Math.max(clamp(stable), clamp(panic), memory.panicMost, type.have);
  const panicMost = panickedAtMs === null ? 0 : requested;
  const isIdle = stable === 0 && panickedAtMs === null;
  const idleSinceMs = isIdle ? (memory.idleSinceMs ?? nowMs) : null;
  const isGrace = isIdle && type.have > 0 && nowMs - (idleSinceMs ?? nowMs) < graceMs;
  const wanted = isGrace ? Math.max(1, requested) : requested;
  const why = `${formatBrief(stable)} at once over 60 s, ${formatBrief(panic)} over 6 s, target ${formatBrief(target)}${panickedAtMs === null ? '' : ', panic'}`;
  return ruleCountResult(input, { concurrency, panickedAtMs, panicMost, idleSinceMs }, wanted, why);
}
