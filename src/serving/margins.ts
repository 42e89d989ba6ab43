/** What is kept back from the objective for timers that are late and service times that are longer than they ever were. */
import { type Objective, promisedShare } from '../objective.ts';
import { nextMarginMs } from '../queueing/index.ts';

/** A timer is late by a millisecond or two. */
const firstMsMax = 2;
const firstShare = 0.02;
/** What a margin of half the objective does not cure, none does. */
const mostShare = 0.5;

/** The margin δ of each size of environment, as requests are answered. Another objective begins anew. */
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
    if (this.#fixedMs !== null) return;
    const target = { latencyMs: objective.latencyMs, quantile: promisedShare(objective) };
    const marginMs = nextMarginMs(this.marginMs(memoryMiB, objective), latencyMs, target);
    this.#bySize.set(memoryMiB, Math.min(marginMs, mostShare * objective.latencyMs));
  }
}
