/** The last arrivals of a variant, and whether their rate has changed: what the choice of a batch size is made from. */
import { RateChange } from './rate-change.ts';

/** So many are kept. */
const kept = 5000;

export class ArrivalWindow {
  readonly #timesMs = new Float64Array(kept);
  readonly #change = new RateChange();
  #count = 0;
  #next = 0;
  #hasAlarm = false;

  /** A request of so many rows has come, which is as many arrivals at once. */
  add(atMs: number, rows: number): void {
    for (let row = Math.min(rows, kept); row > 0; row--) {
      this.#timesMs[this.#next] = atMs;
      this.#next = this.#next + 1 === kept ? 0 : this.#next + 1;
    }
    this.#count = Math.min(kept, this.#count + rows);
    const since = this.#change.observe(atMs);
    if (since === 0) return;
    this.#hasAlarm = true;
    this.#count = Math.min(this.#count, since * rows);
  }

  /** In the order in which they came. */
  timesMs(): Float64Array {
    const first = this.#next - this.#count;
    if (first >= 0) return this.#timesMs.slice(first, this.#next);
    const times = new Float64Array(this.#count);
    times.set(this.#timesMs.subarray(kept + first));
    times.set(this.#timesMs.subarray(0, this.#next), -first);
    return times;
  }

  /** Whether the rate has changed since last asked; those before the change are forgotten by then. */
  takeAlarm(): boolean {
    const hasAlarm = this.#hasAlarm;
    this.#hasAlarm = false;
    return hasAlarm;
  }
}
