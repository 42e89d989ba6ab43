/**
 * How far service times have run away from what the table says of them. The table knows thousands of batches and so
 * takes a while to believe that a model has become slower; the batches that are late meanwhile are late by the same factor.
 */
const window = 8;
const batchesMin = 4;

/** By less than this a median is off by chance. */
const factorMin = 1.25;

export class ServiceDrift {
  readonly #ratios = new Float64Array(window);
  #count = 0;
  #next = 0;
  #factor = 1;

  /** What to multiply a predicted time by: 1, or the median of the last eight batches where that is well above. */
  get factor(): number {
    return this.#factor;
  }

  /** A batch that was expected to take `expectedMs` took `ms`. */
  observe(expectedMs: number, ms: number): void {
    if (expectedMs <= 0) return;
    this.#ratios[this.#next] = ms / expectedMs;
    this.#next = (this.#next + 1) % window;
    if (this.#count < window) this.#count++;
    if (this.#count < batchesMin) return;
    const sorted = this.#ratios.slice(0, this.#count).sort();
    const median = sorted[(this.#count - 1) >> 1] as number;
    this.#factor = median >= factorMin ? median : 1;
  }
}
