/**
 * Reads a request's body, up to a limit. The callback form costs next to nothing where the whole body comes in one
 * piece, as those of inference requests do: no copy, no promise, no wait for the end event.
 */
import type { IncomingMessage } from 'node:http';
import { gunzip, inflate } from 'node:zlib';
import { PlatformError } from '../errors.ts';
import { giveBack } from '../spent-bytes.ts';

/** Called once, with an error or the body. Not called at all if the client goes away before its request is complete. */
export type BodyRead = (error: PlatformError | null, body: Buffer) => void;

const empty = Buffer.alloc(0);

/** Memory is held for at most so many times what has come. */
const announcedTimesMax = 4;

/**
 * `content-encoding` gzip and deflate are undone; the limit holds before and after. Errors: `too_large` as soon as it is
 * known (the rest of the body is left unread), `unsupported` for another encoding, `invalid_request` for broken data.
 */
export function readBodyInto(request: IncomingMessage, limitBytes: number, done: BodyRead): void {
  const { 'content-length': declared, 'content-encoding': encoding, 'transfer-encoding': chunked } = request.headers;
  const length = declared === undefined ? (chunked === undefined ? 0 : null) : Number(declared);
  if (length !== null && length > limitBytes) done(tooLarge(length, limitBytes), empty);
  else if (encoding === undefined || encoding === 'identity') new BodyCollector(request, length, limitBytes, done);
  else readEncoded(request, encoding.toLowerCase(), length, limitBytes, done);
}

/** The body as it came, `content-encoding` left alone: for those who verify the very bytes. */
export function readRawBodyInto(request: IncomingMessage, limitBytes: number, done: BodyRead): void {
  const { 'content-length': declared, 'transfer-encoding': chunked } = request.headers;
  const length = declared === undefined ? (chunked === undefined ? 0 : null) : Number(declared);
  if (length !== null && length > limitBytes) done(tooLarge(length, limitBytes), empty);
  else new BodyCollector(request, length, limitBytes, done);
}

/** `readBodyInto` for those who can wait. Rejects also when the client goes away. */
export function readBody(request: IncomingMessage, { limitBytes }: { readonly limitBytes: number }): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    request.once('close', () => reject(new PlatformError('invalid_request', 'the client went away before its request was complete')));
    readBodyInto(request, limitBytes, (error, body) => (error === null ? resolve(body) : reject(error)));
  });
}

class BodyCollector {
  readonly #request: IncomingMessage;
  /** The length that was declared; null for a chunked body. */
  readonly #length: number | null;
  readonly #limitBytes: number;
  readonly #done: BodyRead;
  /** Of the full length, where it is known and the body comes in pieces. */
  #whole: Buffer | null = null;
  /** The chunk that was copied last: given back when the next one comes, for Node may still read it when it hands it out. */
  #copied: Buffer | null = null;
  #chunks: Buffer[] = [];
  #received = 0;
  #isOver = false;

  constructor(request: IncomingMessage, length: number | null, limitBytes: number, done: BodyRead) {
    this.#request = request;
    this.#length = length;
    this.#limitBytes = limitBytes;
    this.#done = done;
    if (length === 0) {
      request.resume();
      this.#finish(null, empty);
      return;
    }
    request.on('error', ignore);
    request.on('data', (chunk: Buffer) => this.#add(chunk));
    if (length === null) request.on('end', () => this.#finish(null, Buffer.concat(this.#chunks, this.#received)));
  }

  #add(chunk: Buffer): void {
    if (this.#isOver) return;
    const before = this.#received;
    this.#received += chunk.length;
    if (this.#received > this.#limitBytes) {
      this.#chunks = [];
      this.#finish(tooLarge(this.#received, this.#limitBytes), empty);
    } else if (this.#length === null) {
      this.#chunks.push(chunk);
    } else if (chunk.length === this.#length) {
      this.#finish(null, chunk);
    } else {
      this.#gather(chunk, before, this.#length);
    }
  }

  /** A length that was announced costs nothing until a part of it is there: who announces much and sends little would have memory held for all of it. */
  #gather(chunk: Buffer, at: number, length: number): void {
    if (this.#whole === null) {
      this.#chunks.push(chunk);
      if (this.#received * announcedTimesMax < length) return;
      this.#whole = Buffer.allocUnsafeSlow(length);
      let end = 0;
      for (const earlier of this.#chunks.splice(0)) end += this.#copy(earlier, end, this.#whole);
    } else this.#copy(chunk, at, this.#whole);
    if (this.#received === length) this.#finish(null, this.#whole);
  }

  #copy(chunk: Buffer, at: number, whole: Buffer): number {
    const bytes = chunk.copy(whole, at);
    if (this.#copied !== null) giveBack(this.#copied);
    this.#copied = chunk;
    return bytes;
  }

  #finish(error: PlatformError | null, body: Buffer): void {
    if (this.#isOver) return;
    this.#isOver = true;
    if (error !== null) this.#request.pause();
    this.#done(error, body);
  }
}

function ignore(): void {}

function readEncoded(request: IncomingMessage, encoding: string, length: number | null, limitBytes: number, done: BodyRead): void {
  if (encoding !== 'gzip' && encoding !== 'deflate') {
    const message = `content-encoding '${encoding.slice(0, 40)}' is not supported, expected gzip, deflate or identity`;
    done(new PlatformError('unsupported', message), empty);
    return;
  }
  const decompress = encoding === 'gzip' ? gunzip : inflate;
  new BodyCollector(request, length, limitBytes, (error, body) => {
    if (error !== null) return done(error, empty);
    decompress(body, { maxOutputLength: limitBytes }, (cause: NodeJS.ErrnoException | null, decompressed) => {
      if (cause === null) done(null, decompressed);
      else if (cause.code === 'ERR_BUFFER_TOO_LARGE') done(tooLarge(limitBytes + 1, limitBytes, 'decompressed '), empty);
      else done(new PlatformError('invalid_request', `the body is not valid ${encoding}: ${cause.message}`, { cause }), empty);
    });
  });
}

function tooLarge(bytes: number, limitBytes: number, kind = ''): PlatformError {
  return new PlatformError('too_large', `the ${kind}body has at least ${bytes} bytes, at most ${limitBytes} are accepted`, {
    hint: 'send less at once, or start the server with a higher body limit',
  });
}
