/** Wakes a pool at the moment at which a batch may be sent behind a running one: between arrivals nothing else would. */
import type { Clock } from '../../clock.ts';

/** The shortest wait. After a shorter one, rounded, no time would have passed. */
const leastMs = 0.1;

/** At most one timer is set: the earliest that was asked for. */
export class AheadTimer {
  readonly #clock: Clock;
  readonly #wake: () => void;
  #atMs = Number.POSITIVE_INFINITY;
  #cancel: () => void = () => {};

  constructor(clock: Clock, wake: () => void) {
    this.#clock = clock;
    this.#wake = wake;
  }

  /** `ms` may be infinite: then no timer is set. */
  wakeIn(ms: number): void {
    const nowMs = this.#clock.nowMs();
    // Within a millisecond the timer that is set serves as well: under load every arrival asks.
    if (ms === Number.POSITIVE_INFINITY || (this.#atMs > nowMs && this.#atMs <= nowMs + ms + 1)) return;
    this.cancel();
    const waitMs = Math.max(leastMs, ms);
    this.#atMs = nowMs + waitMs;
    this.#cancel = this.#clock.after(waitMs, () => {
      this.#atMs = Number.POSITIVE_INFINITY;
      this.#wake();
    });
  }

  cancel(): void {
    this.#cancel();
    this.#atMs = Number.POSITIVE_INFINITY;
  }
}
