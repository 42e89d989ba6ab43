/**
 * Chooses the batches of instances under an objective: requests that can be in time first, late ones when no other waits or when their
 * share of the time is due (ADR 30). Decides too which late requests are given up.
 */
import { lateRowsPerMs, safeUnderOverload } from '../../queueing/index.ts';
import { aheadMsMin, type Executor } from '../executor.ts';
import type { PoolContext } from '../executor-pool.ts';
import { noPlaceError } from '../rejections.ts';
import type { PendingRequest } from '../request.ts';
import { minimumMarginMs } from './admission-margin.ts';
import { rungOf } from './batch-plans.ts';
import { batchRows } from './instance-choice.ts';
import type { BatchTaker, InstanceQueue } from './instance-queue.ts';
import { RowRate } from './row-rate.ts';

/** What choosing a batch needs to know of the pool. */
export interface InTimeBatchesDeps {
  readonly context: PoolContext;
  readonly queue: InstanceQueue;
  /** Time for transfer to the worker and back, and for encoding. */
  readonly overheadMs: number;
  /** Capacity of all instances, with full batches. */
  readonly rowsPerMs: () => number;
  /** Time until the waiting rows are served, for Retry-After. */
  readonly drainMs: () => number;
  /** Called when a request turned out to be late. */
  readonly onLate: (nowMs: number) => void;
}

/** The batch rule of one variant with an objective. */
export class InTimeBatches {
  readonly #deps: InTimeBatchesDeps;
  readonly #arrivals = new RowRate(1000, 2);
  /** The same over a quarter of a second: a steep rise is known sooner. */
  readonly #newest = new RowRate(50, 5);
  /** Rows dispatched in time: late ones get the capacity that these leave. Over ten seconds, because late ones have time. */
  readonly #timely = new RowRate(1000, 10);

  constructor(deps: InTimeBatchesDeps) {
    this.#deps = deps;
  }

  arrived(rows: number, nowMs: number): void {
    this.#arrivals.add(nowMs, rows);
    this.#newest.add(nowMs, rows);
  }

  /** Records a batch that is dispatched now, and removes it from the queue. */
  dispatched(batch: readonly PendingRequest[], executor: Executor, nowMs: number, rung?: number): void {
    const rows = batchRows(batch);
    if (batch[0]?.isLate === false) this.#timely.add(nowMs, rows);
    this.#deps.queue.dispatched(batch, executor.typicalMs(rows, rung));
  }

  /** The next batch; empty if none may be dispatched to this executor now. Requests that can no longer be in time go to the back. */
  take(executor: Executor, nowMs: number): PendingRequest[] {
    const { queue, rowsPerMs } = this.#deps;
    const taker = this.#taker(executor, nowMs);
    const timely = queue.takeTimely(taker, (request) => this.#postpone(request, nowMs));
    const late = this.#takeLate(executor);
    if (late.length === 0) return timely;
    if (timely.length === 0) return executor.isBusy ? timely : late;
    const lastDoneMs = (rows: number): number => taker.doneAtMs(Math.min(rows, executor.batchSize)) + rows / rowsPerMs();
    const lateMs = executor.typicalMs(batchRows(late), rungOf(late[0], executor));
    return queue.isLateDue(lateMs, timely, lastDoneMs) ? late : timely;
  }

  /** Late requests that insist on a costly plan come in batches of that plan: a larger one would make those late that arrive meanwhile. */
  #takeLate(executor: Executor): PendingRequest[] {
    const { queue } = this.#deps;
    const late = queue.takeLate(executor.batchSizeBehind);
    const rung = rungOf(late[0], executor);
    return rung === executor.base ? late : queue.takeLate(executor.rungs()[rung]?.batchSizeMax ?? 1);
  }

  /** Puts requests behind those that they would make late; with `late: shed` they are rejected. */
  putBack(requests: readonly PendingRequest[], nowMs: number): void {
    const isShed = this.#deps.context.settings.late === 'shed';
    for (const request of requests) {
      if (isShed) this.#giveUp(request);
      else this.#postpone(request, nowMs);
    }
  }

  /** Late requests for the free places of a batch in time; none for a batch of late requests. */
  fill(batch: readonly PendingRequest[], executor: Executor, nowMs: number, rung?: number): readonly PendingRequest[] {
    const { queue } = this.#deps;
    return batch[0]?.isLate === false && queue.lateRows > 0 ? queue.fill(batch, this.#taker(executor, nowMs, rung)) : [];
  }

  /**
   * Time that a batch still waits before it is sent ahead: under overload it is chosen as late as possible, because it can then be larger,
   * and of requests with more time left. It is sent just before the executor falls idle, so that the executor does not wait for it.
   */
  overloadWaitMs(executor: Executor, nowMs: number): number {
    if (!this.#isOverloaded(nowMs) && !this.#mayBeLarger(executor)) return 0;
    return Math.max(0, executor.typicalResidualMs(nowMs) - aheadMsMin);
  }

  /** Whether requests are late, and more arrive than can be served. */
  #isOverloaded(nowMs: number): boolean {
    const { queue } = this.#deps;
    if (queue.lateRows === 0) return false;
    const capacity = this.#deps.rowsPerMs();
    return this.#arrivals.perMs(nowMs) > capacity || this.#newest.isAbove(capacity, nowMs);
  }

  /** Whether not all requests can be in time, and a larger batch than usual could answer more of them. */
  #mayBeLarger({ batchSize, sizesBeyond }: Executor): boolean {
    const { queue } = this.#deps;
    return sizesBeyond.length > 0 && queue.lateRows > 0 && queue.timelyRows > batchSize;
  }

  /**
   * Whether the queue has room for that many rows beside `rowsWaiting`. Late requests are given up for them, the oldest first: it is
   * the least likely to be still wanted.
   */
  makeRoom(rows: number, rowsWaiting: number): boolean {
    const { context, queue } = this.#deps;
    let excess = rowsWaiting + rows - context.settings.queueRowsMax;
    while (excess > 0) {
      const { oldestLate } = queue;
      if (oldestLate === undefined) return false;
      excess -= oldestLate.rows;
      this.#giveUp(oldestLate);
    }
    return true;
  }

  /** `rung`: the plan of the batch, if it is not the base plan of the executor. */
  #taker(executor: Executor, nowMs: number, rung: number = executor.base): BatchTaker {
    const { context, queue, overheadMs } = this.#deps;
    const { objective, isHybrid } = context.settings;
    const startMs = nowMs + executor.typicalResidualMs(nowMs) + overheadMs;
    const doneAtMs = (rows: number): number => startMs + executor.typicalMs(rows, rung);
    const marginMs = minimumMarginMs(objective?.latencyMs ?? 0);
    const safeAtMs = this.#safeAtMs(doneAtMs, marginMs, nowMs);
    const isBase = rung === executor.base;
    const beyond = isBase && this.#mayBeLarger(executor) ? queue.sizeInTime(executor.sizesBeyond, doneAtMs) : null;
    return {
      batchSizeMax: beyond ?? (isBase ? executor.batchSize : (executor.rungs()[rung]?.batchSizeMax ?? 1)),
      doneAtMs,
      marginMs,
      safeAtMs,
      // Functions leave the instances just as much as these can do, so beside them only what functions cannot answer either is postponed.
      mayPostpone: ({ cannotMeetDeadline }) => isHybrid !== true || cannotMeetDeadline,
    };
  }

  /** By when a request must be due to keep its place. With plans the capacity is not known exactly: a cheaper one may follow. */
  #safeAtMs(doneAtMs: BatchTaker['doneAtMs'], marginMs: number, nowMs: number): BatchTaker['safeAtMs'] {
    const { objective } = this.#deps.context.settings;
    if (objective === null || !this.#isOverloaded(nowMs)) return (rows) => doneAtMs(rows) - marginMs;
    const { ladder } = this.#deps.context;
    if (ladder !== null && !ladder.isAlone) return doneAtMs;
    return safeUnderOverload(doneAtMs, nowMs, objective.latencyMs - marginMs);
  }

  /** Moves a request to the back, or gives it up if its timeout would pass there. */
  #postpone(request: PendingRequest, nowMs: number): void {
    const { queue, rowsPerMs, onLate } = this.#deps;
    onLate(nowMs);
    const answeredInMs = (queue.lateRows + request.rows) / lateRowsPerMs(rowsPerMs(), this.#timely.perMs(nowMs));
    if (nowMs + answeredInMs > request.timeoutAtMs) this.#giveUp(request);
    else queue.postpone(request);
  }

  /** Rejects a waiting request that would be answered too late to be of use. */
  #giveUp(request: PendingRequest): void {
    const { context, queue, drainMs } = this.#deps;
    queue.extract(request);
    request.fail(noPlaceError(context, request, drainMs()));
  }
}
