/**
 * The requests of a variant in the order of their deadlines, ties in the order of arrival.
 *
 * Requests of one objective arrive in that order already, so an insertion looks from the back and an ordinary one
 * costs nothing; whoever is taken is at the front, and the front moves without shifting the rest.
 */
import type { PendingRequest } from './request.ts';

/** Taken places at the front are given back once they are this many and outweigh the rest. */
const compactFrom = 1024;

export class DeadlineQueue {
  #requests: PendingRequest[] = [];
  #front = 0;
  #rows = 0;
  #isInLimitOrder = true;

  /** Rows that wait; requests that were abandoned do not count. */
  get rows(): number {
    return this.#rows;
  }

  get isEmpty(): boolean {
    return this.#rows === 0;
  }

  /** Whoever comes later has no earlier limit: so it is where all give up after the same time. */
  get isInLimitOrder(): boolean {
    return this.#isInLimitOrder;
  }

  insert(request: PendingRequest): void {
    // Where it was taken from here before, its old place may still be there.
    if (request.losses > 0) this.#strike(request);
    let place = this.#requests.length;
    while (place > this.#front && (this.#requests[place - 1] as PendingRequest).deadlineMs > request.deadlineMs) place--;
    const before = place > this.#front ? (this.#requests[place - 1] as PendingRequest).limitAtMs : Number.NEGATIVE_INFINITY;
    const after = this.#requests[place]?.limitAtMs ?? Number.POSITIVE_INFINITY;
    if (request.limitAtMs < before || request.limitAtMs > after) this.#isInLimitOrder = false;
    if (place === this.#requests.length) this.#requests.push(request);
    else this.#requests.splice(place, 0, request);
    this.#rows += request.rows;
  }

  /** Rows with an earlier or equal deadline: what a newcomer of that deadline has before it. */
  rowsUntil(deadlineMs: number): number {
    let rows = this.#rows;
    for (let i = this.#requests.length - 1; i >= this.#front; i--) {
      const request = this.#requests[i] as PendingRequest;
      if (request.deadlineMs <= deadlineMs) break;
      if (request.state === 'waiting') rows -= request.rows;
    }
    return rows;
  }

  /** Those who wait, earliest deadline first. */
  *[Symbol.iterator](): Generator<PendingRequest> {
    for (let i = this.#front; i < this.#requests.length; i++) {
      const request = this.#requests[i] as PendingRequest;
      if (request.state === 'waiting') yield request;
    }
  }

  /** Marks the requests as running and lets go of them. */
  remove(batch: readonly PendingRequest[]): void {
    for (const request of batch) {
      request.state = 'running';
      this.#rows -= request.rows;
    }
    this.#advance();
  }

  /** A request that waited here was settled or abandoned. Its place is passed over from now on. */
  forget(request: PendingRequest): void {
    this.#rows -= request.rows;
    this.#advance();
  }

  /** It goes elsewhere to wait: nothing of it stays. */
  extract(request: PendingRequest): void {
    this.#strike(request);
    this.#rows -= request.rows;
    this.#advance();
  }

  #strike(request: PendingRequest): void {
    const place = this.#requests.indexOf(request, this.#front);
    if (place >= 0) this.#requests.splice(place, 1);
  }

  #advance(): void {
    while (this.#front < this.#requests.length && (this.#requests[this.#front] as PendingRequest).state !== 'waiting') this.#front++;
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
