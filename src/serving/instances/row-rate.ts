/** Rows of the last ten seconds, counted by second. */

const secondMs = 1000;
const seconds = 10;

export class RowRate {
  readonly #rows = new Float64Array(seconds);
  #second = Number.NaN;
  #sinceMs = Number.NaN;

  add(nowMs: number, rows: number): void {
    this.#advance(nowMs);
    const place = this.#second % seconds;
    this.#rows[place] = (this.#rows[place] as number) + rows;
  }

  /** Rows per millisecond; 0 before the first. The time since then counts, if that is less than ten seconds ago. */
  perMs(nowMs: number): number {
    if (Number.isNaN(this.#sinceMs)) return 0;
    this.#advance(nowMs);
    const spanMs = Math.min(nowMs - this.#sinceMs, (seconds - 1) * secondMs + (nowMs % secondMs));
    return this.#rows.reduce((sum, rows) => sum + rows, 0) / Math.max(spanMs, secondMs);
  }

  #advance(nowMs: number): void {
    const second = Math.floor(nowMs / secondMs);
    if (second === this.#second) return;
    if (Number.isNaN(this.#second)) this.#sinceMs = nowMs;
    else for (let passed = Math.min(second - this.#second, seconds); passed > 0; passed--) this.#rows[(second - passed + 1) % seconds] = 0;
    this.#second = second;
  }
}
