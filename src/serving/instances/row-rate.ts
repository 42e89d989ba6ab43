/** How many rows arrive, or are dispatched, in a millisecond. */

/** How far random arrivals at an even rate stray, in standard deviations, but for one time in 700. */
const deviations = 3;

/** Rows over the last steps of time, in a ring of one counter per step. */
export class RowRate {
  readonly #stepMs: number;
  readonly #rows: Float64Array<ArrayBuffer>;
  #step = Number.NaN;
  #sinceMs = Number.NaN;

  constructor(stepMs: number, steps: number) {
    this.#stepMs = stepMs;
    this.#rows = new Float64Array(steps);
  }

  add(nowMs: number, rows: number): void {
    this.#advance(nowMs);
    const place = this.#step % this.#rows.length;
    this.#rows[place] = (this.#rows[place] as number) + rows;
  }

  /** Rows per millisecond; 0 before the first. The time since then counts, if that is less than all steps ago. */
  perMs(nowMs: number): number {
    return this.#countAt(nowMs) / this.#spanMs(nowMs);
  }

  /** Whether more rows came than random arrivals (Poisson) at this rate would bring. */
  isAbove(rowsPerMs: number, nowMs: number): boolean {
    const expected = rowsPerMs * this.#spanMs(nowMs);
    return this.#countAt(nowMs) > expected + deviations * Math.sqrt(expected);
  }

  #countAt(nowMs: number): number {
    if (Number.isNaN(this.#sinceMs)) return 0;
    this.#advance(nowMs);
    return this.#rows.reduce((sum, rows) => sum + rows, 0);
  }

  /** At least one step, so that a first burst does not count as one of an instant. */
  #spanMs(nowMs: number): number {
    const stepMs = this.#stepMs;
    if (Number.isNaN(this.#sinceMs)) return stepMs;
    return Math.max(stepMs, Math.min(nowMs - this.#sinceMs, (this.#rows.length - 1) * stepMs + (nowMs % stepMs)));
  }

  #advance(nowMs: number): void {
    const steps = this.#rows.length;
    const step = Math.floor(nowMs / this.#stepMs);
    if (step === this.#step) return;
    if (Number.isNaN(this.#step)) this.#sinceMs = nowMs;
    else for (let passed = Math.min(step - this.#step, steps); passed > 0; passed--) this.#rows[(step - passed + 1) % steps] = 0;
    this.#step = step;
  }
}
