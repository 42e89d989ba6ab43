/**
 * Decodes `aws-chunked` bodies: `hexlen CRLF data CRLF … 0 CRLF trailers CRLF`. If chunks are signed, `;chunk-signature=…` follows each
 * length. Input may be split at any byte; the state retained between pieces is bounded.
 */
import { AwsError } from '../../service.ts';
import type { ChunkSignatures } from './chunk-signatures.ts';

/** Limit for a line with a chunk's length and signature. */
const sizeLineMax = 128;
const sizeLine = /^([0-9a-fA-F]{1,12})(?:;chunk-signature=([0-9a-f]{64}))?$/;
const trailerSignature = 'x-amz-trailer-signature';
const trailersBytesMax = 4096;

const CR = 0x0d;
const LF = 0x0a;

type State = 'size' | 'data' | 'data-end' | 'trailers' | 'done';

/** Decodes one body. It throws as soon as the framing or the signature of a chunk is wrong. */
export class ChunkedDecoder {
  #state: State = 'size';
  /** The line being read. */
  #line = '';
  /** Bytes still to come in the current chunk. */
  #remaining = 0;
  #trailersBytes = 0;
  readonly #trailers = new Map<string, string>();
  readonly #signatures: ChunkSignatures | null;

  /** `signatures` is null if the chunks are unsigned. */
  constructor(signatures: ChunkSignatures | null = null) {
    this.#signatures = signatures;
  }

  /** Passes the decoded data to `take`, in order and without copying. Throws `AwsError` if the framing is broken. */
  push(bytes: Buffer, take: (data: Buffer) => void): void {
    let at = 0;
    while (at < bytes.length) {
      if (this.#state === 'data') {
        const data = bytes.subarray(at, Math.min(bytes.length, at + this.#remaining));
        at += data.length;
        this.#remaining -= data.length;
        this.#signatures?.update(data);
        if (this.#remaining === 0) this.#endData();
        take(data);
        continue;
      }
      if (this.#state === 'done') throw new AwsError('InvalidRequest', 'unexpected data after the end of the aws-chunked body');
      at = this.#readLine(bytes, at);
    }
  }

  /**
   * Call after the last byte was pushed. Returns the trailers by lower-case name. Throws `AwsError` IncompleteBody, or `SignatureError` if
   * signed trailers were changed.
   */
  end(): ReadonlyMap<string, string> {
    if (this.#state !== 'done') throw new AwsError('IncompleteBody', 'the aws-chunked body ended before its last chunk and its trailers');
    if (this.#signatures !== null && this.#trailers.size > 0) {
      const signature = this.#trailers.get(trailerSignature) ?? '';
      this.#trailers.delete(trailerSignature);
      this.#signatures.endTrailers(this.#trailers, signature);
    }
    return this.#trailers;
  }

  #endData(): void {
    this.#state = 'data-end';
    this.#signatures?.end();
  }

  /** Consumes bytes up to the end of the line, or all of them. Returns the offset of the next byte. */
  #readLine(bytes: Buffer, from: number): number {
    const lf = bytes.indexOf(LF, from);
    const end = lf === -1 ? bytes.length : lf + 1;
    const max = this.#state === 'trailers' ? trailersBytesMax : sizeLineMax;
    if (this.#line.length + end - from > max) throw this.#broken(`a line is longer than ${max} bytes`);
    this.#line += bytes.toString('latin1', from, end);
    if (lf === -1) return end;
    const line = this.#line;
    this.#line = '';
    if (line.charCodeAt(line.length - 2) !== CR) throw this.#broken('a line does not end with CR LF');
    this.#consume(line.slice(0, -2));
    return end;
  }

  #consume(line: string): void {
    if (this.#state === 'size') {
      this.#readSize(line);
    } else if (this.#state === 'data-end') {
      if (line !== '') throw this.#broken('a chunk is longer than its declared length');
      this.#state = 'size';
    } else if (line === '') {
      this.#state = 'done';
    } else {
      this.#readTrailer(line);
    }
  }

  #readSize(line: string): void {
    const [, hex, signature] = sizeLine.exec(line) ?? [];
    if (hex === undefined || (signature !== undefined) !== (this.#signatures !== null)) {
      const wanted = this.#signatures === null ? 'a chunk length' : 'a chunk length with its signature';
      throw this.#broken(`expected ${wanted}, got '${line.slice(0, 20)}'`);
    }
    this.#remaining = Number.parseInt(hex, 16);
    if (signature !== undefined) this.#signatures?.begin(signature);
    this.#state = this.#remaining === 0 ? 'trailers' : 'data';
    if (this.#remaining === 0) this.#signatures?.end();
  }

  #readTrailer(line: string): void {
    this.#trailersBytes += line.length;
    const colon = line.indexOf(':');
    const name = line.slice(0, colon).toLowerCase();
    if (this.#trailersBytes > trailersBytesMax || colon < 1 || !/^[a-z0-9-]+$/.test(name) || this.#trailers.has(name)) {
      throw new AwsError('MalformedTrailerError', `the trailer '${line.slice(0, 100)}' is malformed or duplicated`);
    }
    this.#trailers.set(name, line.slice(colon + 1).trim());
  }

  #broken(what: string): AwsError {
    return new AwsError('InvalidRequest', `malformed aws-chunked body: ${what}`);
  }
}
