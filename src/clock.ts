/** Time is handed in: nobody else reads the wall clock or sets a timer. */
import assert from 'node:assert/strict';

export interface Clock {
  /** Monotonic, fractional milliseconds. For deadlines and durations. */
  nowMs(): number;
  /** Milliseconds since the epoch. For times that are stored or shown. */
  wallMs(): number;
  /**
   * Runs once after so many milliseconds, a fraction of one counting as a whole one where time is real; the answer cancels
   * it. With 0 or less it runs as soon as what has happened by now was dealt with.
   */
  after(delayMs: number, run: () => void): () => void;
}

/** The longest delay a Node timer takes; a longer one would fire at once. */
const timerMsMax = 2 ** 31 - 1;

export class SystemClock implements Clock {
  nowMs(): number {
    return performance.now();
  }

  wallMs(): number {
    return Date.now();
  }

  after(delayMs: number, run: () => void): () => void {
    if (delayMs <= 0) {
      const immediate = setImmediate(run);
      return () => clearImmediate(immediate);
    }
    const timer = setTimeout(run, Math.min(delayMs, timerMsMax));
    return () => clearTimeout(timer);
  }
}

/** Works so long after the start, and again so long after each work has ended. The answer ends it, and resolves when the last one has ended. */
export function repeat(clock: Clock, everyMs: number, work: () => Promise<void>, onFailure: (error: unknown) => void): () => Promise<void> {
  let [isOver, running] = [false, Promise.resolve()];
  let cancel = (): void => {};
  const later = (): void => {
    cancel = clock.after(everyMs, () => {
      running = work()
        .catch(onFailure)
        .finally(() => {
          if (!isOver) later();
        });
    });
  };
  later();
  return () => {
    isOver = true;
    cancel();
    return running;
  };
}

interface Alarm {
  readonly atMs: number;
  readonly order: number;
  readonly run: () => void;
}

/** A clock that stands still until told to go on: the simulator's, and that of every test about time. */
export class VirtualClock implements Clock {
  #nowMs = 0;
  #order = 0;
  readonly #epochMs: number;
  readonly #alarms = new Set<Alarm>();

  constructor(epochMs = Date.UTC(2026, 0, 1)) {
    this.#epochMs = epochMs;
  }

  nowMs(): number {
    return this.#nowMs;
  }

  wallMs(): number {
    return this.#epochMs + this.#nowMs;
  }

  after(delayMs: number, run: () => void): () => void {
    const alarm = { atMs: this.#nowMs + Math.max(delayMs, 0), order: this.#order++, run };
    this.#alarms.add(alarm);
    return () => this.#alarms.delete(alarm);
  }

  /** Goes on by so many milliseconds and runs what falls due on the way, in order of time, then of setting. */
  advance(byMs: number): void {
    assert(byMs >= 0, 'time does not go backwards');
    const untilMs = this.#nowMs + byMs;
    for (let next = this.#next(untilMs); next !== undefined; next = this.#next(untilMs)) {
      this.#alarms.delete(next);
      this.#nowMs = Math.max(this.#nowMs, next.atMs);
      next.run();
    }
    this.#nowMs = untilMs;
  }

  #next(untilMs: number): Alarm | undefined {
    let first: Alarm | undefined;
    for (const alarm of this.#alarms) {
      if (alarm.atMs > untilMs) continue;
      if (first === undefined || alarm.atMs < first.atMs || (alarm.atMs === first.atMs && alarm.order < first.order)) first = alarm;
    }
    return first;
  }
}
