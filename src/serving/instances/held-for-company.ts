/** A batch that an idle instance holds for more requests, and the recent load by which it decides. */
import type { Clock } from '../../clock.ts';
import type { Company } from '../../queueing/index.ts';
import type { Executor } from '../executor.ts';

/** Rates are those of the last complete window. */
const windowMs = 500;

/** The batch that is held, and the queue at this moment. */
export interface HeldRows {
  /** Rows of the batch. */
  readonly rows: number;
  /** Rows in the queue, with those of the batch. */
  readonly waiting: number;
  /** Time until the most urgent request must be answered. */
  readonly leftMs: number;
}

/** Holds at most one batch per pool. Every arrival decides again, so a batch that is full or urgent leaves at once. */
export class HeldForCompany {
  readonly #clock: Clock;
  readonly #waitMs: (company: Company) => number;
  readonly #release: () => void;
  /** When the current wait ends; null if no batch is held. */
  #untilMs: number | null = null;
  #sinceMs = 0;
  #isOver = false;
  #cancel: () => void = () => {};
  #windowFromMs = 0;
  #rows = 0;
  /** Most rows in flight, in the current window and in the one before. */
  #peak = 0;
  #peakBefore = 0;
  #busyMs = 0;
  #heldMs = 0;
  #rowsPerMs = 0;
  #busyShare = 0;

  /** `release` is called when the wait is over, and must dispatch. */
  constructor(clock: Clock, waitMs: (company: Company) => number, release: () => void) {
    this.#clock = clock;
    this.#waitMs = waitMs;
    this.#release = release;
  }

  arrived(rows: number): void {
    this.#rows += rows;
  }

  /** Whether the idle instance waits. The first call of a wait decides how long. */
  holds(idle: Executor, { rows, waiting, leftMs }: HeldRows, executors: Iterable<Executor>): boolean {
    const nowMs = this.#clock.nowMs();
    const all = [...executors];
    this.#peak = Math.max(this.#peak, waiting + all.reduce((sum, { rowsRunning }) => sum + rowsRunning, 0));
    const inFlight = Math.max(this.#peak, this.#peakBefore);
    if (this.#untilMs !== null) {
      // Each arrival asks again: a batch that is full, or has become urgent, leaves.
      const remainingMs = Math.max(this.#untilMs - nowMs, 0);
      return !this.#isOver && rows < Math.min(idle.batchSize, inFlight) && remainingMs + idle.serviceMs(rows) <= leftMs;
    }
    this.#turnWindow(all, nowMs);
    const waitMs = this.#waitMs({
      rows,
      batchSizeMax: idle.batchSize,
      inFlight,
      rowsPerMs: this.#rowsPerMs / all.length,
      busyShare: this.#busyShare,
      leftMs,
      medianMs: (b) => idle.table.medianMs(b),
      quantileMs: (b) => idle.serviceMs(b),
    });
    if (waitMs <= 0) return false;
    this.#untilMs = nowMs + waitMs;
    this.#sinceMs = nowMs;
    this.#isOver = false;
    this.#cancel = this.#clock.after(waitMs, () => {
      this.#isOver = true; // a timer may fire before the clock shows its time
      this.#release();
    });
    return true;
  }

  /** Ends the wait. Returns whether there was one. */
  end(): boolean {
    if (this.#untilMs === null) return false;
    this.#untilMs = null;
    this.#heldMs += this.#clock.nowMs() - this.#sinceMs;
    this.#cancel();
    return true;
  }

  /** Time in which a batch was held counts as busy: otherwise holding would end itself. */
  #turnWindow(executors: readonly Executor[], nowMs: number): void {
    const elapsedMs = nowMs - this.#windowFromMs;
    if (elapsedMs < windowMs) return;
    const busyMs = executors.reduce((sum, executor) => sum + executor.busyMs, 0);
    this.#rowsPerMs = this.#rows / elapsedMs;
    this.#busyShare = (busyMs - this.#busyMs + this.#heldMs) / (elapsedMs * executors.length);
    this.#windowFromMs = nowMs;
    this.#rows = 0;
    this.#peakBefore = this.#peak;
    this.#peak = 0;
    this.#heldMs = 0;
    this.#busyMs = busyMs;
  }
}
