/**
 * Which lines of one endpoint are kept where more requests come than anybody reads: at 30,000 a second all of them would leave the log after
 * twenty seconds, the slow ones that somebody asks about among them.
 */
/** Slow is also what took so many times as long as is usual: not every endpoint promises anything. */
const slowTimes = 4;
/** How much a request changes what is usual. */
const usualShare = 1 / 256;

/** What is looked at before anybody puts a line together. */
export interface RequestEnd {
  /** Epoch milliseconds. */
  readonly atMs: number;
  readonly totalMs: number;
  /** Somebody may ask about it: it was late, failed, ran in parts, overflowed, or paid for a start. */
  readonly isSpecial: boolean;
}

export class LineSampler {
  readonly #perSecondMax: number;
  #second = Number.NaN;
  readonly #plain = new Stride();
  /** Of those that somebody may ask about. */
  readonly #special = new Stride();
  #usualMs = Number.NaN;

  constructor(perSecondMax: number) {
    this.#perSecondMax = perSecondMax;
  }

  /**
   * How many lines this one stands for, itself included; 0 where it is left out. So many are kept that there would be `perSecondMax` in a second
   * like the one before. In one that has more, the first ones are kept, then one in two, one in three: of ten times as many, some three times as
   * many. Who was slow or is special otherwise is counted apart: the many plain ones take nothing from them, but a flood of
   * refusals fills no disk either.
   */
  weightOf({ atMs, totalMs, isSpecial }: RequestEnd): number {
    const second = Math.floor(atMs / 1000);
    // Told in rows, answers may come a millisecond before one that was told of already.
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

/** One in so many is kept, by how many came in the second before; more are left out once more have come in this one. */
class Stride {
  #came = 0;
  /** Since the last one that was kept, which was of those. */
  #waiting = 0;
  #length = 1;

  begin(isNextSecond: boolean, perSecondMax: number): void {
    this.#length = isNextSecond ? Math.max(1, Math.ceil(this.#came / perSecondMax)) : 1;
    this.#came = this.#waiting = 0;
  }

  next(perSecondMax: number): number {
    this.#came++;
    if (this.#came > this.#length * perSecondMax) this.#length++;
    if (++this.#waiting < this.#length) return 0;
    const weight = this.#waiting;
    this.#waiting = 0;
    return weight;
  }
}
