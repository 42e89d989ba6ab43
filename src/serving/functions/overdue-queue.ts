/** Requests that were due while no environment was free, earliest deadline first. They run on the next free environment. */
import { takeBatch } from '../../queueing/index.ts';
import { DeadlineQueue } from '../deadline-queue.ts';
import type { PendingRequest } from '../request.ts';

/** Counts rows per bucket too, because only requests of one bucket can share a batch. */
export class OverdueQueue {
  readonly #queue = new DeadlineQueue();
  readonly #buckets = new Map<string, { requests: number; rows: number }>();

  get rows(): number {
    return this.#queue.rows;
  }

  get isEmpty(): boolean {
    return this.#queue.isEmpty;
  }

  [Symbol.iterator](): Iterator<PendingRequest> {
    return this.#queue[Symbol.iterator]();
  }

  insert(request: PendingRequest): void {
    this.#queue.insert(request);
    this.#count(request, 1);
  }

  /** The next batch of at most `batchSizeMax` rows, from the head. */
  peek(batchSizeMax: number): PendingRequest[] {
    return takeBatch(this.#queue, batchSizeMax);
  }

  /** Removes requests that are dispatched now. */
  remove(batch: readonly PendingRequest[]): void {
    this.#queue.remove(batch);
    for (const request of batch) this.#count(request, -1);
  }

  discard(request: PendingRequest): void {
    this.#queue.discard(request);
    this.#count(request, -1);
  }

  /** Removes a request that will wait for an instance. */
  extract(request: PendingRequest): void {
    this.#queue.extract(request);
    this.#count(request, -1);
  }

  rowsUntil(deadlineMs: number): number {
    return this.#queue.rowsUntil(deadlineMs);
  }

  /** Number of batches of at most `batchSizeMax` rows that the queue needs; a larger request is one batch. */
  batches(batchSizeMax: number): number {
    let count = 0;
    for (const { requests, rows } of this.#buckets.values()) count += Math.min(requests, Math.ceil(rows / batchSizeMax));
    return count;
  }

  #count({ bucket, rows }: PendingRequest, sign: 1 | -1): void {
    let counted = this.#buckets.get(bucket);
    if (counted === undefined) this.#buckets.set(bucket, (counted = { requests: 0, rows: 0 }));
    counted.requests += sign;
    counted.rows += sign * rows;
    if (counted.requests === 0) this.#buckets.delete(bucket);
  }
}
