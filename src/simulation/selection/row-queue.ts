/** A first-in first-out queue of single rows: arrival times and row numbers. Memory grows with the longest queue only. */
export class RowQueue {
  length = 0;
  #arrivedAtMs = new Float64Array(1024);
  #rows = new Int32Array(1024);
  #head = 0;

  push(arrivedAtMs: number, row: number): void {
    if (this.length === this.#rows.length) this.#grow();
    const end = (this.#head + this.length++) & (this.#rows.length - 1);
    this.#arrivedAtMs[end] = arrivedAtMs;
    this.#rows[end] = row;
  }

  arrivedAtMs(index: number): number {
    return this.#arrivedAtMs[(this.#head + index) & (this.#rows.length - 1)] as number;
  }

  row(index: number): number {
    return this.#rows[(this.#head + index) & (this.#rows.length - 1)] as number;
  }

  /** Removes rows from the head. */
  remove(count: number): void {
    this.#head = (this.#head + count) & (this.#rows.length - 1);
    this.length -= count;
  }

  #grow(): void {
    const { length } = this;
    const at = Float64Array.from({ length: 2 * length }, (_, i) => (i < length ? this.arrivedAtMs(i) : 0));
    const rows = Int32Array.from({ length: 2 * length }, (_, i) => (i < length ? this.row(i) : 0));
    this.#arrivedAtMs = at;
    this.#rows = rows;
    this.#head = 0;
  }
}
