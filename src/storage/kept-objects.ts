/**
 * Objects that rows of the database point to, shared by all rows of the same bytes. An object is kept while a row needs
 * it or somebody holds it: who is about to write such a row, who reads.
 *
 * Between the last look at the database and the removal nobody may begin to need the same bytes. So who wants to hold an
 * object waits for its removal, if one is under way, and who stores one holds it before it takes its place.
 */
import assert from 'node:assert/strict';
import type { FileObjectStore, StoredObject } from './file-object-store.ts';

export interface KeptObjectsOptions {
  readonly objects: FileObjectStore;
  /** Which of these the rows need; asked for at most a few hundred at once. */
  readonly neededOf: (sha256s: readonly string[]) => Promise<ReadonlySet<string>>;
  /** An object could not be removed: it costs room, nothing else, and the next start tries again. */
  readonly onFailure: (sha256: string, error: unknown) => void;
}

const askedAtOnce = 500;

export class KeptObjects {
  readonly #objects: FileObjectStore;
  readonly #neededOf: KeptObjectsOptions['neededOf'];
  readonly #onFailure: KeptObjectsOptions['onFailure'];
  /** By address: how many hold it. */
  readonly #held = new Map<string, number>();
  /** By address: what is being looked up and, if nobody needs it, removed. */
  readonly #removals = new Map<string, Promise<void>>();

  constructor({ objects, neededOf, onFailure }: KeptObjectsOptions) {
    this.#objects = objects;
    this.#neededOf = neededOf;
    this.#onFailure = onFailure;
  }

  /** Streams an object to disk and holds it until `release`. Throws what `FileObjectStore.put` throws; then nothing is held. */
  async store(source: AsyncIterable<Uint8Array> | Uint8Array, limitBytes?: number): Promise<StoredObject> {
    let held: string | null = null;
    try {
      return await this.#objects.put(source, limitBytes, async (sha256) => {
        await this.hold(sha256);
        held = sha256;
      });
    } catch (error) {
      if (held !== null) await this.release(held);
      throw error;
    }
  }

  /**
   * From when this resolves until `release` the object is not removed. Whether it is there at all the caller must then
   * see from a row that needs it.
   */
  async hold(sha256: string): Promise<void> {
    while (this.#removals.has(sha256)) await this.#removals.get(sha256);
    this.#held.set(sha256, (this.#held.get(sha256) ?? 0) + 1);
  }

  /** The last one to let go removes the object, unless a row needs it. Never throws. */
  async release(sha256: string): Promise<void> {
    const holders = this.#held.get(sha256) ?? 0;
    assert(holders > 0, `object ${sha256} is released more often than held`);
    if (holders > 1) {
      this.#held.set(sha256, holders - 1);
      return;
    }
    this.#held.delete(sha256);
    await this.discard(sha256);
  }

  /** A row that needed it is gone: so is the object, unless another one does. Never throws. */
  async discard(sha256: string): Promise<void> {
    // A look that began before the row went may have found it: look again.
    while (this.#removals.has(sha256)) await this.#removals.get(sha256);
    if (this.#held.has(sha256)) return;
    const removal = this.#removeUnneeded(sha256).finally(() => this.#removals.delete(sha256));
    this.#removals.set(sha256, removal);
    await removal;
  }

  /** At start, before anything is stored: removes what a killed process did not finish. */
  async sweep(): Promise<void> {
    await this.#objects.sweepTemporary();
    let batch: string[] = [];
    for await (const sha256 of this.#objects.list()) {
      batch.push(sha256);
      if (batch.length < askedAtOnce) continue;
      await this.#sweepBatch(batch);
      batch = [];
    }
    await this.#sweepBatch(batch);
  }

  /** The bytes from `start` up to `end`, without it, of an object that is held meanwhile. */
  stream(sha256: string, start: number, end: number): AsyncIterable<Buffer> {
    return this.#objects.stream(sha256, start, end);
  }

  /** The file of an object that is held meanwhile. */
  localPath(sha256: string): string {
    return this.#objects.localPath(sha256);
  }

  async #sweepBatch(batch: readonly string[]): Promise<void> {
    if (batch.length === 0) return;
    const needed = await this.#neededOf(batch);
    for (const sha256 of batch) if (!needed.has(sha256)) await this.discard(sha256);
  }

  async #removeUnneeded(sha256: string): Promise<void> {
    try {
      if (!(await this.#neededOf([sha256])).has(sha256)) await this.#objects.remove(sha256);
    } catch (error) {
      this.#onFailure(sha256, error);
    }
  }
}
