/** Verifies a body against its signed headers: hash, checksums, length, trailers. */
import { createHash, type Hash } from 'node:crypto';
import type { IncomingHttpHeaders } from 'node:http';
import { AwsError } from '../../service.ts';
import { ChunkedDecoder } from './aws-chunked.ts';
import { type Checksum, checksumOf } from './checksums.ts';
import { type ChunkSeed, ChunkSignatures } from './chunk-signatures.ts';
import { SignatureError } from './signature-error.ts';

/** Stands for the hash of a body that the signature does not cover. */
export const unsignedPayload = 'UNSIGNED-PAYLOAD';
/** Payload types that use aws-chunked framing. */
const streams = ['STREAMING-UNSIGNED-PAYLOAD-TRAILER', 'STREAMING-AWS4-HMAC-SHA256-PAYLOAD', 'STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER'];

const trailersMax = 8;

/** `payload` is the value of `x-amz-content-sha256`. */
export interface DeclaredBody {
  readonly payload: string;
  /** Null if the chunks are unsigned. */
  readonly signatures: ChunkSignatures | null;
  /** Null if the client did not declare it. */
  readonly decodedLength: number | null;
  readonly trailers: readonly string[];
  /** Checksum values by header, without those sent as trailers. */
  readonly checksums: ReadonlyArray<readonly [header: string, value: string]>;
}

const nothing: DeclaredBody['checksums'] = [];

/** Throws `AwsError` if a declaration is invalid. */
export function declaredBodyOf(
  headers: IncomingHttpHeaders,
  payload: string,
  { hasChecksums, seed }: { readonly hasChecksums: boolean; readonly seed?: ChunkSeed },
): DeclaredBody {
  const isChunked = isStream(payload);
  const decoded = headers['x-amz-decoded-content-length'];
  if (decoded !== undefined && !(typeof decoded === 'string' && /^\d{1,15}$/.test(decoded))) {
    throw new AwsError('InvalidArgument', `x-amz-decoded-content-length must be a number of bytes, got '${String(decoded).slice(0, 40)}'`);
  }
  return {
    payload,
    signatures: seed !== undefined && payload.startsWith('STREAMING-AWS4-') ? new ChunkSignatures(seed) : null,
    decodedLength: isChunked && decoded !== undefined ? Number(decoded) : null,
    trailers: isChunked ? trailersOf(headers['x-amz-trailer']) : [],
    checksums: hasChecksums ? checksumsOf(headers) : nothing,
  };
}

function trailersOf(header: string | string[] | undefined): string[] {
  if (header === undefined) return [];
  const names = String(header)
    .split(',')
    .map((name) => name.trim().toLowerCase());
  if (names.length > trailersMax || new Set(names).size !== names.length || names.some((name) => !/^[a-z0-9-]+$/.test(name))) {
    throw new AwsError('InvalidRequest', `x-amz-trailer must name at most ${trailersMax} trailers without duplicates`);
  }
  return names;
}

function checksumsOf(headers: IncomingHttpHeaders): Array<readonly [string, string]> {
  const found: Array<readonly [string, string]> = [];
  for (const name in headers) {
    if (!name.startsWith('x-amz-checksum-') && name !== 'content-md5') continue;
    if (name === 'x-amz-checksum-mode' || name === 'x-amz-checksum-algorithm' || name === 'x-amz-checksum-type') continue;
    found.push([name, String(headers[name])]);
  }
  return found;
}

/** Consumes a body piece by piece, yields its decoded content, and verifies all declarations at the end. */
export class BodyCheck {
  readonly #promises: DeclaredBody;
  readonly #decoder: ChunkedDecoder | null;
  readonly #hash: Hash | null;
  /** Keyed by the header or trailer that holds the expected value. */
  readonly #checksums = new Map<string, Checksum>();
  #decodedLength = 0;

  constructor(promises: DeclaredBody) {
    this.#promises = promises;
    const { payload, trailers, checksums } = promises;
    this.#decoder = isStream(payload) ? new ChunkedDecoder(promises.signatures) : null;
    this.#hash = isHash(payload) ? createHash('sha256') : null;
    for (const name of [...checksums.map(([header]) => header), ...trailers]) {
      const checksum = checksumOf(name);
      if (checksum !== null) this.#checksums.set(name, checksum);
    }
  }

  update(bytes: Buffer, take: (data: Buffer) => void): void {
    this.#hash?.update(bytes);
    if (this.#decoder === null) this.#pass(bytes, take);
    else this.#decoder.push(bytes, (data) => this.#pass(data, take));
  }

  #pass(data: Buffer, take: (data: Buffer) => void): void {
    this.#decodedLength += data.length;
    const { decodedLength } = this.#promises;
    if (decodedLength !== null && this.#decodedLength > decodedLength) throw wrongLength(decodedLength, 'more');
    for (const checksum of this.#checksums.values()) checksum.update(data);
    take(data);
  }

  /** Returns the checksum trailers. Throws `SignatureError` or `AwsError`. */
  end(): Record<string, string> {
    const { payload, decodedLength, trailers: names, checksums } = this.#promises;
    const trailers = this.#decoder?.end() ?? new Map<string, string>();
    if (trailers.size !== names.length || !names.every((name) => trailers.has(name))) {
      const sent = [...trailers.keys()].join(', ') || 'none';
      throw new AwsError('MalformedTrailerError', `x-amz-trailer announced ${names.join(', ') || 'none'}, but the body contained ${sent}`);
    }
    if (this.#hash !== null && this.#hash.digest('hex') !== payload) throw payloadMismatch();
    if (decodedLength !== null && this.#decodedLength !== decodedLength) throw wrongLength(decodedLength, `only ${this.#decodedLength}`);
    for (const [name, value] of [...checksums, ...trailers]) {
      if (!this.#checksums.has(name)) continue;
      if (this.#checksums.get(name)?.digest().toString('base64') !== value) {
        const what = name === 'content-md5' ? 'Content-MD5' : name.replace('x-amz-checksum-', '').toUpperCase();
        throw new AwsError('BadDigest', `The ${what} you specified did not match the calculated checksum.`);
      }
    }
    return Object.fromEntries([...trailers].filter(([name]) => name.startsWith('x-amz-checksum-')));
  }
}

/** Whether the value of `x-amz-content-sha256` names an aws-chunked body. */
export function isStream(payload: string): boolean {
  return streams.includes(payload);
}

/** Whether the value of `x-amz-content-sha256` is the hash of the body. */
export function isHash(payload: string): boolean {
  return /^[0-9a-f]{64}$/.test(payload);
}

/** The signature was right, so the body changed on the way or the client hashed something else. */
export function payloadMismatch(): SignatureError {
  return new SignatureError(
    'payload-hash-mismatch',
    "The provided 'x-amz-content-sha256' header does not match what was computed: the body is not the one that was signed.",
  );
}

function wrongLength(decodedLength: number, arrived: string): AwsError {
  return new AwsError('IncompleteBody', `x-amz-decoded-content-length announced ${decodedLength} bytes, but ${arrived} arrived`);
}
