/**
 * Files of model versions, shared by versions with the same bytes. A file is retained while a version in the database or a running
 * registration needs it. Between the check of the database and the removal of a file, the same bytes must not be stored again. Therefore
 * removals wait until no file is being written, and writes wait for removals.
 */
import assert from 'node:assert/strict';
import { messageOf } from '../../errors.ts';
import type { Log } from '../../logs/index.ts';
import { type ObjectStore, type StagedObject, type SweepOptions, sweepObjects } from '../../storage/index.ts';

/** A file in the object store. Its address is its sha256. */
export interface StoredArtifactFile {
  readonly sha256: string;
  readonly bytes: number;
}

/** Counts references in memory only for running registrations; the database has those of versions. */
export class Artifacts {
  readonly #objects: ObjectStore;
  readonly #isReferenced: (sha256: string) => Promise<boolean>;
  readonly #log: Log;
  /** Number of running registrations that need a file, by sha256. */
  readonly #held = new Map<string, number>();
  readonly #candidates = new Set<string>();
  #writing = 0;
  #removal: Promise<void> | null = null;

  constructor(objects: ObjectStore, isReferenced: (sha256: string) => Promise<boolean>, log: Log) {
    this.#objects = objects;
    this.#isReferenced = isReferenced;
    this.#log = log;
  }

  /** Files that one registration stores. Their holder must call `release`. */
  hold(): HeldFiles {
    return new HeldFiles(this);
  }

  /** Streams a file to disk. Pass it to `keep` or to `drop`. Throws `too_large`. */
  stage(source: AsyncIterable<Uint8Array> | Uint8Array, limitBytes: number): Promise<StagedObject> {
    return this.#objects.stage(source, limitBytes);
  }

  drop(staged: StagedObject): Promise<void> {
    return this.#objects.drop(staged);
  }

  /** Stores a staged file and holds it until `release`. */
  async keep(staged: StagedObject): Promise<StoredArtifactFile> {
    while (this.#removal !== null) await this.#removal;
    this.#writing++;
    try {
      const stored = await this.#objects.keep(staged);
      this.#held.set(stored.sha256, (this.#held.get(stored.sha256) ?? 0) + 1);
      return stored;
    } finally {
      this.#writing--;
      await this.#removeCandidates();
    }
  }

  /**
   * Ends a registration and deletes the file unless a version has it. With `mayBeNeeded` the version may still appear (see
   * `isOutcomeUnknown`): the file stays, and the sweep at the next start decides.
   */
  async release(sha256: string, { mayBeNeeded = false } = {}): Promise<void> {
    const holders = this.#held.get(sha256) ?? 0;
    assert(holders > 0, `artifact ${sha256} is released more often than stored`);
    if (holders > 1) this.#held.set(sha256, holders - 1);
    else this.#held.delete(sha256);
    if (!mayBeNeeded) await this.discard(sha256);
  }

  /** Removes the file if it is unused, or as soon as it becomes unused. */
  async discard(sha256: string): Promise<void> {
    this.#candidates.add(sha256);
    await this.#removeCandidates();
  }

  /** Moves unreferenced files to the trash: at startup, before anything is stored, and with `isRunning` later. Never throws. */
  async sweep(options: SweepOptions): Promise<void> {
    const neededOf = async (sha256s: readonly string[]) => {
      const needed = new Set<string>();
      for (const sha256 of sha256s) if (await this.#isReferenced(sha256)) needed.add(sha256);
      return needed;
    };
    const trash = (sha256: string, atMs: number): Promise<boolean> => this.#trashUnneeded(sha256, atMs);
    await sweepObjects(this.#objects, { neededOf, trash }, options);
  }

  /** A path for a file that will be passed to `store`. */
  async temporaryPath(): Promise<string> {
    return this.#objects.temporaryPath();
  }

  /** A file on this machine with the content. Throws `unavailable`, or `not_found` if a store elsewhere does not have it. */
  fetch(sha256: string): Promise<string> {
    return this.#objects.fetch(sha256);
  }

  /** While a file is being written, the next sweep tries again. */
  async #trashUnneeded(sha256: string, atMs: number): Promise<boolean> {
    while (this.#removal !== null) await this.#removal;
    if (this.#writing > 0 || this.#held.has(sha256)) return false;
    let isMoved = false;
    const move = async (): Promise<void> => {
      if (await this.#isReferenced(sha256)) return;
      await this.#objects.moveToTrash(sha256, atMs);
      isMoved = true;
    };
    const moving = move();
    this.#removal = moving
      .catch(() => undefined)
      .finally(() => {
        this.#removal = null;
      });
    await moving;
    return isMoved;
  }

  async #removeCandidates(): Promise<void> {
    while (this.#removal !== null) await this.#removal;
    if (this.#writing > 0 || this.#candidates.size === 0) return;
    this.#removal = this.#removeUnneeded().finally(() => {
      this.#removal = null;
    });
    await this.#removal;
  }

  /** A file that cannot be removed only wastes space: it must not fail the operation. */
  async #removeUnneeded(): Promise<void> {
    for (const sha256 of this.#candidates) {
      this.#candidates.delete(sha256);
      try {
        if (!this.#held.has(sha256) && !(await this.#isReferenced(sha256))) await this.#objects.remove(sha256);
      } catch (error) {
        this.#log.warn({ sha256, error: messageOf(error) }, 'failed to delete an unused artifact');
      }
    }
  }
}

/** The files of one registration, held until `release`. */
export class HeldFiles {
  readonly #artifacts: Artifacts;
  readonly #sha256s: string[] = [];

  constructor(artifacts: Artifacts) {
    this.#artifacts = artifacts;
  }

  /** Streams a file to disk and holds it. Throws `too_large`. */
  async store(source: AsyncIterable<Uint8Array> | Uint8Array, limitBytes: number): Promise<StoredArtifactFile> {
    return this.keep(await this.stage(source, limitBytes));
  }

  /** The first half of `store`, for files of which it is not yet known whether they are needed. Pass it to `keep` or to `drop`. */
  stage(source: AsyncIterable<Uint8Array> | Uint8Array, limitBytes: number): Promise<StagedObject> {
    return this.#artifacts.stage(source, limitBytes);
  }

  drop(staged: StagedObject): Promise<void> {
    return this.#artifacts.drop(staged);
  }

  async keep(staged: StagedObject): Promise<StoredArtifactFile> {
    const stored = await this.#artifacts.keep(staged);
    this.#sha256s.push(stored.sha256);
    return stored;
  }

  temporaryPath(): Promise<string> {
    return this.#artifacts.temporaryPath();
  }

  fetch(sha256: string): Promise<string> {
    return this.#artifacts.fetch(sha256);
  }

  /** Deletes the files that no version has. With `mayBeNeeded` they all stay until the sweep at the next start. */
  async release(options: { readonly mayBeNeeded?: boolean } = {}): Promise<void> {
    for (const sha256 of this.#sha256s.splice(0)) await this.#artifacts.release(sha256, options);
  }
}
