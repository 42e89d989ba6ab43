/** Ids that sort by time, then by the order in which they were made, and that nobody guesses. */
import { randomBytes } from 'node:crypto';

export class OrderedIds {
  #count = 0;

  next(wallMs: number): string {
    this.#count = (this.#count + 1) % 36 ** 4;
    const time = Math.floor(wallMs).toString(36).padStart(9, '0');
    return `${time}${this.#count.toString(36).padStart(4, '0')}${randomBytes(4).toString('hex')}`;
  }
}
