/**
 * The idle time of the instances of a variant: when one may run something that no client waits for, without making a request late. After a
 * crash of a worker during such a run nothing runs for a minute. Synchronous, so that it runs on a virtual clock.
 */
import type { Clock } from '../../clock.ts';
import { shadowWaitMs } from '../../queueing/index.ts';
import type { Executor } from '../executor.ts';
import type { PendingRequest } from '../request.ts';
import type { BatchRunResult } from '../runners/run-requests.ts';

/** How to find out whether an instance is idle, and for how long it can be borrowed. */
export interface IdleTimeDeps {
  readonly clock: Clock;
  /** Instances that take requests. */
  readonly instances: () => readonly Executor[];
  readonly rowsWaiting: () => number;
  /** The promised latency without its margin and the time in addition to the service; null without an objective. */
  readonly limitMs: () => number | null;
  /** A run begins: its end is checked no later than the timeout. */
  readonly onBegin: () => void;
  /** An instance is free again, or its worker crashed during the run. */
  readonly onFreed: (executor: Executor) => void;
  readonly onLost: (executor: Executor) => void;
}

/** What would run. */
export interface IdleWork {
  readonly rows: number;
  readonly serviceMs: (executor: Executor) => number;
  readonly canRun: (executor: Executor) => boolean;
}

/** An instance that may run it now, or how long it waits; infinite until something else changes. */
export type IdleMatch = { readonly executor: Executor } | { readonly waitMs: number };

/** A run that was granted. The executor counts as busy until it ends. */
export interface IdleRun {
  readonly executor: Executor;
  readonly request: PendingRequest;
  /** The number of the plan that the worker runs. */
  readonly plan: number;
  /** The rung by whose times the run is expected to end. */
  readonly rung?: number;
}

/** After a crash: the request that caused it is not run again, but others may be like it. */
const pauseAfterCrashMs = 60_000;

/** Requests take the instance that was used last; idle work takes the one that was used first. */
export class IdleTime {
  readonly #deps: IdleTimeDeps;
  readonly #listeners = new Set<() => void>();
  #arrivedAtMs = Number.NEGATIVE_INFINITY;
  #pausedUntilMs = Number.NEGATIVE_INFINITY;

  constructor(deps: IdleTimeDeps) {
    this.#deps = deps;
  }

  /** A request arrived. */
  arrived(): void {
    this.#arrivedAtMs = this.#deps.clock.nowMs();
  }

  /** Calls the listener when an instance may have become idle. Returns the unsubscribe function. */
  onChange(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** A batch has ended, or an instance was added. */
  changed(): void {
    for (const listener of this.#listeners) listener();
  }

  /**
   * An instance for work that requests must not feel, or how long to wait before asking again. The instance that was idle the longest is
   * chosen, because requests take the one that was used last.
   */
  find({ rows, serviceMs, canRun }: IdleWork): IdleMatch {
    const { clock, instances, rowsWaiting, limitMs } = this.#deps;
    const nowMs = clock.nowMs();
    if (nowMs < this.#pausedUntilMs) return { waitMs: this.#pausedUntilMs - nowMs };
    const idle = instances().filter(({ isBusy, isDraining, isFunction }) => !isBusy && !isDraining && !isFunction);
    // Requests take the one that was used last.
    const [executor] = idle.filter(canRun).sort((a, b) => a.sinceMs - b.sinceMs);
    if (executor === undefined || rows === 0) return { waitMs: Number.POSITIVE_INFINITY };
    const waitMs = shadowWaitMs({
      rowsWaiting: rowsWaiting(),
      othersIdle: idle.length - 1,
      shadowMs: serviceMs(executor),
      requestMs: executor.serviceMs(1),
      quietMs: nowMs - this.#arrivedAtMs,
      limitMs: limitMs(),
    });
    return waitMs > 0 ? { waitMs } : { executor };
  }

  /** Runs one request on an instance that `find` returned. Calls `done` when the instance is free again, with the time that it took. */
  run({ executor, request, plan, rung }: IdleRun, done: (answer: BatchRunResult, ms: number) => void): void {
    const { clock, onBegin, onFreed, onLost } = this.#deps;
    const startMs = clock.nowMs();
    executor.begin(request.rows, startMs, rung);
    onBegin();
    executor.worker.run(
      [request],
      (answer) => {
        const nowMs = clock.nowMs();
        executor.end(nowMs);
        if (answer.kind === 'gone') {
          this.#pausedUntilMs = nowMs + pauseAfterCrashMs;
          onLost(executor);
        } else {
          executor.aliveAtMs = nowMs;
          onFreed(executor);
        }
        done(answer, nowMs - startMs);
      },
      plan,
    );
  }
}
