/**
 * Reads a request's body, up to a limit. The callback form costs next to nothing where the whole body comes in one
 * piece, as those of inference requests do: no copy, no promise, no wait for the end event.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { createGunzip, createInflate } from 'node:zlib';
import { PlatformError } from '../errors.ts';
import { giveBack } from '../spent-bytes.ts';
import { BodyHold, type BodyLimits, smallBodyBytes } from './body-budget.ts';

/** Called once, with an error or the body. Not called at all if the client goes away before its request is complete. */
export type BodyRead = (error: PlatformError | null, body: Buffer) => void;

const empty = Buffer.alloc(0);

/** Memory is held for at most so many times what has come. */
const announcedTimesMax = 4;

/** Chunks that are smaller on average are joined: each takes some five hundred bytes besides its own. */
const tinyChunkBytes = 4096;
/** So many of them are kept as they came. */
const tinyChunksMax = 32;

/**
 * `content-encoding` gzip and deflate are undone; the limits hold before and after. What it takes of the budget is given back once the
 * response is sent or its client is gone. Errors: `too_large` as soon as it is known (the rest of the body is left unread), `unavailable`
 * where bodies take too much together, `unsupported` for another encoding, `invalid_request` for broken data.
 */
export function readBodyInto(request: IncomingMessage, response: ServerResponse, limits: BodyLimits, done: BodyRead): void {
  const encoding = request.headers['content-encoding'];
  if (encoding === undefined || encoding === 'identity') readRawBodyInto(request, response, limits, done);
  else readEncoded(request, response, encoding.toLowerCase(), limits, done);
}

/** Whether a body is on its way that may be refused while it comes: of others it need not be known when their head came. */
export function comesInPieces({ headers }: IncomingMessage): boolean {
  const { 'content-length': declared, 'transfer-encoding': chunked } = headers;
  return declared === undefined ? chunked !== undefined : Number(declared) > smallBodyBytes;
}

/** The body as it came, `content-encoding` left alone: for those who verify the very bytes. */
export function readRawBodyInto(request: IncomingMessage, response: ServerResponse, limits: BodyLimits, done: BodyRead): void {
  const { 'content-length': declared, 'transfer-encoding': chunked } = request.headers;
  const length = declared === undefined ? (chunked === undefined ? 0 : null) : Number(declared);
  if (length !== null && length > limits.limitBytes) done(tooLarge(length, limits.limitBytes), empty);
  else new BodyCollector(request, response, length, limits, done);
}

/** `readBodyInto` for those who can wait. Rejects also when the client goes away. */
export function readBody(request: IncomingMessage, response: ServerResponse, limits: BodyLimits): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    response.once('close', () => reject(new PlatformError('invalid_request', 'the client went away before its request was complete')));
    readBodyInto(request, response, limits, (error, body) => (error === null ? resolve(body) : reject(error)));
  });
}

class BodyCollector {
  readonly #request: IncomingMessage;
  readonly #response: ServerResponse;
  /** The length that was declared; null for a chunked body. */
  readonly #length: number | null;
  readonly #limits: BodyLimits;
  readonly #done: BodyRead;
  /** Null as long as the body is small. */
  #hold: BodyHold | null = null;
  /** Of the full length, where it is known and the body comes in pieces. */
  #whole: Buffer | null = null;
  /** The chunk that was copied last: given back when the next one comes, for Node may still read it when it hands it out. */
  #copied: Buffer | null = null;
  #chunks: Buffer[] = [];
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
    request.on('error', ignore);
    request.on('data', (chunk: Buffer) => this.#add(chunk));
    if (length === null) request.on('end', () => this.#end());
  }

  #add(chunk: Buffer): void {
    if (this.#isOver) return;
    const before = this.#received;
    this.#received += chunk.length;
    const refusal = this.#refusal();
    if (refusal !== null) {
      this.#drop();
      this.#finish(refusal, empty);
    } else if (this.#length === null) {
      this.#keep(chunk);
    } else if (chunk.length === this.#length) {
      this.#finish(null, chunk);
    } else {
      this.#gather(chunk, before, this.#length);
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

  /** A length that was announced costs nothing until a part of it is there: who announces much and sends little would have memory held for all of it. */
  #gather(chunk: Buffer, at: number, length: number): void {
    if (this.#whole === null) {
      this.#keep(chunk);
      if (this.#received * announcedTimesMax < length) return;
      this.#whole = this.#joined(length);
    } else this.#copy(chunk, at, this.#whole);
    if (this.#received === length) this.#finish(null, this.#whole);
  }

  #keep(chunk: Buffer): void {
    this.#chunks.push(chunk);
    const count = this.#chunks.length;
    if (count >= tinyChunksMax && this.#received < count * tinyChunkBytes) this.#chunks.push(this.#joined(this.#received));
  }

  /** The chunks that were kept, at the beginning of so much memory. */
  #joined(bytes: number): Buffer {
    const whole = Buffer.allocUnsafeSlow(bytes);
    let end = 0;
    for (const chunk of this.#chunks.splice(0)) end += this.#copy(chunk, end, whole);
    return whole;
  }

  #copy(chunk: Buffer, at: number, whole: Buffer): number {
    const bytes = chunk.copy(whole, at);
    if (this.#copied !== null) giveBack(this.#copied);
    this.#copied = chunk;
    return bytes;
  }

  #end(): void {
    if (!this.#isOver) this.#finish(null, this.#joined(this.#received));
  }

  /** Its client is gone, or was answered without it. */
  #abandon(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#drop();
  }

  /** Nobody else has seen any of it, and Node is past what it handed out before. */
  #drop(): void {
    for (const chunk of this.#chunks.splice(0)) giveBack(chunk);
    if (this.#whole !== null) giveBack(this.#whole);
    this.#whole = null;
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

/** Counted as it comes out: a few kilobytes may be packed gigabytes. */
function unpack(body: Buffer, encoding: 'gzip' | 'deflate', response: ServerResponse, limits: BodyLimits, done: BodyRead): void {
  const { limitBytes, budget } = limits;
  const unpacking = encoding === 'gzip' ? createGunzip() : createInflate();
  const hold = new BodyHold(budget, response);
  const pieces: Buffer[] = [];
  let bytes = 0;
  const finish = (error: PlatformError | null, whole = empty): void => {
    unpacking.destroy();
    done(error, whole);
  };
  unpacking.on('data', (piece: Buffer) => {
    if (unpacking.destroyed) return;
    bytes += piece.length;
    const refusal = bytes > limitBytes ? tooLarge(limitBytes + 1, limitBytes, 'decompressed ') : hold.grow(bytes);
    if (refusal === null) pieces.push(piece);
    else finish(refusal);
  });
  unpacking.on('end', () => finish(null, Buffer.concat(pieces, bytes)));
  unpacking.on('error', (cause: Error) => {
    finish(new PlatformError('invalid_request', `the body is not valid ${encoding}: ${cause.message}`, { cause }));
  });
  response.once('close', () => unpacking.destroy());
  unpacking.end(body);
}

function tooLarge(bytes: number, limitBytes: number, kind = ''): PlatformError {
  return new PlatformError('too_large', `the ${kind}body has at least ${bytes} bytes, at most ${limitBytes} are accepted`, {
    hint: 'send less at once, or start the server with a higher body limit',
  });
}
