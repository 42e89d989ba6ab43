/**
 * Reads a request body up to a limit. The callback form is nearly free if the body arrives in one chunk, which is typical of
 * inference requests: no copy, no promise, no wait for the end event.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { createGunzip, createInflate } from 'node:zlib';
import { PlatformError } from '../../errors.ts';
import { BodyHold, type BodyLimits, smallBodyBytes } from './body-budget.ts';
import { ChunkPacer } from './chunk-pacer.ts';
import { GrowingBuffer } from './growing-buffer.ts';

/** Called once, with an error or the body. Never called if the client disconnects before its request is complete. */
export type BodyRead = (error: PlatformError | null, body: Buffer) => void;

const empty = Buffer.alloc(0);

/**
 * Decodes `content-encoding` gzip and deflate; limits apply before and after. The memory budget is released when the response
 * is sent or the client disconnects. Errors: `too_large` as early as possible (the rest of the body is left unread),
 * `unavailable` if the budget is exhausted, `unsupported` for another encoding, `invalid_request` for malformed data.
 */
export function readRequestBodyInto(request: IncomingMessage, response: ServerResponse, limits: BodyLimits, done: BodyRead): void {
  const encoding = request.headers['content-encoding'];
  if (encoding === undefined || encoding === 'identity') readRawBodyInto(request, response, limits, done);
  else readEncoded(request, response, encoding.toLowerCase(), limits, done);
}

/** Whether the body may be rejected while it arrives. Only for such requests is the arrival of the headers recorded. */
export function isStreamedBody({ headers }: IncomingMessage): boolean {
  const { 'content-length': declared, 'transfer-encoding': chunked } = headers;
  return declared === undefined ? chunked !== undefined : Number(declared) > smallBodyBytes;
}

/** The body without decoding `content-encoding`, for verification of the exact bytes. */
export function readRawBodyInto(request: IncomingMessage, response: ServerResponse, limits: BodyLimits, done: BodyRead): void {
  const { 'content-length': declared, 'transfer-encoding': chunked } = request.headers;
  const length = declared === undefined ? (chunked === undefined ? 0 : null) : Number(declared);
  if (length !== null && length > limits.limitBytes) done(tooLarge(length, limits.limitBytes), empty);
  else new BodyCollector(request, response, length, limits, done);
}

/** `readRequestBodyInto` as a promise. Also rejects if the client disconnects. */
export function readRequestBody(request: IncomingMessage, response: ServerResponse, limits: BodyLimits): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    response.once('close', () => reject(new PlatformError('invalid_request', 'the client disconnected before its request was complete')));
    readRequestBodyInto(request, response, limits, (error, body) => (error === null ? resolve(body) : reject(error)));
  });
}

class BodyCollector {
  readonly #request: IncomingMessage;
  readonly #response: ServerResponse;
  /** Declared length; null for a chunked body. */
  readonly #length: number | null;
  readonly #limits: BodyLimits;
  readonly #done: BodyRead;
  /** Null while the body is small. */
  #hold: BodyHold | null = null;
  /** Null unless the body arrives in several chunks. */
  #gathered: GrowingBuffer | null = null;
  #received = 0;
  #isOver = false;

  constructor(request: IncomingMessage, response: ServerResponse, length: number | null, limits: BodyLimits, done: BodyRead) {
    this.#request = request;
    this.#response = response;
    this.#length = length;
    this.#limits = limits;
    this.#done = done;
    if (length === 0) {
      request.resume();
      this.#finish(null, empty);
      return;
    }
    const pacer = new ChunkPacer(request);
    request.on('error', ignore);
    request.on('data', (chunk: Buffer) => {
      pacer.add();
      this.#add(chunk);
    });
    if (length === null) request.on('end', () => this.#end());
  }

  #add(chunk: Buffer): void {
    if (this.#isOver) return;
    this.#received += chunk.length;
    const refusal = this.#refusal();
    if (refusal !== null) {
      this.#gathered?.drop();
      this.#finish(refusal, empty);
    } else if (chunk.length === this.#length) {
      this.#finish(null, chunk);
    } else {
      this.#gathered ??= new GrowingBuffer(this.#length ?? this.#limits.limitBytes);
      this.#gathered.add(chunk);
      if (this.#received === this.#length) this.#gathered.take((body) => this.#finish(null, body));
    }
  }

  #refusal(): PlatformError | null {
    const { limitBytes, budget } = this.#limits;
    if (this.#received > limitBytes) return tooLarge(this.#received, limitBytes);
    if (this.#received <= smallBodyBytes) return null;
    if (this.#hold === null) {
      this.#hold = new BodyHold(budget, this.#response);
      this.#response.once('close', () => this.#abandon());
    }
    return this.#hold.grow(this.#received);
  }

  #end(): void {
    if (this.#isOver) return;
    if (this.#gathered === null) this.#finish(null, empty);
    else this.#gathered.take((body) => this.#finish(null, body));
  }

  /** The client disconnected, or the response was sent without the body. */
  #abandon(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#gathered?.drop();
  }

  #finish(error: PlatformError | null, body: Buffer): void {
    if (this.#isOver) return;
    this.#isOver = true;
    if (error !== null) this.#request.pause();
    this.#done(error, body);
  }
}

function ignore(): void {}

function readEncoded(request: IncomingMessage, response: ServerResponse, encoding: string, limits: BodyLimits, done: BodyRead): void {
  if (encoding !== 'gzip' && encoding !== 'deflate') {
    const message = `content-encoding '${encoding.slice(0, 40)}' is not supported, expected gzip, deflate or identity`;
    done(new PlatformError('unsupported', message), empty);
    return;
  }
  readRawBodyInto(request, response, limits, (error, body) => {
    if (error === null) unpack(body, encoding, response, limits, done);
    else done(error, empty);
  });
}

/**
 * A body may always decompress to this size; beyond it, only to a multiple of its compressed size. Numbers as text compress to about
 * a tenth.
 */
const unpackedBytesAlways = 2 ** 20;
const unpackedTimesMax = 100;
/** Large bodies are decompressed in pieces of this size, one per turn of the event loop. */
const pieceBytes = 256 * 1024;

/** Counts bytes while decompressing: a few kilobytes may decompress to gigabytes. */
function unpack(body: Buffer, encoding: 'gzip' | 'deflate', response: ServerResponse, limits: BodyLimits, done: BodyRead): void {
  const { budget } = limits;
  const ratioBytes = Math.max(unpackedBytesAlways, unpackedTimesMax * body.length);
  const limitBytes = Math.min(limits.limitBytes, ratioBytes);
  const options = body.length > smallBodyBytes ? { chunkSize: pieceBytes } : {};
  const unpacking = encoding === 'gzip' ? createGunzip(options) : createInflate(options);
  const hold = new BodyHold(budget, response);
  const gathered = new GrowingBuffer(limitBytes);
  let bytes = 0;
  const fail = (error: PlatformError): void => {
    unpacking.destroy();
    gathered.drop();
    done(error, empty);
  };
  unpacking.on('data', (piece: Buffer) => {
    if (unpacking.destroyed) return;
    bytes += piece.length;
    const refusal = bytes > limitBytes ? tooLargeUnpacked(limitBytes, limits.limitBytes) : hold.grow(bytes);
    if (refusal === null) gathered.add(piece);
    else fail(refusal);
  });
  unpacking.on('end', () => {
    unpacking.destroy();
    gathered.take((body) => done(null, body));
  });
  unpacking.on('error', (cause: Error) => {
    fail(new PlatformError('invalid_request', `the body is not valid ${encoding}: ${cause.message}`, { cause }));
  });
  response.once('close', () => {
    unpacking.destroy();
    gathered.drop();
  });
  unpacking.end(body);
}

function tooLargeUnpacked(limitBytes: number, bodyLimitBytes: number): PlatformError {
  if (limitBytes === bodyLimitBytes) return tooLarge(limitBytes + 1, limitBytes, 'decompressed ');
  const message = `the decompressed body is too large: expected at most ${limitBytes} bytes, got at least ${limitBytes + 1}`;
  return new PlatformError(
    'too_large',
    `${message} (the limit is ${unpackedTimesMax} times the compressed size, or ${unpackedBytesAlways} bytes)`,
    {
      hint: 'send it without content-encoding',
    },
  );
}

function tooLarge(bytes: number, limitBytes: number, kind = ''): PlatformError {
  return new PlatformError('too_large', `the ${kind}body is too large: expected at most ${limitBytes} bytes, got at least ${bytes}`, {
    hint: 'send smaller bodies, or start the server with a higher body limit',
  });
}
