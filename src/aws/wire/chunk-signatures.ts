/**
 * The chain of signatures in an aws-chunked body whose chunks are signed: each covers its chunk and the one before, the
 * first that of the request, so no chunk can be changed, dropped or moved. SDKs in Java and Go send such bodies over http.
 */
import { createHash, createHmac, type Hash, type KeyObject, timingSafeEqual } from 'node:crypto';
import { mismatch, sha256Hex } from './signature-v4.ts';

export interface ChunkSeed {
  /** That of the request's scope. */
  readonly key: KeyObject;
  /** `20130524T000000Z` */
  readonly date: string;
  /** `20130524/us-east-1/s3/aws4_request` */
  readonly scope: string;
  /** Of the request. */
  readonly signature: string;
}

const emptyHash = sha256Hex('');

export class ChunkSignatures {
  readonly #seed: ChunkSeed;
  #last: string;
  /** Of the chunk that is being read. */
  #hash: Hash = createHash('sha256');
  #claimed = '';

  constructor(seed: ChunkSeed) {
    this.#seed = seed;
    this.#last = seed.signature;
  }

  /** `signature`: what stands beside the length of the chunk that comes now. */
  begin(signature: string): void {
    this.#claimed = signature;
    this.#hash = createHash('sha256');
  }

  update(data: Uint8Array): void {
    this.#hash.update(data);
  }

  /** Throws `SignatureRefusal` unless the chunk is the one that was signed. */
  end(): void {
    this.#check('AWS4-HMAC-SHA256-PAYLOAD', `${emptyHash}\n${this.#hash.digest('hex')}`, this.#claimed);
  }

  /** `trailers` in the order they came. */
  endTrailers(trailers: ReadonlyMap<string, string>, signature: string): void {
    const lines = Array.from(trailers, ([name, value]) => `${name}:${value}\n`).join('');
    this.#check('AWS4-HMAC-SHA256-TRAILER', sha256Hex(lines), signature);
  }

  #check(algorithm: string, rest: string, claimed: string): void {
    const { key, date, scope } = this.#seed;
    const toSign = `${algorithm}\n${date}\n${scope}\n${this.#last}\n${rest}`;
    const expected = createHmac('sha256', key).update(toSign).digest();
    const given = Buffer.from(claimed, 'hex');
    if (given.length !== expected.length || !timingSafeEqual(expected, given)) throw mismatch();
    this.#last = claimed;
  }
}
