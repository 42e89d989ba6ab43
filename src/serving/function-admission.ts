/** Whom functions refuse, and in which words. It looks at the environments and at who waits, and changes neither: `Functions` acts on it. */
import type { PlatformError } from '../errors.ts';
import { formatMs } from '../objective.ts';
import { overheadMs } from '../profiling/index.ts';
import { predictCompletionMs } from '../queueing/index.ts';
import type { Environments } from './environments.ts';
import type { FunctionBuffer } from './function-buffer.ts';
import { cannotStart, functionsAreBusy, tooLate } from './refusals.ts';
import type { PendingRequest } from './request.ts';
import type { Door } from './side.ts';

/** For Retry-After, where nobody works off what waits. */
const drainMsUnknown = 1000;

export class FunctionAdmission {
  readonly #door: Door;
  readonly #environments: Environments;
  readonly #buffer: FunctionBuffer;

  constructor(door: Door, environments: Environments, buffer: FunctionBuffer) {
    this.#door = door;
    this.#environments = environments;
    this.#buffer = buffer;
  }

  /** Why nobody can be served at present; null while somebody is here, on the way, or may be asked for. */
  get startFailure(): PlatformError | null {
    const { failure, size } = this.#environments;
    return failure === null || size > 0 ? null : cannotStart(this.#door, failure);
  }

  /** Whether who would be late is refused: by `late: shed`, where no more environments may come to its aid. */
  get sheds(): boolean {
    const { late, objective } = this.#door.settings;
    return late === 'shed' && objective !== null && this.#environments.isExhausted;
  }

  /** Of a request that comes. */
  refuses(request: PendingRequest): PlatformError | null {
    const { settings, clock } = this.#door;
    const failure = this.startFailure;
    if (failure !== null) return failure;
    if (this.#buffer.rows + request.rows > settings.queueRowsMax) {
      return this.#overloaded(`${this.#buffer.rows} rows wait already, ${settings.queueRowsMax} may`);
    }
    if (!this.sheds) return null;
    const nowMs = clock.nowMs();
    const servers = this.#environments.executors.map((executor) => executor.asServer(nowMs));
    const answeredAtMs = nowMs + predictCompletionMs(servers, this.#buffer.overdueRowsUntil(request.deadlineMs)) + overheadMs;
    if (answeredAtMs <= request.promisedAtMs) return null;
    return this.#overloaded(tooLate(this.#door, request, answeredAtMs - nowMs));
  }

  /**
   * Of a request whose limit has come, within `latencyMs` if that was its objective's. Whoever waits only because no more environments
   * may be started is refused; who waits for one that starts is not.
   */
  givesUp(request: PendingRequest, latencyMs: number, nowMs: number): PlatformError | null {
    const isTimedOut = request.timeoutAtMs <= nowMs;
    if (this.#environments.isExhausted && !this.#buffer.holds(request)) {
      const limit = isTimedOut ? 'its timeout' : `the objective of ${formatMs(latencyMs)}`;
      return this.#overloaded(`this request waited ${Math.round(nowMs - request.call.arrivedAtMs)} ms, until ${limit} was over`);
    }
    return isTimedOut ? this.#door.timedOut(request, nowMs) : null;
  }

  #overloaded(why: string): PlatformError {
    const { isExhausted, maxConcurrency } = this.#environments;
    return functionsAreBusy(this.#door, why, isExhausted ? maxConcurrency : null, this.#drainMs());
  }

  /** How long until those who are overdue are served. */
  #drainMs(): number {
    let rowsPerMs = 0;
    for (const executor of this.#environments.executors) rowsPerMs += executor.rowsPerMs();
    return rowsPerMs === 0 ? drainMsUnknown : this.#buffer.overdueRows / rowsPerMs;
  }
}
