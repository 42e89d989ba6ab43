/** Ids that sort by time, then by the order in which they were made, and that nobody guesses. */
import { randomBytes } from 'node:crypto';

const countsPerMs = 36 ** 4;

export class OrderedIds {
  #ms = 0;
  #count = 0;

  /** After all that were made here before, also where the clock was set back meanwhile. */
  next(wallMs: number): string {
    const ms = Math.floor(wallMs);
    this.#count++;
    if (ms > this.#ms) this.#startAt(ms);
    else if (this.#count === countsPerMs) this.#startAt(this.#ms + 1);
    const time = this.#ms.toString(36).padStart(9, '0');
    return `${time}${this.#count.toString(36).padStart(4, '0')}${randomBytes(4).toString('hex')}`;
  }

  #startAt(ms: number): void {
    this.#ms = ms;
    this.#count = 0;
  }
}
