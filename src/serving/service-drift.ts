/**
 * The current ratio of actual to tabulated service times. The table averages over thousands of batches, so it follows a change
 * slowly. This factor corrects predictions until the table has caught up.
 */
import { nearestRank } from '../quantiles.ts';

const window = 8;
const batchesMin = 4;

/** Smaller deviations of the median count as noise. */
const factorMin = 1.25;

/** A sliding window over the last eight batches. */
export class ServiceDrift {
  readonly #ratios = new Float64Array(window);
  #count = 0;
  #next = 0;
  #factor = 1;

  /** The factor for predicted times: the median ratio of the last eight batches if it is at least `factorMin`, otherwise 1. */
  get factor(): number {
    return this.#factor;
  }

  /** Records the expected and the actual service time of a batch. */
  observe(expectedMs: number, ms: number): void {
    if (expectedMs <= 0) return;
    this.#ratios[this.#next] = ms / expectedMs;
    this.#next = (this.#next + 1) % window;
    if (this.#count < window) this.#count++;
    if (this.#count < batchesMin) return;
    const median = nearestRank(this.#ratios.slice(0, this.#count).sort(), 0.5);
    this.#factor = median >= factorMin ? median : 1;
  }
}
