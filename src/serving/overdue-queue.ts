/** Those who were to leave but found no environment free, earliest deadline first; the next that is free takes them. */
import { take } from '../queueing/index.ts';
import { DeadlineQueue } from './deadline-queue.ts';
import type { PendingRequest } from './request.ts';

export class OverdueQueue {
  readonly #queue = new DeadlineQueue();
  readonly #rowsOf = new Map<string, number>();

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
    this.#rowsOf.set(request.bucket, (this.#rowsOf.get(request.bucket) ?? 0) + request.rows);
  }

  /** The next to leave together: at most so many rows, from the head. */
  peek(batchSizeMax: number): PendingRequest[] {
    return take(this.#queue, batchSizeMax);
  }

  /** They leave. */
  remove(batch: readonly PendingRequest[]): void {
    this.#queue.remove(batch);
    for (const request of batch) this.#count(request);
  }

  forget(request: PendingRequest): void {
    this.#queue.forget(request);
    this.#count(request);
  }

  rowsUntil(deadlineMs: number): number {
    return this.#queue.rowsUntil(deadlineMs);
  }

  /** How many batches of at most so many rows there are, at least. */
  batches(batchSizeMax: number): number {
    let count = 0;
    for (const rows of this.#rowsOf.values()) count += Math.ceil(rows / batchSizeMax);
    return count;
  }

  #count({ bucket, rows }: PendingRequest): void {
    const left = (this.#rowsOf.get(bucket) ?? 0) - rows;
    if (left > 0) this.#rowsOf.set(bucket, left);
    else this.#rowsOf.delete(bucket);
  }
}
