/**
 * Strategy `kpa`: as Knative's pod autoscaler scales on requests in the system. Every 2 s two means are looked at: over 60 s (stable)
 * and over 6 s (panic). Where the latter asks for twice what is ready, it panics: the greater of both counts, and nothing is taken
 * away until it has been calm for 60 s. After 60 s without anybody and 30 s of grace there are none.
 */
import { type CounterSample, risePerMs, withSample } from './counter-window.ts';
import type { Policy } from './policy.ts';
import { type Ask, brief, primaryType, ruledCount, stay, type Verdict } from './strategy.ts';

export interface KpaMemory {
  readonly concurrency: readonly CounterSample[];
  /** When the threshold was passed last; null: no panic. */
  readonly panickedAtMs: number | null;
  /** The most that was wanted in the panic. */
  readonly panicMost: number;
  /** Since when none is wanted. */
  readonly idleSinceMs: number | null;
}

export const kpaBegin: KpaMemory = { concurrency: [], panickedAtMs: null, panicMost: 0, idleSinceMs: null };

const stableMs = 60_000;
const panicMs = 6000;
const utilisation = 0.7;
const panicThreshold = 2;
const scaleUpMost = 1000;
const scaleDownMost = 2;
const graceMs = 30_000;

export function kpa(policy: Extract<Policy, { kind: 'kpa' }>, memory: KpaMemory, ask: Ask): Verdict<KpaMemory> {
  const { observation, nowMs } = ask;
  const type = primaryType(ask);
  const concurrency = withSample(memory.concurrency, { atMs: nowMs, value: observation.concurrencyMs }, stableMs, 1500);
  const stable = risePerMs(concurrency, stableMs);
  const panic = risePerMs(concurrency, panicMs);
  if (stable === null || panic === null) return stay(ask, { ...memory, concurrency }, 'no-measurement', 'the concurrency is not known yet');
  const ready = Math.max(1, type.active);
  const target = utilisation * (policy.concurrency ?? 2 * type.batchSize);
  const clamp = (mean: number): number => {
    const wanted = Math.ceil(mean / target - 1e-9);
    return Math.min(Math.max(wanted, Math.floor(ready / scaleDownMost)), Math.ceil(scaleUpMost * ready));
  };
  const isOver = Math.ceil(panic / target - 1e-9) / ready >= panicThreshold;
  const isCalmAgain = memory.panickedAtMs !== null && nowMs - memory.panickedAtMs >= stableMs;
  const panickedAtMs = isOver ? nowMs : isCalmAgain ? null : memory.panickedAtMs;
  const wished = panickedAtMs === null ? clamp(stable) : Math.max(clamp(stable), clamp(panic), memory.panicMost, type.have);
  const panicMost = panickedAtMs === null ? 0 : wished;
  const isIdle = stable === 0 && panickedAtMs === null;
  const idleSinceMs = isIdle ? (memory.idleSinceMs ?? nowMs) : null;
  const isGrace = isIdle && type.have > 0 && nowMs - (idleSinceMs ?? nowMs) < graceMs;
  const wanted = isGrace ? Math.max(1, wished) : wished;
  const why = `${brief(stable)} at once over 60 s, ${brief(panic)} over 6 s, target ${brief(target)}${panickedAtMs === null ? '' : ', panic'}`;
  return ruledCount(ask, { concurrency, panickedAtMs, panicMost, idleSinceMs }, wanted, why);
}
