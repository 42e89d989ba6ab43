/**
 * Objects for which a sweep found no row. They are retained for a week, so that a sweep against the wrong or a damaged database loses
 * nothing. The file name contains the time: `1764288000000-abcd…`. The folder is next to the objects, on the same file system.
 */
import { mkdir, readdir, rename, rm, stat, statfs } from 'node:fs/promises';
import { join } from 'node:path';
import { type Clock, repeat } from '../../clock.ts';
import { asDiskError, systemCode } from '../../data-directory/index.ts';
import type { ObjectTrash, TrashedObject } from './object-store.ts';

interface TrashedFile extends TrashedObject {
  readonly path: string;
}

/** Time after which an object in the trash is deleted. */
export const trashRetentionMs = 7 * 86_400_000;

/** The trash of one store of files. */
export class Trash implements ObjectTrash {
  readonly path: string;

  constructor(path: string) {
    this.path = path;
  }

  /** Moves a file into the trash. Succeeds if the file is absent. */
  async take(file: string, sha256: string, atMs: number): Promise<void> {
    try {
      await mkdir(this.path, { recursive: true, mode: 0o700 });
      await rename(file, join(this.path, `${Math.round(atMs)}-${sha256}`));
    } catch (error) {
      if (systemCode(error) === 'ENOENT') return;
      throw asDiskError(error, `move ${file} to ${this.path}`);
    }
  }

  /** Moves the latest copy of the object back to `file`; false if there is none. */
  async restore(sha256: string, file: string): Promise<boolean> {
    const latest = (await this.list()).findLast((entry) => entry.sha256 === sha256);
    if (latest === undefined) return false;
    try {
      await rename(latest.path, file);
      return true;
    } catch (error) {
      if (systemCode(error) === 'ENOENT') return false; // Deleted concurrently.
      throw asDiskError(error, `restore ${file}`);
    }
  }

  /** Oldest first. */
  async list(): Promise<TrashedFile[]> {
    const entries: TrashedFile[] = [];
    for (const name of await this.#names()) {
      const [, atMs, sha256] = /^(\d{1,16})-([0-9a-f]{64})$/.exec(name) ?? [];
      if (atMs === undefined || sha256 === undefined) continue;
      const path = join(this.path, name);
      const size = await sizeOf(path);
      if (size !== null) entries.push({ sha256, bytes: size, trashedAtMs: Number(atMs), path });
    }
    return entries.sort((a, b) => a.trashedAtMs - b.trashedAtMs);
  }

  async delete({ sha256, trashedAtMs }: TrashedObject): Promise<void> {
    const path = join(this.path, `${trashedAtMs}-${sha256}`);
    try {
      await rm(path, { force: true });
    } catch (error) {
      throw asDiskError(error, `delete ${path}`);
    }
  }

  async freeBytes(): Promise<number> {
    const { bavail, bsize } = await statfs(this.path);
    return bavail * bsize;
  }

  async #names(): Promise<string[]> {
    try {
      return await readdir(this.path);
    } catch (error) {
      if (systemCode(error) === 'ENOENT') return [];
      throw asDiskError(error, `read ${this.path}`);
    }
  }
}

/** The trashes to empty, and the callback that records deleted objects. */
export interface TrashEmptierDeps {
  readonly clock: Clock;
  readonly trashes: readonly ObjectTrash[];
  /** Called with each permanently deleted object. */
  readonly onDeleted: (object: TrashedObject, reason: string) => void;
  readonly onFailure: (error: unknown) => void;
  /** Free bytes of the disk of the trash. Default: asks the trash. */
  readonly freeBytes?: () => Promise<number>;
}

/** What a trash holds. */
export interface TrashSize {
  readonly objects: number;
  readonly bytes: number;
}

const emptiedEveryMs = 60_000;
/** Below this much free space the trash is emptied early. */
const freeBytesMin = 512 * 2 ** 20;

/** Deletes objects after a week in the trash, and the oldest earlier if the disk runs short of space. */
export class TrashEmptier {
  readonly #deps: TrashEmptierDeps;
  readonly #end: () => Promise<void>;
  #size: TrashSize = { objects: 0, bytes: 0 };

  constructor(deps: TrashEmptierDeps) {
    this.#deps = deps;
    this.#end = repeat(deps.clock, emptiedEveryMs, () => this.empty(), deps.onFailure);
  }

  /** As of the last run. */
  get size(): TrashSize {
    return this.#size;
  }

  /** Deletes what is older than the retention; before that, the oldest entries while the disk is running short of space. */
  async empty(): Promise<void> {
    const { clock, trashes, onDeleted, freeBytes } = this.#deps;
    let [objects, bytes] = [0, 0];
    for (const trash of trashes) {
      const entries = await trash.list();
      if (entries.length === 0) continue;
      const deleteBeforeMs = clock.wallMs() - trashRetentionMs;
      const free = await (freeBytes ?? (() => trash.freeBytes()))();
      let missingBytes = free === null ? 0 : freeBytesMin - free;
      for (const entry of entries) {
        const isOld = entry.trashedAtMs <= deleteBeforeMs;
        if (!isOld && missingBytes <= 0) {
          objects++;
          bytes += entry.bytes;
          continue;
        }
        await trash.delete(entry);
        missingBytes -= entry.bytes;
        onDeleted(entry, isOld ? 'it was in the trash for 7 days' : 'the disk is running short of space');
      }
    }
    this.#size = { objects, bytes };
  }

  close(): Promise<void> {
    return this.#end();
  }
}

/** Null if the file no longer exists. */
async function sizeOf(path: string): Promise<number | null> {
  try {
    return (await stat(path)).size;
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return null;
    throw asDiskError(error, `read ${path}`);
  }
}
