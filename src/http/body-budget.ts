/**
 * How much memory bodies may take together, whichever door they come by: those that are being read or worked on, and answers over gRPC
 * that clients have yet to take. A length that is announced counts for nothing: bytes are counted as they come.
 */
import type { ServerResponse } from 'node:http';
import { PlatformError } from '../errors.ts';

/** A body is not counted up to this size: most are smaller and come in one piece, and counting them would cost more than they take. */
export const smallBodyBytes = 64 * 1024;

/** So much of the budget is left to small messages: they pass also where large bodies have taken all that those may. */
const shareOfSmall = 1 / 16;

export class BodyBudget {
  readonly bytesMax: number;
  /** What there may be when a large one comes. */
  readonly largeBytesMax: number;
  #bytes = 0;
  #refused = 0;

  constructor(bytesMax: number) {
    this.bytesMax = bytesMax;
    this.largeBytesMax = bytesMax * (1 - shareOfSmall);
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** Bodies and messages for which there was no room; only rises. */
  get refused(): number {
    return this.#refused;
  }

  /** For what comes from outside, alone or as the next part of a whole. False where too much is held already: then nothing more is. */
  take(bytes: number, wholeBytes = bytes): boolean {
    if (this.#bytes + bytes > (wholeBytes > smallBodyBytes ? this.largeBytesMax : this.bytesMax)) {
      this.#refused++;
      return false;
    }
    this.#bytes += bytes;
    return true;
  }

  /** For what is there already. */
  add(bytes: number): void {
    this.#bytes += bytes;
  }

  release(bytes: number): void {
    this.#bytes -= bytes;
  }
}

/** What one body may take, and all together. */
export interface BodyLimits {
  readonly limitBytes: number;
  readonly budget: BodyBudget;
}

/**
 * What the body of one request holds of the budget. It ends with the response: once that is sent, or whoever should get it is gone. Not
 * before: an answer that lies there takes as much memory, and the body is the only measure of it. How long it may, the listener bounds.
 */
export class BodyHold {
  readonly #budget: BodyBudget;
  readonly #response: ServerResponse;
  #bytes = 0;
  #isOver = false;

  constructor(budget: BodyBudget, response: ServerResponse) {
    this.#budget = budget;
    this.#response = response;
  }

  /** So many bytes of the body are here by now. Null, or why no more of it is taken: `unavailable`, and it holds nothing any more. */
  grow(bytes: number): PlatformError | null {
    if (bytes <= smallBodyBytes || this.#isOver || this.#response.closed) return null;
    if (this.#budget.take(bytes - this.#bytes, bytes)) {
      if (this.#bytes === 0) this.#response.once('close', () => this.#end());
      this.#bytes = bytes;
      return null;
    }
    const { bytes: held, largeBytesMax: most } = this.#budget;
    this.#end();
    return new PlatformError('unavailable', `bodies of ${held} bytes are held here, all together at most ${most} may be`, {
      hint: 'send it again when others are answered, or in smaller parts; or start the server with a higher body limit',
      retryAfterMs: 1000,
    });
  }

  #end(): void {
    this.#isOver = true;
    this.#budget.release(this.#bytes);
    this.#bytes = 0;
  }
}
