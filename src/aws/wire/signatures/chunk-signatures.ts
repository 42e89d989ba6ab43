/**
 * The chain of signatures in an aws-chunked body with signed chunks. Each signature covers its chunk and the previous signature, starting
 * with the request's, so no chunk can be changed, dropped or moved. The SDKs for Java and Go send such bodies over http.
 */
import { createHash, createHmac, type Hash, type KeyObject, timingSafeEqual } from 'node:crypto';
import { mismatch, sha256Hex } from './signature-v4.ts';

export interface ChunkSeed {
  /** The signing key for the request's scope. */
  readonly key: KeyObject;
  /** `20130524T000000Z` */
  readonly date: string;
  /** `20130524/us-east-1/s3/aws4_request` */
  readonly scope: string;
  /** The signature of the request, which starts the chain. */
  readonly signature: string;
}

const emptyHash = sha256Hex('');

export class ChunkSignatures {
  readonly #seed: ChunkSeed;
  #last: string;
  /** Hash of the current chunk. */
  #hash: Hash = createHash('sha256');
  #claimed = '';

  constructor(seed: ChunkSeed) {
    this.#seed = seed;
    this.#last = seed.signature;
  }

  /** `signature` was sent with the length of the chunk that starts here. */
  begin(signature: string): void {
    this.#claimed = signature;
    this.#hash = createHash('sha256');
  }

  update(data: Uint8Array): void {
    this.#hash.update(data);
  }

  /** Throws `SignatureError` unless the chunk matches its signature. */
  end(): void {
    this.#check('AWS4-HMAC-SHA256-PAYLOAD', `${emptyHash}\n${this.#hash.digest('hex')}`, this.#claimed);
  }

  /** `trailers` must be in order of arrival. */
  endTrailers(trailers: ReadonlyMap<string, string>, signature: string): void {
    const lines = Array.from(trailers, ([name, value]) => `${name}:${value}\n`).join('');
    this.#check('AWS4-HMAC-SHA256-TRAILER', sha256Hex(lines), signature);
  }

  #check(algorithm: string, rest: string, claimed: string): void {
    const { key, date, scope } = this.#seed;
    const toSign = `${algorithm}\n${date}\n${scope}\n${this.#last}\n${rest}`;
    const expected = createHmac('sha256', key).update(toSign).digest();
    const input = Buffer.from(claimed, 'hex');
    if (input.length !== expected.length || !timingSafeEqual(expected, input)) throw mismatch();
    this.#last = claimed;
  }
}
