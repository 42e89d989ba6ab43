/**
 * Whether the server responds. Every call and the live connection report here, so that all pages agree: one banner, no state shown as if it
 * were current, and charts with their age.
 */
import { useSyncExternalStore } from 'react';

/** A shorter silence is not shown: a restart takes about a second. */
const graceMs = 2000;

export interface AwayTimes {
  readonly nowMs: () => number;
  readonly after: (ms: number, run: () => void) => () => void;
}

export class Reachability {
  readonly #times: AwayTimes;
  readonly #listeners = new Set<() => void>();
  #lastResponseMs: number;
  #awaySinceMs: number | null = null;
  #cancel: (() => void) | null = null;

  constructor(times: AwayTimes) {
    this.#times = times;
    this.#lastResponseMs = times.nowMs();
  }

  /** The time of the last response (epoch milliseconds) if the server is away; null while it responds. */
  readonly awaySinceMs = (): number | null => this.#awaySinceMs;

  readonly subscribe = (listener: () => void): (() => void) => {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  };

  /** The server responded, with whatever status. */
  responded(): void {
    this.#lastResponseMs = this.#times.nowMs();
    this.#cancel?.();
    this.#cancel = null;
    this.#set(null);
  }

  /** A call or the live connection failed without a response. */
  failed(): void {
    if (this.#awaySinceMs !== null) return;
    this.#cancel ??= this.#times.after(graceMs, () => {
      this.#cancel = null;
      this.#set(this.#lastResponseMs);
    });
  }

  #set(sinceMs: number | null): void {
    if (sinceMs === this.#awaySinceMs) return;
    this.#awaySinceMs = sinceMs;
    for (const listener of this.#listeners) listener();
  }
}

export const reachability: Reachability = new Reachability({
  nowMs: Date.now,
  after: (ms, run) => {
    const timer = setTimeout(run, ms);
    return () => clearTimeout(timer);
  },
});

/** The time of the last response (epoch milliseconds) if the server is away; null while it responds. */
export function useAwaySinceMs(): number | null {
  return useSyncExternalStore(reachability.subscribe, reachability.awaySinceMs);
}
