/** Ids that sort by time, then by the order in which they were made, and that nobody guesses. */
import { randomBytes } from 'node:crypto';

const countsPerMs = 36 ** 4;
const timeLength = 9;
const timeMax = 36 ** timeLength - 1;

export class OrderedIds {
  #ms = 0;
  #count = 0;

  /** After all that were made here before, also where the clock was set back meanwhile. */
  next(wallMs: number): string {
    const ms = Math.floor(wallMs);
    this.#count++;
    if (ms > this.#ms) this.#startAt(ms);
    else if (this.#count === countsPerMs) this.#startAt(this.#ms + 1);
    return `${firstIdAt(this.#ms)}${this.#count.toString(36).padStart(4, '0')}${randomBytes(4).toString('hex')}`;
  }

  #startAt(ms: number): void {
    this.#ms = ms;
    this.#count = 0;
  }
}

/** Sorts before all that are made at that time (epoch milliseconds, held within what an id can say), and after all that were made before. */
export function firstIdAt(wallMs: number): string {
  return Math.min(Math.max(Math.floor(wallMs), 0), timeMax)
    .toString(36)
    .padStart(timeLength, '0');
}

/** When it was made, epoch milliseconds. */
export function timeOfId(id: string): number {
  return Number.parseInt(id.slice(0, timeLength), 36);
}
