/**
 * The files of the model versions, shared by all versions of the same bytes.
 *
 * A file is kept while a version in the database or a registration under way needs it. Between the last look at the
 * database and the removal nobody may store the same bytes again; so removals wait until no file is being written, and
 * writing waits for removals.
 */
import assert from 'node:assert/strict';
import { messageOf } from '../errors.ts';
import type { Log } from '../monitoring/index.ts';
import type { FileObjectStore } from '../storage/index.ts';

export interface StoredFile {
  readonly sha256: string;
  readonly bytes: number;
}

export class Artifacts {
  readonly #objects: FileObjectStore;
  readonly #isReferenced: (sha256: string) => Promise<boolean>;
  readonly #log: Log;
  /** By sha256: how many registrations under way need it. */
  readonly #held = new Map<string, number>();
  readonly #candidates = new Set<string>();
  #writing = 0;
  #removal: Promise<void> | null = null;

  constructor(objects: FileObjectStore, isReferenced: (sha256: string) => Promise<boolean>, log: Log) {
    this.#objects = objects;
    this.#isReferenced = isReferenced;
    this.#log = log;
  }

  /** Streams a file to disk and holds it until `release`. Throws `too_large`. */
  async store(source: AsyncIterable<Uint8Array> | Uint8Array, limitBytes: number): Promise<StoredFile> {
    while (this.#removal !== null) await this.#removal;
    this.#writing++;
    try {
      const stored = await this.#objects.put(source, limitBytes);
      this.#held.set(stored.sha256, (this.#held.get(stored.sha256) ?? 0) + 1);
      return stored;
    } finally {
      this.#writing--;
      await this.#removeCandidates();
    }
  }

  /** The registration is over: the file goes unless a version has it. */
  async release(sha256: string): Promise<void> {
    const holders = this.#held.get(sha256) ?? 0;
    assert(holders > 0, `artifact ${sha256} is released more often than stored`);
    if (holders > 1) this.#held.set(sha256, holders - 1);
    else this.#held.delete(sha256);
    await this.discard(sha256);
  }

  /** Removes the file once nobody needs it. */
  async discard(sha256: string): Promise<void> {
    this.#candidates.add(sha256);
    await this.#removeCandidates();
  }

  /** At start, before anything is stored: removes the files of registrations that a killed process did not finish. */
  async sweep(): Promise<void> {
    await this.#objects.sweepTemporary();
    for await (const sha256 of this.#objects.list()) this.#candidates.add(sha256);
    await this.#removeCandidates();
  }

  /** A path for a file on its way to `store`. */
  async temporaryPath(): Promise<string> {
    return this.#objects.temporaryPath();
  }

  localPath(sha256: string): string {
    return this.#objects.localPath(sha256);
  }

  async #removeCandidates(): Promise<void> {
    while (this.#removal !== null) await this.#removal;
    if (this.#writing > 0 || this.#candidates.size === 0) return;
    this.#removal = this.#removeUnneeded().finally(() => {
      this.#removal = null;
    });
    await this.#removal;
  }

  /** A file that cannot be removed now costs room, nothing else: it must not fail whoever happens to wait here. */
  async #removeUnneeded(): Promise<void> {
    for (const sha256 of this.#candidates) {
      this.#candidates.delete(sha256);
      try {
        if (!this.#held.has(sha256) && !(await this.#isReferenced(sha256))) await this.#objects.remove(sha256);
      } catch (error) {
        this.#log.warn({ sha256, error: messageOf(error) }, 'an artifact that no version needs could not be removed');
      }
    }
  }
}
