/**
 * SHA-256 of each range of an object. A host checks by them what other hosts send, range by range: so a wrong one is known before it is used or
 * passed on, and with it the host that sent it. The SHA-256 of the whole object is checked as ever.
 */
import { ConcurrencyLimiter } from '../providers/index.ts';
import { rangeBytes, readFileRange } from './link/object-ranges.ts';
import { digestsMax } from './link/peer-messages.ts';

/** Answers that are cached, of 64 ranges each: some 20 MiB. */
const blocksMax = 4096;
/** Files that are read at once. */
const readsMax = 2;

/** Hexadecimal. Computed in a thread of the runtime. */
export async function rangeDigest(bytes: Uint8Array): Promise<string> {
  return Buffer.from(await crypto.subtle.digest('SHA-256', bytes as Uint8Array<ArrayBuffer>)).toString('hex');
}

export class RangeDigests {
  /** The block that was used longest ago is the first. */
  readonly #blocks = new Map<string, Promise<readonly string[]>>();
  readonly #reads = new ConcurrencyLimiter(readsMax);

  /** Of the ranges from the one at `start` to the end of its block of 64. `path`: of the object. Rejects as reading the file does. */
  async of(sha256: string, path: string, start: number): Promise<readonly string[]> {
    const index = Math.floor(start / rangeBytes);
    const block = Math.floor(index / digestsMax);
    return (await this.#block(`${sha256} ${block}`, path, block)).slice(index % digestsMax);
  }

  #block(key: string, path: string, block: number): Promise<readonly string[]> {
    const known = this.#blocks.get(key) ?? this.#compute(path, block);
    this.#blocks.delete(key);
    this.#blocks.set(key, known);
    known.catch(() => this.#blocks.delete(key));
    const [oldest] = this.#blocks.keys();
    if (this.#blocks.size > blocksMax && oldest !== undefined) this.#blocks.delete(oldest);
    return known;
  }

  async #compute(path: string, block: number): Promise<readonly string[]> {
    const leave = await this.#reads.enter();
    try {
      const digests: string[] = [];
      for (let at = block * digestsMax * rangeBytes; digests.length < digestsMax; at += rangeBytes) {
        const { size, bytes } = await readFileRange(path, at);
        digests.push(await rangeDigest(bytes));
        if (at + rangeBytes >= size) break;
      }
      return digests;
    } finally {
      leave();
    }
  }
}
