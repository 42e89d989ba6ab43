/**
 * Which lines of one endpoint are kept where more requests come than anybody reads: at 30,000 a second all of them would leave the log after
 * twenty seconds, the slow ones that somebody asks about among them, and writing them would take a fifteenth of the server.
 */
import type { RequestLine } from './request-line.ts';

/** Slow is also what took so many times as long as is usual: not every endpoint promises anything. */
const slowTimes = 4;
/** How much a request changes what is usual. */
const usualShare = 1 / 256;

export class LineSampler {
  readonly #perSecondMax: number;
  #second = Number.NaN;
  #came = 0;
  /** One in so many plain lines is kept. */
  #stride = 1;
  #usualMs = Number.NaN;

  constructor(perSecondMax: number) {
    this.#perSecondMax = perSecondMax;
  }

  /**
   * How many lines this one stands for, itself included; 0 where it is left out. Who was late or slow, failed, or is special otherwise stands for
   * itself. Of plain ones so many are kept that there would be `perSecondMax` in a second like the one before; until a second is over, all are.
   */
  weightOf(line: RequestLine, isLate: boolean): number {
    const second = Math.floor(line.atMs / 1000);
    if (second !== this.#second) {
      this.#stride = second === this.#second + 1 ? Math.max(1, Math.ceil(this.#came / this.#perSecondMax)) : 1;
      this.#second = second;
      this.#came = 0;
    }
    const isSlow = isLate || line.totalMs > slowTimes * this.#usualMs;
    this.#usualMs = Number.isNaN(this.#usualMs) ? line.totalMs : this.#usualMs + (line.totalMs - this.#usualMs) * usualShare;
    if (isSlow || !isPlain(line)) return 1;
    this.#came++;
    return this.#came % this.#stride === 0 ? this.#stride : 0;
  }
}

function isPlain({ status, parts, overflow, coldStart, error }: RequestLine): boolean {
  return status === 'ok' && parts === undefined && typeof overflow !== 'string' && coldStart !== true && error === undefined;
}
