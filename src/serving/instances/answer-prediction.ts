/** When instances will answer a request, and how far such predictions have been off. */
import { predictCompletionMs, type Server } from '../../queueing/index.ts';
import type { Executor } from '../executor.ts';
import type { PendingRequest } from '../request.ts';
import { AdmissionMargin } from './admission-margin.ts';

/** What a prediction needs to know of the pool. */
export interface AnswerPredictionDeps {
  /** Those that accept new requests; with `servesOut`, all if there are none. */
  readonly executors: (servesOut: boolean) => readonly Executor[];
  /** Time for transfer to the worker and back, and for encoding. */
  readonly overheadMs: number;
}

/** The predictions of one variant. All times are `clock.nowMs()`. */
export class AnswerPrediction {
  readonly #deps: AnswerPredictionDeps;
  #margin: AdmissionMargin | null = null;
  #latencyMs: number | null = null;

  constructor(deps: AnswerPredictionDeps) {
    this.#deps = deps;
  }

  /** Sets the latency of the objective. If it changed, the margin starts again: errors measured under another objective do not apply. */
  useObjective(latencyMs: number | null): void {
    if (latencyMs === this.#latencyMs) return;
    this.#latencyMs = latencyMs;
    this.#margin = latencyMs === null ? null : new AdmissionMargin(latencyMs);
  }

  /** The learned part of the margin, in ms: a deadline includes the minimum already. */
  extraMs(nowMs: number): number {
    return this.#margin?.extraMs(nowMs) ?? 0;
  }

  /** Records by how much the first prediction of an answered request was off. */
  readonly observe = ({ predictedAtMs, call, losses }: PendingRequest, _result: unknown, latencyMs: number): void => {
    if (losses === 0) this.#margin?.observe(predictedAtMs, call.arrivedAtMs + latencyMs);
  };

  /**
   * The response to a request with `rowsAhead` rows ahead of it; infinite without instances. Draining instances serve only the existing
   * queue: set `servesOut` for requests that are in it.
   */
  answeredAtMs(rows: number, rowsAhead: number, nowMs: number, servesOut = false): number {
    const servers: Server[] = [];
    let aloneMs = 0;
    for (const executor of this.#deps.executors(servesOut)) {
      if (executor.isStuck(nowMs)) continue;
      const server = executor.asServer(nowMs);
      servers.push(server);
      // A request with more rows than a batch runs alone, and takes longer than a full batch.
      if (rows > server.batchSizeMax) aloneMs = Math.max(aloneMs, executor.serviceMs(rows) - server.fullBatchMs);
    }
    const before = aloneMs > 0 ? rowsAhead : rowsAhead + rows - 1;
    return nowMs + predictCompletionMs(servers, before) + aloneMs + this.#deps.overheadMs;
  }

  /** The same for a request that has to wait, plus the learned margin. The error of its first prediction is recorded once it is answered. */
  predictAtMs(request: PendingRequest, rowsAhead: number, nowMs: number, servesOut = false): number {
    const answeredAtMs = this.answeredAtMs(request.rows, rowsAhead, nowMs, servesOut);
    if (Number.isNaN(request.predictedAtMs)) request.predictedAtMs = answeredAtMs;
    return answeredAtMs + this.extraMs(nowMs);
  }

  /** The response if this idle instance ran a batch of `rows` now. */
  doneAtMs(idle: Executor, rows: number, nowMs: number): number {
    return nowMs + idle.serviceMs(rows) + this.#deps.overheadMs;
  }

  /** The last moment at which an instance can start the request and answer in time; -Infinity without instances. */
  lastMomentMs({ promisedAtMs, rows }: PendingRequest): number {
    let soonestMs = Number.POSITIVE_INFINITY;
    for (const executor of this.#deps.executors(false))
      soonestMs = Math.min(soonestMs, executor.serviceMs(Math.max(rows, executor.batchSize)));
    return promisedAtMs - this.#deps.overheadMs - soonestMs;
  }

  /**
   * Whether the request is in time by the median. Other load on the machine can make a few runs so slow that, at the quantile, even a full
   * batch exceeds the objective. Then every waiting request is predicted to be late, and rejecting requests does not help. Batches shrink to
   * single rows, and no larger batch runs that would show the recovery.
   */
  isOnTimeTypically(request: PendingRequest, rowsAhead: number, nowMs: number): boolean {
    if (nowMs <= this.lastMomentMs(request)) return false;
    const executors = this.#deps.executors(false).filter((executor) => !executor.isStuck(nowMs));
    const servers = executors.map((executor) => executor.asTypicalServer(nowMs));
    return nowMs + predictCompletionMs(servers, rowsAhead + request.rows - 1) + this.#deps.overheadMs <= request.promisedAtMs;
  }
}
