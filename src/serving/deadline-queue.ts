/**
 * Waiting requests by deadline (`orderMs`), then by arrival. Requests with the same objective already arrive in that order. So
 * an insertion scans from the back and usually takes constant time. Removing from the front moves an index instead of shifting the
 * rest.
 */
import type { PendingRequest } from './request.ts';

/** Empty slots at the front are released once there are at least this many and they outnumber the rest. */
const compactFrom = 1024;

/** Not a heap: requests of one variant share an objective, so they arrive almost in order. */
export class DeadlineQueue {
  /** Undefined before `#front`, so that requests that have ended are not kept in memory. */
  #requests: (PendingRequest | undefined)[] = [];
  #front = 0;
  #rows = 0;
  #isInLimitOrder = true;

  /** Number of waiting rows, without cancelled requests. */
  get rows(): number {
    return this.#rows;
  }

  get isEmpty(): boolean {
    return this.#rows === 0;
  }

  /** Whether limits (`limitAtMs`) never decrease along the queue, for example because all timeouts are equal. */
  get isInLimitOrder(): boolean {
    return this.#isInLimitOrder;
  }

  /** The limit of the first request, infinite without one. With `limitsUpTo` useful only while they are in order. */
  get limitsFrom(): number {
    return this.#requests[this.#front]?.limitAtMs ?? Number.POSITIVE_INFINITY;
  }

  /** The limit of the last request, 0 without one. */
  get limitsUpTo(): number {
    return this.#requests.at(-1)?.limitAtMs ?? 0;
  }

  /** Searches from the end: most requests belong there, so this is one comparison. Equal ones keep the order of arrival. */
  insert(request: PendingRequest): void {
    if (request.isResubmitted) this.forget(request);
    let place = this.#requests.length;
    while (place > this.#front && (this.#requests[place - 1] as PendingRequest).orderMs > request.orderMs) place--;
    const before = place > this.#front ? (this.#requests[place - 1] as PendingRequest).limitAtMs : Number.NEGATIVE_INFINITY;
    const after = this.#requests[place]?.limitAtMs ?? Number.POSITIVE_INFINITY;
    if (request.limitAtMs < before || request.limitAtMs > after) this.#isInLimitOrder = false;
    if (place === this.#requests.length) this.#requests.push(request);
    else this.#requests.splice(place, 0, request);
    this.#rows += request.rows;
  }

  /** Number of rows with an earlier or equal deadline, that is, ahead of a new request with this deadline. */
  rowsUntil(deadlineMs: number): number {
    let rows = this.#rows;
    for (let i = this.#requests.length - 1; i >= this.#front; i--) {
      const request = this.#requests[i] as PendingRequest;
      if (request.orderMs <= deadlineMs) break;
      if (request.state === 'waiting') rows -= request.rows;
    }
    return rows;
  }

  /** Waiting requests, earliest deadline first. */
  *[Symbol.iterator](): Generator<PendingRequest> {
    for (let i = this.#front; i < this.#requests.length; i++) {
      const request = this.#requests[i] as PendingRequest;
      if (request.state === 'waiting') yield request;
    }
  }

  /** The same, latest deadline first. */
  *latestFirst(): Generator<PendingRequest> {
    for (let i = this.#requests.length - 1; i >= this.#front; i--) {
      const request = this.#requests[i] as PendingRequest;
      if (request.state === 'waiting') yield request;
    }
  }

  /** Marks the requests as running and removes them. */
  remove(batch: readonly PendingRequest[]): void {
    for (const request of batch) {
      request.state = 'running';
      this.#rows -= request.rows;
    }
    this.#advance();
  }

  /** Call this when a waiting request was settled or cancelled: its slot is skipped from then on. */
  discard(request: PendingRequest): void {
    this.#rows -= request.rows;
    this.#advance();
  }

  /** Removes a request that will wait in another queue. */
  extract(request: PendingRequest): void {
    this.forget(request);
    this.#rows -= request.rows;
    this.#advance();
  }

  /** Removes the slot of a request that no longer waits here. A request that is queued again may still occupy its old one. */
  forget(request: PendingRequest): void {
    const place = this.#requests.indexOf(request, this.#front);
    if (place === this.#front) this.#requests[this.#front++] = undefined;
    else if (place > this.#front) this.#requests.splice(place, 1);
  }

  #advance(): void {
    const { length } = this.#requests;
    while (this.#front < length && (this.#requests[this.#front] as PendingRequest).state !== 'waiting') {
      this.#requests[this.#front++] = undefined;
    }
    if (this.#front === this.#requests.length) {
      this.#requests.length = 0;
      this.#front = 0;
      this.#isInLimitOrder = true;
    } else if (this.#front >= compactFrom && this.#front * 2 > this.#requests.length) {
      this.#requests.splice(0, this.#front);
      this.#front = 0;
    }
  }
}
