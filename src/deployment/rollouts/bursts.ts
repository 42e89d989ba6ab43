/**
 * Measures how bursty a version's bad requests are. In a burst, many bad requests are little more evidence than one: a
 * stalled worker delays every request that arrives meanwhile. Pure.
 */

/** In samples, one per second. Bursts are assumed to be no longer than the last value. */
const spanLengths = [1, 3, 10, 30];

/** Takes one sample a second and judges it over several span lengths. */
export class Bursts {
  readonly #spans = spanLengths.map((length) => new Span(length));
  #samples = 0;

  /** Samples so far, one per second. */
  get sampleCount(): number {
    return this.#samples;
  }

  /** Adds the requests since the previous sample. */
  add(bad: number, all: number): void {
    this.#samples++;
    for (const span of this.#spans) span.add(bad, all);
  }

  /** Number of correlated requests that equal one independent request: at least 1, the maximum over all span lengths. */
  get designEffect(): number {
    return Math.max(1, ...this.#spans.map((span) => span.designEffect));
  }
}

/** Consecutive spans of one length. Only sums are retained, so memory is constant. */
class Span {
  readonly #length: number;
  #samples = 0;
  #bad = 0;
  #all = 0;
  readonly #sums = { spans: 0, bad: 0, all: 0, badSquared: 0, badTimesAll: 0, allSquared: 0 };

  constructor(length: number) {
    this.#length = length;
  }

  add(bad: number, all: number): void {
    this.#bad += bad;
    this.#all += all;
    if (++this.#samples < this.#length) return;
    const sums = this.#sums;
    sums.spans++;
    sums.bad += this.#bad;
    sums.all += this.#all;
    sums.badSquared += this.#bad ** 2;
    sums.badTimesAll += this.#bad * this.#all;
    sums.allSquared += this.#all ** 2;
    this.#samples = this.#bad = this.#all = 0;
  }

  /**
   * Variance of a share estimated from clusters, divided by its variance for the same number of independent requests
   * (Kish, Survey Sampling, 1965, 5.4, 8.2):
   *
   *   B/(B-1) · sum over clusters of (k - p n)² / (N p (1-p)),   p = K / N
   *
   * k, n: bad and all requests of one span; K, N: their sums over all B spans.
   */
  get designEffect(): number {
    const { spans, bad, all, badSquared, badTimesAll, allSquared } = this.#sums;
    if (spans < 2 || bad === 0 || bad === all) return 1;
    const p = bad / all;
    const squares = badSquared - 2 * p * badTimesAll + p ** 2 * allSquared;
    return ((spans / (spans - 1)) * squares) / (all * p * (1 - p));
  }
}
