/** Limits printed lines of a group: a burst, then a rate per second, in lines and bytes. */

const lineRate = { perSecond: 500, burst: 5000 };
const byteRate = { perSecond: 512 * 1024, burst: 4 * 1024 * 1024 };

export class RateLimiter {
  #lines = lineRate.burst;
  #bytes = byteRate.burst;
  #atMs: number;

  constructor(nowMs: number) {
    this.#atMs = nowMs;
  }

  /** Admits a line of `bytes` if both limits allow it. */
  admits(bytes: number, nowMs: number): boolean {
    const seconds = (nowMs - this.#atMs) / 1000;
    this.#atMs = nowMs;
    this.#lines = Math.min(lineRate.burst, this.#lines + seconds * lineRate.perSecond);
    this.#bytes = Math.min(byteRate.burst, this.#bytes + seconds * byteRate.perSecond);
    if (this.#lines < 1 || this.#bytes < bytes) return false;
    this.#lines--;
    this.#bytes -= bytes;
    return true;
  }
}
