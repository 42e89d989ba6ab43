/**
 * How far a version's bad requests come in bursts, so that many of them say little more than one: a worker that is in the way of something makes all
 * that come meanwhile late. Pure.
 */

/** In looks, one a second: no burst is thought to be longer than the last. */
const spanLengths = [1, 3, 10, 30];

export class Bursts {
  readonly #spans = spanLengths.map((length) => new Span(length));
  #looks = 0;

  /** Looks so far, one a second. */
  get looks(): number {
    return this.#looks;
  }

  /** What came since the look before. */
  add(bad: number, all: number): void {
    this.#looks++;
    for (const span of this.#spans) span.add(bad, all);
  }

  /** As how many requests one that is independent of the others would count: at least 1, the most that any length of span says. */
  get designEffect(): number {
    return Math.max(1, ...this.#spans.map((span) => span.designEffect));
  }
}

/** Spans of one length, one after the other: only sums are kept, however long it is watched. */
class Span {
  readonly #length: number;
  #looks = 0;
  #bad = 0;
  #all = 0;
  readonly #sums = { spans: 0, bad: 0, all: 0, badSquared: 0, badTimesAll: 0, allSquared: 0 };

  constructor(length: number) {
    this.#length = length;
  }

  add(bad: number, all: number): void {
    this.#bad += bad;
    this.#all += all;
    if (++this.#looks < this.#length) return;
    const sums = this.#sums;
    sums.spans++;
    sums.bad += this.#bad;
    sums.all += this.#all;
    sums.badSquared += this.#bad ** 2;
    sums.badTimesAll += this.#bad * this.#all;
    sums.allSquared += this.#all ** 2;
    this.#looks = this.#bad = this.#all = 0;
  }

  /**
   * The variance of a share that is estimated by clusters, over that of as many independent requests (Kish, Survey Sampling, 1965, 5.4 and 8.2):
   *
   *   B/(B-1) · sum over clusters of (k - p n)² / (N p (1-p)),   p = K / N
   *
   * k, n = bad, all of a span; K, N = the same of all B spans.
   */
  get designEffect(): number {
    const { spans, bad, all, badSquared, badTimesAll, allSquared } = this.#sums;
    if (spans < 2 || bad === 0 || bad === all) return 1;
    const p = bad / all;
    const squares = badSquared - 2 * p * badTimesAll + p ** 2 * allSquared;
    return ((spans / (spans - 1)) * squares) / (all * p * (1 - p));
  }
}
