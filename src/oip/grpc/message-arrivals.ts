/**
 * Messages of inference calls while they arrive and are decompressed: their bytes count in the budget of all bodies, and their time
 * is limited. Without this, calls that never complete their message would fill the memory, because grpc-js collects a message of any
 * call and decompresses it before a handler runs.
 */
import type { ServerHttp2Stream } from 'node:http2';
import { createGunzip, createInflate } from 'node:zlib';
import { type ServerInterceptingCallInterface, status } from '@grpc/grpc-js';
import type { Clock } from '../../clock.ts';
import { messageOf, PlatformError } from '../../errors.ts';
import type { BodyBudget } from '../../http/index.ts';
import { shortageOf } from './admission.ts';

/**
 * The parts of a call of grpc-js 1.14 that receive its messages. They are not public, and there is no public hook between the
 * headers of a call and its complete message. `test/end-to-end/grpc-arrivals.test.ts` fails if they change.
 */
export interface ReceivingCall extends ServerInterceptingCallInterface {
  readonly stream: ServerHttp2Stream;
  readonly decoder: { maxReadMessageLength: number };
  maxReceiveMessageSize: number;
  /** `message` begins with its five-byte prefix. Rejects with a status object. */
  decompressMessage(message: Buffer, encoding: string): Buffer | Promise<Buffer>;
}

/** Limits the messages of a call, compressed and decompressed, below the limit of the server. */
export function limitMessages(call: ReceivingCall, bytesMax: number): void {
  call.decoder.maxReadMessageLength = bytesMax;
  call.maxReceiveMessageSize = bytesMax;
}

/** The budget that bytes count in, and the time for a message. */
export interface MessageArrivalsOptions {
  readonly budget: BodyBudget;
  readonly clock: Clock;
  /** Time for a message to arrive completely. */
  readonly timeoutMs: number;
}

/** Calls are checked for their timeout this often. */
const sweepMs = 1000;

/** All messages that are arriving at a server. */
export class MessageArrivals {
  readonly #options: MessageArrivalsOptions;
  /** Oldest first. */
  readonly #open = new Map<MessageArrival, number>();
  #isSweeping = false;

  constructor(options: MessageArrivalsOptions) {
    this.#options = options;
  }

  /** Counts the messages of a call that was just admitted. `fail` must end the call. */
  begin(call: ReceivingCall, fail: (error: PlatformError) => void): MessageArrival {
    return new MessageArrival(this, this.#options.budget, call, fail);
  }

  opened(arrival: MessageArrival): void {
    this.#open.set(arrival, this.#options.clock.nowMs());
    if (!this.#isSweeping) this.#sweepLater();
  }

  closed(arrival: MessageArrival): void {
    this.#open.delete(arrival);
  }

  #sweepLater(): void {
    this.#isSweeping = true;
    this.#options.clock.after(sweepMs, () => {
      this.#isSweeping = false;
      this.#failLate();
      if (this.#open.size > 0) this.#sweepLater();
    });
  }

  #failLate(): void {
    const { clock, timeoutMs } = this.#options;
    for (const [arrival, startedAtMs] of this.#open) {
      if (clock.nowMs() - startedAtMs < timeoutMs) return;
      arrival.fail(new PlatformError('deadline_exceeded', `the message did not arrive completely within ${timeoutMs / 1000} s`));
    }
  }
}

/** The message that is arriving at one call. */
export class MessageArrival {
  readonly #arrivals: MessageArrivals;
  readonly #budget: BodyBudget;
  readonly #call: ReceivingCall;
  readonly #fail: (error: PlatformError) => void;
  #bytes = 0;
  #isOpen = false;
  #isOver = false;

  constructor(arrivals: MessageArrivals, budget: BodyBudget, call: ReceivingCall, fail: (error: PlatformError) => void) {
    this.#arrivals = arrivals;
    this.#budget = budget;
    this.#call = call;
    this.#fail = fail;
    call.stream.on('data', ({ length }: Buffer) => {
      if (!this.#grow(length)) this.fail(shortageOf(this.#budget, this.#bytes + length));
    });
    call.decompressMessage = (message, encoding) => this.#decompressed(message, encoding);
  }

  /** A message of this many bytes is complete, but waits until the client has sent all. */
  completed(bytes: number): void {
    if (!this.#isOpen) return;
    this.#budget.add(bytes - this.#bytes);
    this.#bytes = bytes;
  }

  /** The message was handed over: it is no longer counted here. */
  handedOver(): void {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    this.#arrivals.closed(this);
    this.#budget.release(this.#bytes);
    this.#bytes = 0;
  }

  /** The call has ended. Idempotent. */
  end(): void {
    this.handedOver();
    this.#isOver = true;
  }

  fail(error: PlatformError): void {
    if (this.#isOver) return;
    this.end();
    this.#fail(error);
  }

  #grow(bytes: number): boolean {
    if (this.#isOver) return true;
    if (!this.#budget.reserve(bytes, this.#bytes + bytes)) return false;
    this.#bytes += bytes;
    if (!this.#isOpen) this.#arrivals.opened(this);
    this.#isOpen = true;
    return true;
  }

  #decompressed(message: Buffer, encoding: string): Buffer | Promise<Buffer> {
    const [isCompressed, content] = [message[0] === 1, message.subarray(5)];
    if (!isCompressed || encoding === 'identity') return content;
    if (encoding === 'gzip' || encoding === 'deflate') return this.#inflate(content, encoding);
    const details = `the message is compressed with '${encoding}': expected gzip, deflate or identity`;
    return Promise.reject(Object.assign(new Error(details), { code: status.UNIMPLEMENTED, details, metadata: null }));
  }

  async #inflate(content: Buffer, encoding: 'gzip' | 'deflate'): Promise<Buffer> {
    const bytesMax = this.#call.maxReceiveMessageSize;
    const decompressor = encoding === 'gzip' ? createGunzip() : createInflate();
    decompressor.end(content);
    const pieces: Buffer[] = [];
    let length = 0;
    try {
      for await (const piece of decompressor as AsyncIterable<Buffer>) {
        length += piece.length;
        if (length > bytesMax) throw new PlatformError('too_large', `the message decompresses to more than ${bytesMax} bytes`);
        if (this.#isOver || !this.#grow(piece.length)) throw shortageOf(this.#budget, this.#bytes + piece.length);
        pieces.push(piece);
      }
    } catch (thrown) {
      const error = thrown instanceof PlatformError ? thrown : notCompressed(encoding, thrown);
      this.fail(error);
      // grpc-js ignores it: the call has ended.
      throw error;
    }
    return Buffer.concat(pieces, length);
  }
}

function notCompressed(encoding: string, cause: unknown): PlatformError {
  return new PlatformError('invalid_request', `the message is not valid ${encoding}: ${messageOf(cause)}`, { cause });
}
