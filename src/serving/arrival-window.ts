/** The last arrivals of a variant, and whether their rate has changed: what the choice of a batch size is made from. */

/** So many are kept. */
const kept = 5000;

export class ArrivalWindow {
  readonly #timesMs = new Float64Array(kept);
  #count = 0;
  #next = 0;
  #hasAlarm = false;

  /** A request of so many rows has come, which is as many arrivals at once. */
  add(atMs: number, rows: number): void {
    for (let row = 0; row < rows; row++) {
      this.#timesMs[this.#next] = atMs;
      this.#next = this.#next + 1 === kept ? 0 : this.#next + 1;
    }
    this.#count = Math.min(kept, this.#count + rows);
  }

  /** Ascending. */
  timesMs(): Float64Array {
    const first = this.#next - this.#count;
    const times = new Float64Array(this.#count);
    if (first >= 0) return this.#timesMs.slice(first, this.#next);
    times.set(this.#timesMs.subarray(kept + first));
    times.set(this.#timesMs.subarray(0, this.#next), -first);
    return times;
  }

  /** Whether the rate has changed since last asked. */
  takeAlarm(): boolean {
    const hasAlarm = this.#hasAlarm;
    this.#hasAlarm = false;
    return hasAlarm;
  }
}
