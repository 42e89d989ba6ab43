/**
 * Decides how often in-memory counters are written: every second while they change, otherwise every ten. A kill loses the counts since
 * the last write.
 *
 * Writes may take 1 % of the time: if one takes 20 ms, as with many endpoints or a slow disk, the next one starts 2 s later.
 */
import type { Clock } from '../clock.ts';

const busyEveryMs = 1000;
const idleEveryMs = 10_000;
const pausePerWrite = 100;
/** Allows for timers that fire slightly early. */
const toleranceMs = 50;

/** Measures how long writes take, and decides when the next one is due. */
export class WritePace {
  readonly #clock: Pick<Clock, 'nowMs'>;
  #lastMs: number;
  #tookMs = 0;
  #isWriting = false;

  constructor(clock: Pick<Clock, 'nowMs'>) {
    this.#clock = clock;
    this.#lastMs = clock.nowMs();
  }

  /** `hasNews`: requests were counted since the last write. */
  isDue(hasNews: boolean): boolean {
    if (this.#isWriting) return false;
    const everyMs = hasNews ? Math.min(idleEveryMs, Math.max(busyEveryMs, pausePerWrite * this.#tookMs)) : idleEveryMs;
    return this.#clock.nowMs() - this.#lastMs >= everyMs - toleranceMs;
  }

  /** Runs and times the write. */
  async write(run: () => Promise<void>): Promise<void> {
    this.#lastMs = this.#clock.nowMs();
    this.#isWriting = true;
    try {
      await run();
    } finally {
      this.#isWriting = false;
      this.#tookMs = this.#clock.nowMs() - this.#lastMs;
    }
  }
}
