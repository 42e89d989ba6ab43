/**
 * Objects referenced by database rows and shared by all rows with the same bytes. An object remains while a row references it or a
 * caller holds it. Callers hold an object before they write such a row and while they read.
 *
 * No reference may appear between the last database lookup and the removal of an object. Therefore `hold` waits for a removal in progress,
 * and `store` holds the object before it becomes visible.
 */
import assert from 'node:assert/strict';
import type { ObjectStore, StoredObject } from './object-store.ts';
import { type SweepOptions, sweepObjects } from './sweep.ts';

/** How references are looked up. Rows are the truth; holders in memory only bridge the time until a row exists. */
export interface RetainedObjectsOptions {
  readonly objects: ObjectStore;
  /** Returns the addresses that rows reference. Called with at most a few hundred addresses. */
  readonly neededOf: (sha256s: readonly string[]) => Promise<ReadonlySet<string>>;
  /** Called if an object could not be removed. It wastes space until the next start tries again. */
  readonly onFailure: (sha256: string, error: unknown) => void;
}

export class RetainedObjects {
  readonly #objects: ObjectStore;
  readonly #neededOf: RetainedObjectsOptions['neededOf'];
  readonly #onFailure: RetainedObjectsOptions['onFailure'];
  /** Number of holders by address. */
  readonly #held = new Map<string, number>();
  /** Lookups and removals in progress by address. */
  readonly #removals = new Map<string, Promise<void>>();

  constructor({ objects, neededOf, onFailure }: RetainedObjectsOptions) {
    this.#objects = objects;
    this.#neededOf = neededOf;
    this.#onFailure = onFailure;
  }

  /** Streams an object to disk and holds it until `release`. If it throws (as `ObjectStore.put`), nothing is held. */
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
   * Once resolved, the object is not removed until `release`. The caller must then check that a row references it, because it may not
   * exist.
   */
  async hold(sha256: string): Promise<void> {
    while (this.#removals.has(sha256)) await this.#removals.get(sha256);
    this.#held.set(sha256, (this.#held.get(sha256) ?? 0) + 1);
  }

  /**
   * The last release removes the object unless a row references it. With `mayBeNeeded` a row may still appear, see `isOutcomeUnknown`: the
   * object remains until the sweep of the next start. Never throws.
   */
  async release(sha256: string, { mayBeNeeded = false } = {}): Promise<void> {
    const holders = this.#held.get(sha256) ?? 0;
    assert(holders > 0, `object ${sha256} was released more often than held`);
    if (holders > 1) {
      this.#held.set(sha256, holders - 1);
      return;
    }
    this.#held.delete(sha256);
    if (!mayBeNeeded) await this.discard(sha256);
  }

  /** Call after deleting a row: removes the object unless another row references it. Never throws. */
  async discard(sha256: string): Promise<void> {
    // A lookup that started before the row was deleted may have found that row, so another lookup is needed.
    while (this.#removals.has(sha256)) await this.#removals.get(sha256);
    if (this.#held.has(sha256)) return;
    const removal = this.#removeUnneeded(sha256).finally(() => this.#removals.delete(sha256));
    this.#removals.set(sha256, removal);
    await removal;
  }

  /** Moves unreferenced objects to the trash. Call at startup, before the first store. Never throws. */
  async sweep(options: SweepOptions): Promise<void> {
    const trash = (sha256: string, atMs: number): Promise<boolean> => this.#trashUnneeded(sha256, atMs);
    await sweepObjects(this.#objects, { neededOf: this.#neededOf, trash }, options);
  }

  /** Streams the bytes from `start` up to but excluding `end`. The caller must hold the object. */
  stream(sha256: string, start: number, end: number): AsyncIterable<Buffer> {
    return this.#objects.stream(sha256, start, end);
  }

  /** A file with the content of an object. The caller must hold the object. */
  fetch(sha256: string): Promise<string> {
    return this.#objects.fetch(sha256);
  }

  async #trashUnneeded(sha256: string, atMs: number): Promise<boolean> {
    while (this.#removals.has(sha256)) await this.#removals.get(sha256);
    if (this.#held.has(sha256)) return false;
    let isMoved = false;
    const move = async (): Promise<void> => {
      if ((await this.#neededOf([sha256])).has(sha256)) return;
      await this.#objects.moveToTrash(sha256, atMs);
      isMoved = true;
    };
    const moving = move().finally(() => this.#removals.delete(sha256));
    this.#removals.set(
      sha256,
      moving.catch(() => undefined),
    );
    await moving;
    return isMoved;
  }

  async #removeUnneeded(sha256: string): Promise<void> {
    try {
      if (!(await this.#neededOf([sha256])).has(sha256)) await this.#objects.remove(sha256);
    } catch (error) {
      this.#onFailure(sha256, error);
    }
  }
}
