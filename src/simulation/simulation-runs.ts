/**
 * Simulations that a server runs on request: one at a time, in threads, with limits on number and duration. Completed runs are
 * retained in memory up to a limit.
 */
import { randomUUID } from 'node:crypto';
import type { Clock } from '../clock.ts';
import { asPlatformError, PlatformError } from '../errors.ts';
import type { SimulationResult } from './report/result.ts';
import { type SimulationBatchOptions, simulateAll } from './simulate.ts';
import type { SimulationSpec } from './simulation-spec.ts';

/** All but the first two are final. */
export type RunState = 'waiting' | 'running' | 'done' | 'failed' | 'cancelled';

/** A run as its caller sees it. */
export interface SimulationRun<Facts> {
  readonly id: string;
  readonly state: RunState;
  /** Data of the caller, returned with the run. */
  readonly facts: Facts;
  readonly orders: readonly SimulationSpec[];
  /** Results in the order of the specs; null for simulations that are not complete. */
  readonly results: readonly (SimulationResult | null)[];
  /** Why the run failed or ended early; null otherwise. */
  readonly reason: string | null;
  /** Epoch milliseconds. */
  readonly requestedAtMs: number;
  readonly startedAtMs: number | null;
  readonly endedAtMs: number | null;
}

type Changing<T> = { -readonly [Key in keyof T]: T[Key] };
type Run<Facts> = Changing<SimulationRun<Facts>> & { results: (SimulationResult | null)[]; readonly abort: AbortController };

/** How runs are carried out. Tests pass a `simulate` of their own. */
export interface SimulationRunsOptions {
  readonly clock: Clock;
  /** Number of policies to simulate at once. */
  readonly threads: number;
  readonly simulate?: (orders: readonly SimulationSpec[], sideBySide: SimulationBatchOptions) => Promise<SimulationResult[]>;
}

/** Maximum number of waiting and of retained runs, and maximum duration of a run in milliseconds. */
export const runLimits = { waitingMax: 5, keptMax: 20, timeMs: 10 * 60_000 } as const;

/** In memory only: a restart forgets all runs. */
export class SimulationRuns<Facts> {
  readonly #options: SimulationRunsOptions;
  /** Runs in order of request, the latest last. */
  readonly #runs: Run<Facts>[] = [];
  #isClosed = false;

  constructor(options: SimulationRunsOptions) {
    this.#options = options;
  }

  /** Queues a run, or starts it if none is running. Throws `overloaded` if too many are waiting. */
  start(orders: readonly SimulationSpec[], facts: Facts): SimulationRun<Facts> {
    const waiting = this.#runs.filter(({ state }) => state === 'waiting').length;
    if (waiting >= runLimits.waitingMax || this.#isClosed) {
      throw new PlatformError('overloaded', `too many simulations: ${waiting} are waiting. Retry when one is done, or cancel one`);
    }
    const ended = this.#runs.filter(({ endedAtMs }) => endedAtMs !== null);
    if (ended.length >= runLimits.keptMax) this.#runs.splice(this.#runs.indexOf(ended[0] as Run<Facts>), 1);
    const run: Run<Facts> = {
      id: randomUUID(),
      state: 'waiting',
      facts,
      orders,
      results: orders.map(() => null),
      reason: null,
      requestedAtMs: this.#options.clock.wallMs(),
      startedAtMs: null,
      endedAtMs: null,
      abort: new AbortController(),
    };
    this.#runs.push(run);
    this.#next();
    return run;
  }

  /** All retained runs, the latest first. */
  list(): readonly SimulationRun<Facts>[] {
    return this.#runs.toReversed();
  }

  /** Throws `not_found`. */
  get(id: string): SimulationRun<Facts> {
    return this.#find(id);
  }

  /** Cancels a waiting or running simulation; deletes one that has ended. Throws `not_found`. */
  remove(id: string): void {
    const run = this.#find(id);
    if (run.endedAtMs !== null) {
      this.#runs.splice(this.#runs.indexOf(run), 1);
      return;
    }
    this.#end(run, 'cancelled', 'it was cancelled');
  }

  close(): void {
    this.#isClosed = true;
    for (const run of this.#runs) if (run.endedAtMs === null) this.#end(run, 'cancelled', 'the server ended');
  }

  #find(id: string): Run<Facts> {
    const run = this.#runs.find((other) => other.id === id);
    if (run !== undefined) return run;
    throw new PlatformError(
      'not_found',
      `simulation ${id.slice(0, 64)} does not exist: only the last ${runLimits.keptMax} are retained while the server runs`,
    );
  }

  #next(): void {
    if (this.#isClosed || this.#runs.some(({ state }) => state === 'running')) return;
    const run = this.#runs.find(({ state }) => state === 'waiting');
    if (run === undefined) return;
    run.state = 'running';
    run.startedAtMs = this.#options.clock.wallMs();
    void this.#run(run);
  }

  async #run(run: Run<Facts>): Promise<void> {
    const { clock, threads, simulate = simulateAll } = this.#options;
    const cancelTimer = clock.after(runLimits.timeMs, () => {
      this.#end(run, 'failed', `it was not done after ${runLimits.timeMs / 60_000} minutes. Simulate fewer requests or policies`);
    });
    try {
      const onDone = (result: SimulationResult, index: number): void => void (run.results[index] = result);
      const results = await simulate(run.orders, { threads, interrupted: run.abort.signal, onDone });
      run.results = [...results];
      this.#end(run, 'done', null);
    } catch (error) {
      this.#end(run, 'failed', asPlatformError(error).message);
    } finally {
      cancelTimer();
    }
  }

  /** Ends a run once; ignores results that arrive afterwards. */
  #end(run: Run<Facts>, state: RunState, reason: string | null): void {
    if (run.endedAtMs !== null) return;
    run.state = state;
    run.reason = reason;
    run.endedAtMs = this.#options.clock.wallMs();
    run.abort.abort();
    this.#next();
  }
}
