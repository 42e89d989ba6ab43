/** How much a group takes of what is printed: a burst, and so much each second from then on. */

const lineRate = { perSecond: 500, burst: 5000 };
const byteRate = { perSecond: 512 * 1024, burst: 4 * 1024 * 1024 };

export class FloodGate {
  #lines = lineRate.burst;
  #bytes = byteRate.burst;
  #atMs: number;

  constructor(nowMs: number) {
    this.#atMs = nowMs;
  }

  /** Whether there is room for a line of so many bytes; then it is taken. */
  takes(bytes: number, nowMs: number): boolean {
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
