/**
 * Samples request lines of an endpoint under high load. At 30,000 a second, logging all of them would rotate the log within twenty seconds,
 * including the slow requests users ask about.
 */
/** A request also counts as slow at this multiple of the usual time, since not every endpoint has an objective. */
const slowTimes = 4;
/** Weight of a request in the moving average of the usual time. */
const usualShare = 1 / 256;

/** What decides on logging, before the line is formatted. */
export interface RequestEnd {
  /** Epoch milliseconds. */
  readonly atMs: number;
  readonly totalMs: number;
  /** Of interest to users: late, failed, split, overflowed or with a cold start. */
  readonly isSpecial: boolean;
}

/** Slow and special requests have a share of their own, so ordinary ones cannot displace them. */
export class LineSampler {
  readonly #perSecondMax: number;
  #second = Number.NaN;
  readonly #plain = new Stride();
  /** For slow and special requests. */
  readonly #special = new Stride();
  #usualMs = Number.NaN;

  constructor(perSecondMax: number) {
    this.#perSecondMax = perSecondMax;
  }

  /**
   * Number of requests this line represents, including itself; 0 if it is not logged. The stride is set for `perSecondMax` lines in a
   * second like the previous one. In a busier second, the first lines are logged, then one in two, one in three. Slow and special requests
   * are sampled separately: ordinary ones do not displace them, and a flood of rejections does not fill the disk.
   */
  weightOf({ atMs, totalMs, isSpecial }: RequestEnd): number {
    const second = Math.floor(atMs / 1000);
    // Answers are reported in batches and can be slightly out of order.
    if (second !== this.#second && second !== this.#second - 1) {
      const isNext = second === this.#second + 1;
      for (const stride of [this.#plain, this.#special]) stride.begin(isNext, this.#perSecondMax);
      this.#second = second;
    }
    const isSlow = totalMs > slowTimes * this.#usualMs;
    this.#usualMs = Number.isNaN(this.#usualMs) ? totalMs : this.#usualMs + (totalMs - this.#usualMs) * usualShare;
    return (isSlow || isSpecial ? this.#special : this.#plain).next(this.#perSecondMax);
  }
}

/** Logs one in `length` requests, based on the rate of the previous second, and fewer once this second exceeds it. */
class Stride {
  #arrived = 0;
  /** Requests since the last logged one. */
  #waiting = 0;
  #length = 1;

  begin(isNextSecond: boolean, perSecondMax: number): void {
    this.#length = isNextSecond ? Math.max(1, Math.ceil(this.#arrived / perSecondMax)) : 1;
    this.#arrived = this.#waiting = 0;
  }

  next(perSecondMax: number): number {
    this.#arrived++;
    if (this.#arrived > this.#length * perSecondMax) this.#length++;
    if (++this.#waiting < this.#length) return 0;
    const weight = this.#waiting;
    this.#waiting = 0;
    return weight;
  }
}
