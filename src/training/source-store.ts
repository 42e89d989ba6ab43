/** Uploaded source archives: held until a job refers to them, or for a while. */
import type { Readable } from 'node:stream';
import type { Clock } from '../clock.ts';
import { PlatformError } from '../errors.ts';
import type { Registry } from '../registry/index.ts';
import type { ObjectStore } from '../storage/index.ts';
import type { Threads } from '../threads/index.ts';
import { checkSourceTask, sourceBytesMax } from './source-archive.ts';
import type { AddedSource } from './training-job.ts';

/** Where archives are stored and checked. */
export interface SourceStoreDeps {
  readonly clock: Pick<Clock, 'after'>;
  readonly files: Registry['files'];
  readonly objects: Pick<ObjectStore, 'has'>;
  readonly threads: Threads;
}

/** An archive that no job refers to is deleted after this time. */
const heldMs = 15 * 60_000;
const heldMax = 100;
const work = { name: 'reading the source', hint: 'upload less, and data as a channel' };

/** Archives that no job refers to are released after a while, so that abandoned uploads do not fill the disk. */
export class SourceStore {
  readonly #deps: SourceStoreDeps;
  #arriving = 0;
  /** By archive. */
  readonly #releases = new Map<() => Promise<void>, string>();

  constructor(deps: SourceStoreDeps) {
    this.#deps = deps;
  }

  /** Throws `invalid_request`, `unsupported`, `too_large`, `overloaded`. */
  async add(archive: Readable): Promise<AddedSource> {
    if (this.#releases.size + this.#arriving >= heldMax)
      throw new PlatformError('overloaded', `${heldMax} sources wait for their jobs: try again later`);
    this.#arriving++;
    const held = this.#deps.files.hold();
    let isStored = false;
    try {
      const stored = await held.store(archive, sourceBytesMax);
      const files = await this.#check(stored.sha256, null);
      const discard = this.#releaseLater(stored.sha256, () => held.release());
      isStored = true;
      return { ...stored, files, discard };
    } finally {
      this.#arriving--;
      if (!isStored) await held.release();
    }
  }

  /** Throws `not_found` if the archive does not exist, `invalid_request` if it does not have the entry. */
  async checkEntry(sha256: string, entry: string): Promise<void> {
    if (!/^[0-9a-f]{64}$/.test(sha256) || !(await this.#deps.objects.has(sha256)))
      throw new PlatformError('not_found', `there is no source ${sha256.slice(0, 12)}: upload it again`);
    await this.#check(sha256, entry);
  }

  /** A stored job refers to the archive now. */
  async release(sha256: string): Promise<void> {
    await Promise.all([...this.#releases].filter(([, archive]) => archive === sha256).map(([release]) => release()));
  }

  async close(): Promise<void> {
    await Promise.all([...this.#releases.keys()].map((release) => release()));
  }

  async #check(sha256: string, entry: string | null): Promise<number> {
    const input = { path: await this.#deps.files.fetch(sha256), entry };
    return await this.#deps.threads.run(checkSourceTask, input, { bytes: sourceBytesMax, work, lane: 'background' });
  }

  /** Returns a function that releases it now. */
  #releaseLater(sha256: string, release: () => Promise<void>): () => Promise<void> {
    let cancel = (): void => {};
    const run = async (): Promise<void> => {
      cancel();
      if (this.#releases.delete(run)) await release();
    };
    cancel = this.#deps.clock.after(heldMs, () => void run());
    this.#releases.set(run, sha256);
    return run;
  }
}
