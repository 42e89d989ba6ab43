/**
 * Memory budget shared by the bodies of all APIs: bodies being read or processed, and gRPC responses that clients have not
 * read yet. Bytes count when they arrive; a declared length does not count.
 */
import type { ServerResponse } from 'node:http';
import { requestIdOf } from '../../connections/index.ts';
import { PlatformError } from '../../errors.ts';
import type { LoopActivity } from '../guards/loop-activity.ts';
import { writeFailure } from './broken-request.ts';

/** Bodies up to this size are not counted: most arrive in one chunk, and counting them would cost more than their memory. */
export const smallBodyBytes = 64 * 1024;

/** Share of the budget reserved for small messages, so that large bodies cannot block them. */
const shareOfSmall = 1 / 16;

/** A body that would exceed the budget is rejected as soon as its bytes arrive, not when it is complete. */
export class BodyBudget {
  readonly bytesMax: number;
  /** The part of the budget that large bodies may use. */
  readonly largeBytesMax: number;
  #bytes = 0;
  #refused = 0;
  #acceptedBytesMax = Number.POSITIVE_INFINITY;
  #shortage = '';
  readonly #activity: Pick<LoopActivity, 'enter'> | null;
  readonly #holds = new Set<BodyHold>();

  /** `activity` is notified when a body arrives, because its processing may start in the same tick. */
  constructor(bytesMax: number, activity: Pick<LoopActivity, 'enter'> | null = null) {
    this.bytesMax = bytesMax;
    this.largeBytesMax = bytesMax * (1 - shareOfSmall);
    this.#activity = activity;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** Counter of bodies and messages rejected for lack of memory. */
  get refused(): number {
    return this.#refused;
  }

  /** Rejects bodies that grow above this size from now on, with the reason `why`. Bodies already above it are not affected. */
  rejectAbove(bytes: number, why: string): void {
    this.#acceptedBytesMax = bytes;
    this.#shortage = why;
  }

  /** The reason for a rejection that just happened. */
  explain(wholeBytes: number): string {
    if (wholeBytes > this.#acceptedBytesMax) {
      return `the server is short of memory and currently accepts bodies of up to ${this.#acceptedBytesMax} bytes: ${this.#shortage}`;
    }
    return `the memory for request bodies is exhausted: ${this.#bytes} bytes are in use, the limit is ${this.largeBytesMax}`;
  }

  /** The request that holds the most memory; null if none holds any. */
  largest(): BodyHold | null {
    let largest: BodyHold | null = null;
    for (const hold of this.#holds) if (largest === null || hold.bytes > largest.bytes) largest = hold;
    return largest;
  }

  opened(hold: BodyHold): void {
    this.#holds.add(hold);
  }

  closed(hold: BodyHold): void {
    this.#holds.delete(hold);
  }

  arrived(response: ServerResponse): void {
    this.#activity?.enter(response.req);
  }

  /** Reserves memory for received bytes, possibly the next part of a larger body. Returns false if the budget is exhausted, and reserves nothing. */
  reserve(bytes: number, wholeBytes = bytes): boolean {
    const isShort = wholeBytes > this.#acceptedBytesMax && wholeBytes - bytes <= this.#acceptedBytesMax;
    if (isShort || this.#bytes + bytes > (wholeBytes > smallBodyBytes ? this.largeBytesMax : this.bytesMax)) {
      this.#refused++;
      return false;
    }
    this.#bytes += bytes;
    return true;
  }

  /** Counts memory that is already allocated. */
  add(bytes: number): void {
    this.#bytes += bytes;
  }

  release(bytes: number): void {
    this.#bytes -= bytes;
  }
}

/** Limits of a single body and of all bodies together. */
export interface BodyLimits {
  readonly limitBytes: number;
  readonly budget: BodyBudget;
}

/**
 * The budget held by the body of one request. It is released when the response is sent or the client has disconnected, not
 * earlier: an unsent response uses memory, too, and the size of its request body is the only estimate. The listener
 * limits that time.
 */
export class BodyHold {
  readonly #budget: BodyBudget;
  readonly #response: ServerResponse;
  #bytes = 0;
  #isOver = false;
  /** Why the request was failed. */
  #failure: PlatformError | null = null;

  constructor(budget: BodyBudget, response: ServerResponse) {
    this.#budget = budget;
    this.#response = response;
  }

  get bytes(): number {
    return this.#bytes;
  }

  get route(): string {
    const { method = '', url = '' } = this.#response.req;
    return `${method} ${url.split('?', 1)[0]}`.slice(0, 200);
  }

  /** `bytes` of the body have arrived so far. Returns null, or the error `unavailable` if the body is rejected; the hold is then released. */
  grow(bytes: number): PlatformError | null {
    if (this.#failure !== null) return this.#failure;
    if (bytes <= smallBodyBytes || this.#isOver || this.#response.closed) return null;
    this.#budget.arrived(this.#response);
    if (this.#budget.reserve(bytes - this.#bytes, bytes)) {
      if (this.#bytes === 0) {
        this.#budget.opened(this);
        this.#response.once('close', () => this.#end());
      }
      this.#bytes = bytes;
      return null;
    }
    const why = this.#budget.explain(bytes);
    this.#end();
    return new PlatformError('unavailable', why, {
      hint: 'retry later, send smaller parts, or start the server with a higher body limit',
      retryAfterMs: 1000,
    });
  }

  /** Fails the request. If its body is still being read, the next `grow` returns the error. Otherwise call `cutOff`. */
  fail(error: PlatformError): void {
    this.#failure = error;
    this.#end();
  }

  /**
   * Ends a failed request that has not been answered. The client gets the error if the response has not begun. The handler
   * of the request sees a disconnected client and stops its work.
   */
  cutOff(): void {
    if (this.#failure === null || this.#response.closed || this.#response.writableEnded) return;
    const { req: request, socket } = this.#response;
    if (this.#response.headersSent || !request.complete || socket === null) this.#response.destroy();
    else writeFailure(socket, this.#failure, requestIdOf(request), () => this.#response.destroy());
  }

  #end(): void {
    this.#isOver = true;
    this.#budget.closed(this);
    this.#budget.release(this.#bytes);
    this.#bytes = 0;
  }
}
