/** The hash of the data of a channel. */
import { createHash, hash } from 'node:crypto';
import { type Threads, threadTask } from '../../threads/index.ts';

const digestBytes = 32;
/** Sorting this many takes about a millisecond. */
const inPlaceMax = 1024;
const work = { name: 'hashing the data of a channel', hint: 'Use fewer objects' };

/**
 * Identifies objects by their names and contents, whatever their order: the sha256 of the sorted sha256s of its lines. Lines are hashed when
 * they are added, so 200,000 objects with long keys are a few megabytes, and comparing two is cheap.
 */
export class DataHash {
  readonly #digests: Buffer;
  #bytes = 0;

  constructor(objectsMax: number) {
    this.#digests = Buffer.allocUnsafeSlow(objectsMax * digestBytes);
  }

  /** A key has no NUL, and a sha256 has a fixed length: no two objects have one line. */
  add(key: string, sha256: string): void {
    this.#bytes += hash('sha256', `${key}\0${sha256}\n`, 'buffer').copy(this.#digests, this.#bytes);
  }

  /** Many digests are sorted in a thread; nothing can be added afterwards. */
  async sha256(threads: Threads): Promise<string> {
    const digests = this.#digests.subarray(0, this.#bytes);
    if (digests.length <= inPlaceMax * digestBytes) return sortedSha256(digests);
    return threads.run(sortedSha256Task, digests, { bytes: digests.length, moved: [digests], work, lane: 'background' });
  }
}

/** Public for the thread. */
export const sortedSha256Task = threadTask(import.meta.url, 'sortedSha256Task', sortedSha256);

function sortedSha256(digests: Uint8Array): string {
  const each = Array.from({ length: digests.length / digestBytes }, (_, at) => digests.subarray(at * digestBytes, (at + 1) * digestBytes));
  const sorted = createHash('sha256');
  for (const digest of each.sort((a, b) => Buffer.compare(a, b))) sorted.update(digest);
  return sorted.digest('hex');
}
