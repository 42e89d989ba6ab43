/** Assigns a number of rows to each request: the mean of its slot, distributed as evenly as whole numbers allow. */
import type { Load } from './load.ts';

/** Called once per request, in the order of their arrivals. */
export class RowsOfLoad {
  /** Mean rows per request over the whole load. */
  readonly mean: number;
  readonly #counts: readonly number[] = [];
  readonly #rows: readonly number[] | null = null;
  readonly #slotMs: number = 0;
  #slot = -1;
  #requests = 0;

  constructor({ source }: Load) {
    if (source.kind === 'counts' && source.rows !== undefined) {
      this.#counts = source.counts;
      this.#rows = source.rows;
      this.#slotMs = source.slotMs;
    }
    const sum = (values: readonly number[]): number => values.reduce((total, value) => total + value, 0);
    const requests = sum(this.#counts);
    this.mean = this.#rows === null || requests === 0 ? 1 : Math.max(1, sum(this.#rows) / requests);
  }

  /** Rows of the request that arrives at `atMs`. Calls must be in order of arrival. */
  next(atMs: number): number {
    if (this.#rows === null) return 1;
    const slot = Math.floor(atMs / this.#slotMs);
    if (slot !== this.#slot) {
      this.#slot = slot;
      this.#requests = 0;
    }
    const each = (this.#rows[slot] ?? 0) / Math.max(1, this.#counts[slot] ?? 0);
    const before = Math.round(this.#requests * each);
    return Math.max(1, Math.round(++this.#requests * each) - before);
  }
}
