/** Those who were to leave but found no environment free, earliest deadline first; the next that is free takes them. */
import { take } from '../queueing/index.ts';
import { DeadlineQueue } from './deadline-queue.ts';
import type { PendingRequest } from './request.ts';

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

  /** The next to leave together: at most so many rows, from the head. */
  peek(batchSizeMax: number): PendingRequest[] {
    return take(this.#queue, batchSizeMax);
  }

  /** They leave. */
  remove(batch: readonly PendingRequest[]): void {
    this.#queue.remove(batch);
    for (const request of batch) this.#count(request, -1);
  }

  forget(request: PendingRequest): void {
    this.#queue.forget(request);
    this.#count(request, -1);
  }

  /** It goes elsewhere to wait. */
  extract(request: PendingRequest): void {
    this.#queue.extract(request);
    this.#count(request, -1);
  }

  rowsUntil(deadlineMs: number): number {
    return this.#queue.rowsUntil(deadlineMs);
  }

  /** How many batches of at most so many rows they make; a request of more rows is one. */
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
