/** Margin subtracted from the objective, for late timers and for service times longer than any observed. */
import { type Objective, objectiveShare } from '../../objective.ts';
import { nextMarginMs } from '../../queueing/index.ts';

/** The initial margin is at most this: timers fire a millisecond or two late. */
const firstMsMax = 2;
const firstShare = 0.02;
/** Beyond half of the objective a larger margin does not help. */
const mostShare = 0.5;

/** The margin δ per environment size, learned from responses. A changed objective resets it. */
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

  /** Records the latency of a request that was delayed only by batching and its run. */
  observe(memoryMiB: number, objective: Objective, latencyMs: number): void {
    if (this.#fixedMs !== null) return;
    const target = { latencyMs: objective.latencyMs, quantile: objectiveShare(objective) };
    const marginMs = nextMarginMs(this.marginMs(memoryMiB, objective), latencyMs, target);
    this.#bySize.set(memoryMiB, Math.min(marginMs, mostShare * objective.latencyMs));
  }
}
