/** What is kept back from the objective for timers that are late and service times that are longer than they ever were. */
import type { Objective } from '../objective.ts';

/** A timer is late by a millisecond or two. */
const firstMsMax = 2;
const firstShare = 0.02;
/** What a margin of half the objective does not cure, none does. */
const mostShare = 0.5;
/** η, as a share of the objective. */
const stepShare = 0.001;

/**
 * The margin δ of each size of environment, as requests are answered:
 *
 *   δ ← max(0, δ + η·(1{latency > L} − (1 − q)/2))
 *
 * (online conformal inference: Gibbs and Candès, NeurIPS 2021). It stands still where late requests are half of the share
 * 1 − q that may be, so that short stretches keep the promise too, whatever the latencies are distributed like.
 */
export class Margins {
  readonly #fixedMs: number | null;
  readonly #bySize = new Map<number, number>();
  #latencyMs = 0;
  #percentile = 0;

  constructor(fixedMs: number | null) {
    this.#fixedMs = fixedMs;
  }

  marginMs(memoryMiB: number, objective: Objective): number {
    if (this.#fixedMs !== null) return this.#fixedMs;
    const { latencyMs, percentile } = objective;
    if (latencyMs !== this.#latencyMs || percentile !== this.#percentile) this.#bySize.clear();
    this.#latencyMs = latencyMs;
    this.#percentile = percentile;
    return this.#bySize.get(memoryMiB) ?? Math.min(firstMsMax, firstShare * latencyMs);
  }

  /** A request was answered after so long, and nothing held it up but its batch. */
  observe(memoryMiB: number, objective: Objective, latencyMs: number): void {
    const late = latencyMs > objective.latencyMs ? 1 : 0;
    const step = stepShare * objective.latencyMs * (late - (1 - objective.percentile / 100) / 2);
    const marginMs = this.marginMs(memoryMiB, objective) + step;
    this.#bySize.set(memoryMiB, Math.min(Math.max(marginMs, 0), mostShare * objective.latencyMs));
  }
}
