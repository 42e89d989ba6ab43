/** The queue of a variant's instances: requests that can still be in time, by deadline, and behind them the late ones, by arrival. */
import { type ExpectedEnd, fillWithLate, LateShare, lateIn, sizeInTime, takeBatch } from '../../queueing/index.ts';
import { DeadlineQueue } from '../deadline-queue.ts';
import type { PendingRequest } from '../request.ts';

/** The executor that takes the next batch. */
export interface BatchTaker extends ExpectedEnd {
  readonly batchSizeMax: number;
  readonly mayPostpone: (request: PendingRequest) => boolean;
}

/** A new request is counted as one in time; it moves to the late part when it can no longer be. */
export class InstanceQueue {
  readonly #timely = new DeadlineQueue();
  readonly #late = new DeadlineQueue();
  readonly #share = new LateShare();
  #earliestPromiseMs = Number.POSITIVE_INFINITY;

  /** Number of waiting rows. */
  get rows(): number {
    return this.#timely.rows + this.#late.rows;
  }

  get timelyRows(): number {
    return this.#timely.rows;
  }

  get lateRows(): number {
    return this.#late.rows;
  }

  get isEmpty(): boolean {
    return this.#timely.isEmpty && this.#late.isEmpty;
  }

  /** Whether limits never decrease in the order of iteration. */
  get isInLimitOrder(): boolean {
    if (!this.#timely.isInLimitOrder || !this.#late.isInLimitOrder) return false;
    return this.#late.isEmpty || this.#timely.isEmpty || this.#late.limitsUpTo <= this.#timely.limitsFrom;
  }

  insert(request: PendingRequest): void {
    if (request.isResubmitted) this.#late.forget(request);
    countAsTimely(request);
    if (this.#timely.isEmpty) this.#earliestPromiseMs = Number.POSITIVE_INFINITY;
    this.#earliestPromiseMs = Math.min(this.#earliestPromiseMs, request.promisedAtMs);
    this.#timely.insert(request);
  }

  /** No request that counts as one in time must be answered earlier. */
  get earliestPromiseMs(): number {
    return this.#earliestPromiseMs;
  }

  /** Number of rows ahead of a new request with this deadline. Late rows are not: they let it go first. */
  rowsUntil(deadlineMs: number): number {
    return this.#timely.rowsUntil(deadlineMs);
  }

  /** Late requests first: they have waited longest. */
  *[Symbol.iterator](): Generator<PendingRequest> {
    yield* this.#late;
    yield* this.#timely;
  }

  /** Requests that can be in time, earliest deadline first. */
  timely(): Iterable<PendingRequest> {
    return this.#timely;
  }

  /** The last request that can be in time; undefined if there is none. */
  get last(): PendingRequest | undefined {
    const [last] = this.#timely.latestFirst();
    return last;
  }

  /** The late request that has waited longest. */
  get oldestLate(): PendingRequest | undefined {
    const [oldest] = this.#late;
    return oldest;
  }

  /** The next batch of requests without regard to their promises. */
  takeAny(batchSizeMax: number): PendingRequest[] {
    return takeBatch(this.#timely, batchSizeMax);
  }

  /** The batch size while not all requests can be in time: one of `sizes`, or null if none is better. */
  sizeInTime(sizes: readonly number[], doneAtMs: BatchTaker['doneAtMs']): number | null {
    return sizeInTime(this.#timely.latestFirst(), sizes, doneAtMs);
  }

  /**
   * The next batch in which every request is in time, but for those that may not be postponed. Calls `onLate` for each one that
   * can no longer be: it must be removed or postponed.
   */
  takeTimely({ batchSizeMax, mayPostpone, ...end }: BatchTaker, onLate: (request: PendingRequest) => void): PendingRequest[] {
    for (;;) {
      const batch = takeBatch(this.#timely, batchSizeMax);
      const late = lateIn(batch, this.#timely.rows - rowsOf(batch), end).filter(mayPostpone);
      if (late.length === 0) return batch;
      for (const request of late) onLate(request);
    }
  }

  /** Late requests that find a place in the batch. */
  fill(batch: readonly PendingRequest[], { batchSizeMax, doneAtMs }: BatchTaker): readonly PendingRequest[] {
    return this.#late.isEmpty ? [] : fillWithLate(batch, this.#late, batchSizeMax, doneAtMs);
  }

  /** The next batch of late requests; empty if there are none. */
  takeLate(batchSizeMax: number): PendingRequest[] {
    return takeBatch(this.#late, batchSizeMax);
  }

  /**
   * Whether a batch of late requests that takes `serviceMs` goes before requests that can still be in time. `doneAtMs`: when the
   * instances would answer the last of that many rows.
   */
  isLateDue(serviceMs: number, timely: readonly PendingRequest[], doneAtMs: ExpectedEnd['doneAtMs']): boolean {
    return this.#share.isDue(serviceMs, () => {
      const [latest] = this.#timely.latestFirst();
      const isLateBy = (request: PendingRequest, rows: number): boolean => doneAtMs(rows) + serviceMs > request.promisedAtMs;
      return timely.some((request) => isLateBy(request, rowsOf(timely))) || (latest !== undefined && isLateBy(latest, this.#timely.rows));
    });
  }

  /** A batch was dispatched, expected to take `serviceMs`. */
  dispatched(batch: readonly PendingRequest[], serviceMs: number): void {
    if (this.#late.isEmpty) this.#share.reset();
    else if (batch[0]?.isLate === true) this.#share.spend(serviceMs);
    else this.#share.earn(serviceMs);
    this.remove(batch);
  }

  /** Moves a request behind all that can still be in time. Among late ones the order of arrival counts, and their priority. */
  postpone(request: PendingRequest): void {
    this.#timely.extract(request);
    request.isLate = true;
    request.orderMs = request.call.arrivedAtMs + request.deadlineMs - request.promisedAtMs;
    this.#late.insert(request);
  }

  /** Puts all late requests back by deadline, for a rule that knows no late ones. */
  restore(): void {
    const late = Array.from(this.#late);
    for (const request of late) {
      this.#late.extract(request);
      this.insert(request);
    }
  }

  /** Marks the requests as running and removes them. */
  remove(batch: readonly PendingRequest[]): void {
    if (this.#late.isEmpty) return this.#timely.remove(batch);
    this.#timely.remove(batch.filter(({ isLate }) => !isLate));
    this.#late.remove(batch.filter(({ isLate }) => isLate));
  }

  /** Call this when a waiting request was settled or cancelled. */
  discard(request: PendingRequest): void {
    this.#of(request).discard(request);
  }

  /** Removes a request that will wait in another queue. */
  extract(request: PendingRequest): void {
    this.#of(request).extract(request);
    countAsTimely(request);
  }

  #of({ isLate }: PendingRequest): DeadlineQueue {
    return isLate ? this.#late : this.#timely;
  }
}

function rowsOf(batch: readonly PendingRequest[]): number {
  return batch.reduce((sum, { rows }) => sum + rows, 0);
}

/** It may be in time somewhere else. */
function countAsTimely(request: PendingRequest): void {
  request.isLate = false;
  request.orderMs = request.deadlineMs;
}
