/**
 * Copies of remote objects on the disk of this machine. Each copy is verified when it arrives, and again by the
 * process that uses it. Many requests for one object cause one download. If the cache is full, the copy whose last use is longest ago goes first, but none
 * that was used in the last minutes: a worker may be about to open it. (A file that a worker has open remains readable.)
 */
import { stat } from 'node:fs/promises';
import type { Clock } from '../../clock.ts';
import { FileObjectStore } from './file-object-store.ts';
import type { StagedObject } from './object-store.ts';
import type { VerifiedFiles } from './verified-files.ts';

/** The folder of the copies, its limit, and where objects come from. */
export interface ObjectCacheOptions {
  readonly folder: string;
  readonly bytesMax: number;
  readonly clock: Clock;
  readonly verified: VerifiedFiles;
  /**
   * Streams the object from the store. Throws `not_found` or `unavailable`. `path`: the file that each piece is appended to before the next
   * one is requested.
   */
  readonly download: (sha256: string, path: string) => AsyncIterable<Buffer>;
  /** Called if the object in the store does not match its address. */
  readonly damaged: (sha256: string, actual: string) => Error;
  /** Whether a copy stays, however long ago its last use was. Default: none does. */
  readonly isHeld?: (sha256: string) => boolean;
}

interface CachedCopy {
  readonly bytes: number;
  usedAtMs: number;
}

const inUseMs = 10 * 60_000;

/** Its folder belongs to one process. */
export class ObjectCache {
  readonly #options: ObjectCacheOptions;
  readonly #files: FileObjectStore;
  /** In the order of their last use. */
  readonly #copies = new Map<string, CachedCopy>();
  readonly #fetching = new Map<string, Promise<string>>();
  #bytes = 0;
  #opening: Promise<void> | null = null;

  constructor(options: ObjectCacheOptions) {
    this.#options = options;
    this.#files = new FileObjectStore(options.folder);
  }

  /** Where new objects are written before they are uploaded. */
  get staging(): Pick<FileObjectStore, 'stage' | 'drop' | 'temporaryPath' | 'sweepTemporary'> {
    return this.#files;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** The path of a verified copy, downloaded if needed. Throws `not_found` or `unavailable`. */
  fetch(sha256: string): Promise<string> {
    const running = this.#fetching.get(sha256);
    if (running !== undefined) return running;
    const fetching = this.#fetch(sha256).finally(() => this.#fetching.delete(sha256));
    this.#fetching.set(sha256, fetching);
    return fetching;
  }

  /** The addresses of the copies, last used first. */
  async copies(countMax: number): Promise<readonly string[]> {
    await this.#opened();
    return [...this.#copies.keys()].reverse().slice(0, countMax);
  }

  /** The path of a copy, or null if there is none. */
  async find(sha256: string): Promise<string | null> {
    await this.#opened();
    return this.#use(sha256) && (await this.#files.has(sha256)) ? this.#files.localPath(sha256) : null;
  }

  /** Makes a staged file a copy: it was uploaded. */
  async add(staged: StagedObject): Promise<void> {
    await this.#opened();
    await this.#files.keep(staged);
    await this.#added(staged.sha256, staged.bytes);
  }

  async remove(sha256: string): Promise<void> {
    const copy = this.#copies.get(sha256);
    if (copy !== undefined) this.#bytes -= copy.bytes;
    this.#copies.delete(sha256);
    await this.#files.remove(sha256);
  }

  async #fetch(sha256: string): Promise<string> {
    const { verified, download, damaged } = this.#options;
    const path = await this.find(sha256);
    if (path !== null) {
      try {
        await verified.check(path);
        return path;
      } catch {
        await this.remove(sha256); // Damaged or missing: the store has the original.
      }
    }
    const partial = await this.#files.temporaryPath();
    const staged = await this.#files.stage(download(sha256, partial), Number.POSITIVE_INFINITY, partial);
    if (staged.sha256 !== sha256) {
      await this.#files.drop(staged);
      throw damaged(sha256, staged.sha256);
    }
    await this.add(staged);
    return this.#files.localPath(sha256);
  }

  async #added(sha256: string, bytes: number): Promise<void> {
    if (this.#use(sha256)) return;
    this.#copies.set(sha256, { bytes, usedAtMs: this.#options.clock.nowMs() });
    this.#bytes += bytes;
    await this.#evict();
  }

  async #evict(): Promise<void> {
    const { bytesMax, clock, isHeld } = this.#options;
    for (const [sha256, { usedAtMs }] of this.#copies) {
      if (this.#bytes <= bytesMax || clock.nowMs() - usedAtMs < inUseMs) return;
      if (isHeld?.(sha256) === true) continue;
      await this.remove(sha256);
    }
  }

  #use(sha256: string): boolean {
    const copy = this.#copies.get(sha256);
    if (copy === undefined) return false;
    copy.usedAtMs = this.#options.clock.nowMs();
    this.#copies.delete(sha256);
    this.#copies.set(sha256, copy);
    return true;
  }

  #opened(): Promise<void> {
    this.#opening ??= this.#open().catch((error: unknown) => {
      this.#opening = null; // The next use tries again.
      throw error;
    });
    return this.#opening;
  }

  /** Finds the copies of the last process. They go first. */
  async #open(): Promise<void> {
    const found: { sha256: string; bytes: number; atMs: number }[] = [];
    for await (const sha256 of this.#files.list()) {
      const { size, mtimeMs } = await stat(this.#files.localPath(sha256));
      found.push({ sha256, bytes: size, atMs: mtimeMs });
    }
    this.#copies.clear();
    this.#bytes = 0;
    for (const { sha256, bytes } of found.sort((a, b) => a.atMs - b.atMs)) {
      this.#copies.set(sha256, { bytes, usedAtMs: Number.NEGATIVE_INFINITY });
      this.#bytes += bytes;
    }
    await this.#evict();
  }
}
