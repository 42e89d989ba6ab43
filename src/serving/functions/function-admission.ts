/**
 * Decides which requests functions reject, and with which error. Reads environments and buffer without changing them;
 * `FunctionPool` acts on the result.
 */
import type { PlatformError } from '../../errors.ts';
import { formatMs } from '../../objective.ts';
import { platformOverheadMs } from '../../profiling/index.ts';
import { predictCompletionMs } from '../../queueing/index.ts';
import type { PoolContext } from '../executor-pool.ts';
import { cannotStartError, deadlinePassedError, functionsBusyError } from '../rejections.ts';
import type { PendingRequest } from '../request.ts';
import type { Environments } from './environments.ts';
import type { FunctionBuffer } from './function-buffer.ts';

/** Retry-After if no executor is ready, so the time to drain the queue is unknown. */
const drainMsUnknown = 1000;

/** Rejects if no environment can start, if the queue is full, and under `late: shed` what would be late. */
export class FunctionAdmission {
  readonly #context: PoolContext;
  readonly #environments: Environments;
  readonly #buffer: FunctionBuffer;

  constructor(context: PoolContext, environments: Environments, buffer: FunctionBuffer) {
    this.#context = context;
    this.#environments = environments;
    this.#buffer = buffer;
  }

  /** The error if no request can be served now; null if a function is ready, starting or allowed to start. */
  get startFailure(): PlatformError | null {
    const { failure, size } = this.#environments;
    return failure === null || size > 0 ? null : cannotStartError(this.#context, failure);
  }

  /** Whether late requests are rejected: only with `late: shed`, and only if no more environments may be started. */
  get sheds(): boolean {
    const { late, objective } = this.#context.settings;
    return late === 'shed' && objective !== null && this.#environments.isExhausted;
  }

  /** The error for a new request that is rejected on arrival; null if it is accepted. */
  rejectionFor(request: PendingRequest): PlatformError | null {
    const { settings, clock } = this.#context;
    const failure = this.startFailure;
    if (failure !== null) return failure;
    if (this.#buffer.rows + request.rows > settings.queueRowsMax) {
      return this.#overloaded(`the queue is full (${this.#buffer.rows} rows waiting, limit ${settings.queueRowsMax})`);
    }
    if (!this.sheds) return null;
    const nowMs = clock.nowMs();
    const servers = this.#environments.executors.map((executor) => executor.asServer(nowMs));
    const answeredAtMs = nowMs + predictCompletionMs(servers, this.#buffer.overdueRowsUntil(request.deadlineMs)) + platformOverheadMs;
    if (answeredAtMs <= request.promisedAtMs) return null;
    return this.#overloaded(deadlinePassedError(this.#context, request, answeredAtMs - nowMs));
  }

  /**
   * The error for a waiting request whose limit has passed; null if it may wait on. `latencyMs` is the objective's latency, used in
   * the message. A request that waits only because no more environments may be started is rejected. One that waits for a start is
   * not.
   */
  timesOut(request: PendingRequest, latencyMs: number, nowMs: number): PlatformError | null {
    const isTimedOut = request.timeoutAtMs <= nowMs;
    if (this.#environments.isExhausted && !this.#buffer.holds(request)) {
      const limit = isTimedOut ? 'its timeout' : `the objective of ${formatMs(latencyMs)}`;
      return this.#overloaded(`this request waited ${Math.round(nowMs - request.call.arrivedAtMs)} ms, until ${limit} had passed`);
    }
    return isTimedOut ? this.#context.timedOut(request, nowMs) : null;
  }

  #overloaded(why: string): PlatformError {
    const { isExhausted, maxConcurrency } = this.#environments;
    return functionsBusyError(this.#context, why, isExhausted ? maxConcurrency : null, this.#drainMs());
  }

  /** Time until the overdue requests are served, for Retry-After. */
  #drainMs(): number {
    let rowsPerMs = 0;
    for (const executor of this.#environments.executors) rowsPerMs += executor.rowsPerMs();
    return rowsPerMs === 0 ? drainMsUnknown : this.#buffer.overdueRows / rowsPerMs;
  }
}
