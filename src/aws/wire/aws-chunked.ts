/**
 * Undoes the framing of `aws-chunked` bodies: `hexlen CRLF data CRLF … 0 CRLF trailers CRLF`; where chunks are signed,
 * `;chunk-signature=…` stands behind each length. Bytes may come cut anywhere; what is kept between two pieces is bounded.
 */
import { AwsError } from '../service.ts';
import type { ChunkSignatures } from './chunk-signatures.ts';

/** Of the line that tells a chunk's length, with its signature. */
const sizeLineMax = 128;
const sizeLine = /^([0-9a-fA-F]{1,12})(?:;chunk-signature=([0-9a-f]{64}))?$/;
const trailerSignature = 'x-amz-trailer-signature';
const trailersBytesMax = 4096;

const CR = 0x0d;
const LF = 0x0a;

type State = 'size' | 'data' | 'data-end' | 'trailers' | 'done';

export class ChunkedDecoder {
  #state: State = 'size';
  /** Of the line that is being read. */
  #line = '';
  /** Of the chunk that is being read. */
  #left = 0;
  #trailersBytes = 0;
  readonly #trailers = new Map<string, string>();
  readonly #signatures: ChunkSignatures | null;

  /** `signatures` where the chunks are signed. */
  constructor(signatures: ChunkSignatures | null = null) {
    this.#signatures = signatures;
  }

  /** Hands the data in it to `take`, in order, without copying. Throws `AwsError` where the framing is broken. */
  push(bytes: Buffer, take: (data: Buffer) => void): void {
    let at = 0;
    while (at < bytes.length) {
      if (this.#state === 'data') {
        const data = bytes.subarray(at, Math.min(bytes.length, at + this.#left));
        at += data.length;
        this.#left -= data.length;
        this.#signatures?.update(data);
        if (this.#left === 0) this.#endData();
        take(data);
        continue;
      }
      if (this.#state === 'done') throw new AwsError('InvalidRequest', 'the aws-chunked body goes on after its end');
      at = this.#readLine(bytes, at);
    }
  }

  /**
   * The trailers by lower-case name, once all bytes were pushed. Throws `AwsError` IncompleteBody; `SignatureRefusal`
   * where signed trailers were changed.
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

  /** Takes bytes up to the end of the line, or all; answers where to go on. */
  #readLine(bytes: Buffer, from: number): number {
    const lf = bytes.indexOf(LF, from);
    const end = lf === -1 ? bytes.length : lf + 1;
    const max = this.#state === 'trailers' ? trailersBytesMax : sizeLineMax;
    if (this.#line.length + end - from > max) throw this.#broken(`a line of more than ${max} bytes`);
    this.#line += bytes.toString('latin1', from, end);
    if (lf === -1) return end;
    const line = this.#line;
    this.#line = '';
    if (line.charCodeAt(line.length - 2) !== CR) throw this.#broken('a line that does not end with CR LF');
    this.#take(line.slice(0, -2));
    return end;
  }

  #take(line: string): void {
    if (this.#state === 'size') {
      this.#takeSize(line);
    } else if (this.#state === 'data-end') {
      if (line !== '') throw this.#broken('a chunk longer than its length');
      this.#state = 'size';
    } else if (line === '') {
      this.#state = 'done';
    } else {
      this.#takeTrailer(line);
    }
  }

  #takeSize(line: string): void {
    const [, hex, signature] = sizeLine.exec(line) ?? [];
    if (hex === undefined || (signature !== undefined) !== (this.#signatures !== null)) {
      const wanted = this.#signatures === null ? 'the length of a chunk' : 'the length of a chunk and its signature';
      throw this.#broken(`'${line.slice(0, 20)}' where ${wanted} belongs`);
    }
    this.#left = Number.parseInt(hex, 16);
    if (signature !== undefined) this.#signatures?.begin(signature);
    this.#state = this.#left === 0 ? 'trailers' : 'data';
    if (this.#left === 0) this.#signatures?.end();
  }

  #takeTrailer(line: string): void {
    this.#trailersBytes += line.length;
    const colon = line.indexOf(':');
    const name = line.slice(0, colon).toLowerCase();
    if (this.#trailersBytes > trailersBytesMax || colon < 1 || !/^[a-z0-9-]+$/.test(name) || this.#trailers.has(name)) {
      throw new AwsError('MalformedTrailerError', `the trailer '${line.slice(0, 100)}' is not well-formed, or comes twice`);
    }
    this.#trailers.set(name, line.slice(colon + 1).trim());
  }

  #broken(what: string): AwsError {
    return new AwsError('InvalidRequest', `the aws-chunked body is broken: ${what}`);
  }
}
