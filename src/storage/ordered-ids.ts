/** Unguessable ids that sort by time, and by creation order within a millisecond. */
import { randomBytes } from 'node:crypto';

const countsPerMs = 36 ** 4;
const timeLength = 9;
const timeMax = 36 ** timeLength - 1;

/** One instance per table, so that its ids sort in the order of their creation. */
export class OrderedIds {
  #ms = 0;
  #count = 0;

  /** Sorts after all previous ids of this instance, even if the clock was set back. */
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

/** Sorts after all ids of earlier times, and before all ids of this time (epoch milliseconds, clamped to the range of an id). */
export function firstIdAt(wallMs: number): string {
  return Math.min(Math.max(Math.floor(wallMs), 0), timeMax)
    .toString(36)
    .padStart(timeLength, '0');
}

/** The creation time in epoch milliseconds. */
export function timeOfId(id: string): number {
  return Number.parseInt(id.slice(0, timeLength), 36);
}
