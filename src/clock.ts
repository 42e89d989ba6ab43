/** Time is injected: no other module reads the wall clock or sets timers. */
import assert from 'node:assert/strict';

/**
 * Two implementations run one contract test: `SystemClock`, and the virtual clock of tests and of the simulator, on which an hour passes at
 * once.
 */
export interface Clock {
  /** Monotonic, fractional milliseconds. For deadlines and durations. */
  nowMs(): number;
  /** Milliseconds since the epoch. For times that are stored or shown. */
  wallMs(): number;
  /**
   * Runs once after `delayMs` milliseconds, which a real clock rounds up to a whole number. With 0 or less it runs once pending work is
   * done. Returns a function that cancels it.
   */
  after(delayMs: number, run: () => void): () => void;
}

/** The longest delay of a Node.js timer; a longer one would fire at once. */
const timerMsMax = 2 ** 31 - 1;

/** The clock of the machine. Its timers keep the process alive until they fire or are cancelled. */
export class SystemClock implements Clock {
  nowMs(): number {
    return performance.now();
  }

  wallMs(): number {
    return Date.now();
  }

  /** Delays above the timer's maximum are cut to it, so `run` must check the time if it matters. */
  after(delayMs: number, run: () => void): () => void {
    if (delayMs <= 0) {
      const immediate = setImmediate(run);
      return () => clearImmediate(immediate);
    }
    const timer = setTimeout(run, Math.min(delayMs, timerMsMax));
    return () => clearTimeout(timer);
  }
}

/**
 * Runs at every period, until the returned function is called. For work that ends at once; `Loop` is for work that waits. The next period
 * begins after the run.
 */
export function every(clock: Pick<Clock, 'after'>, periodMs: number, run: () => void): () => void {
  let isOver = false;
  let cancel = (): void => {};
  const wait = (): void => {
    cancel = clock.after(periodMs, () => {
      run();
      if (!isOver) wait();
    });
  };
  wait();
  return () => {
    isOver = true;
    cancel();
  };
}

/** What a `Loop` runs and how often. A failed run does not end the loop: it is reported, and the next one follows after `everyMs`. */
export interface LoopOptions {
  readonly clock: Clock;
  readonly everyMs: number;
  /** May resolve to the delay until the next run, in place of `everyMs`. */
  readonly run: () => Promise<number | void>;
  readonly onFailure: (error: unknown) => void;
}

/** Periodic work whose runs never overlap: the next run is scheduled when the last one has ended. */
export class Loop {
  readonly #options: LoopOptions;
  #cancel: () => void = () => {};
  #running: Promise<void> | null = null;
  #isDue = false;
  #isClosed = false;

  constructor(options: LoopOptions) {
    this.#options = options;
  }

  /** Schedules the first run. Without an argument it begins after `everyMs`. */
  open(delayMs = this.#options.everyMs): void {
    this.#cancel = this.#options.clock.after(delayMs, () => this.runNow());
  }

  /** Runs at once, or once more directly after the current run. */
  runNow(): void {
    this.#isDue = true;
    if (this.#isClosed || this.#running !== null) return;
    this.#cancel();
    this.#running = this.#work().then((delayMs) => {
      this.#running = null;
      if (this.#isClosed) return;
      if (this.#isDue) this.runNow();
      else this.open(delayMs);
    });
  }

  /** Resolves when the current run has ended. */
  async close(): Promise<void> {
    this.#isClosed = true;
    this.#cancel();
    await this.#running;
  }

  async #work(): Promise<number> {
    this.#isDue = false;
    try {
      return (await this.#options.run()) ?? this.#options.everyMs;
    } catch (error) {
      this.#options.onFailure(error);
      return this.#options.everyMs;
    }
  }
}

/** A `Loop` that begins after an interval. Returns a function that closes it. */
export function repeat(clock: Clock, everyMs: number, run: () => Promise<void>, onFailure: (error: unknown) => void): () => Promise<void> {
  const loop = new Loop({ clock, everyMs, run, onFailure });
  loop.open();
  return () => loop.close();
}

interface Alarm {
  readonly atMs: number;
  readonly order: number;
  readonly run: () => void;
}

/** A clock that advances only on demand, for the simulator and for tests. */
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

  /** Advances by `byMs` and runs due timers, ordered by time, then by registration. */
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
