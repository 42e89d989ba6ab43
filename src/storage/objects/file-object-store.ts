/**
 * Content-addressed objects as files: `objects/sha256/ab/abcd…`. An object is complete or absent, and never changes. Callers track which
 * objects are referenced. A sweep moves objects to `objects/trash` instead of deleting them, see `trash.ts`.
 */
import assert from 'node:assert/strict';
import { createHash, randomUUID } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { type FileHandle, mkdir, open, readdir, readFile, rename, rm, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { SystemClock } from '../../clock.ts';
import { asDiskError, systemCode } from '../../data-directory/index.ts';
import { PlatformError } from '../../errors.ts';
import { isRetained, removeBackupLeftovers } from '../backup/retain.ts';
import { missingObject, type ObjectStore, type ReadableObject, type StagedObject, type StoredObject } from './object-store.ts';
import { Trash } from './trash.ts';

/** The system clock, because times are compared with those of files. */
const clock = new SystemClock();

const streamChunkBytes = 256 * 1024;
const readChunkBytes = 1024 * 1024;

/** An object is written to a temporary file, synced and renamed, so a killed server leaves no part of one. */
export class FileObjectStore implements ObjectStore {
  readonly place: string;
  readonly trash: Trash;
  readonly #directory: string;
  readonly #root: string;
  readonly #temporary: string;
  /** Directories whose entries are known to be synced: at most 256. */
  readonly #durable = new Set<string>();

  /** `root` is the `objects` directory, created on first use. */
  constructor(root: string) {
    this.place = root;
    this.#directory = root;
    this.#root = join(root, 'sha256');
    this.#temporary = join(root, 'temporary');
    this.trash = new Trash(join(root, 'trash'));
  }

  /**
   * Stores the bytes and returns their address. Storing the same bytes again yields the same object. Once it resolves, the object survives
   * a power loss; if it throws, nothing is stored. Throws `too_large` beyond `limitBytes`, `unavailable` if the disk is full or read-only,
   * and any error of the source. `settling` is awaited when the address is known, before the object appears: callers that count references
   * register here.
   */
  async put(
    source: AsyncIterable<Uint8Array> | Uint8Array,
    limitBytes = Number.POSITIVE_INFINITY,
    settling?: (sha256: string) => Promise<void>,
  ): Promise<StoredObject> {
    const staged = await this.stage(source, limitBytes);
    return this.keep(staged, settling);
  }

  /**
   * The first half of `put`: writes the bytes to a temporary file without syncing it, which is cheap for thousands of files. Pass the
   * result to `keep` or to `drop`. `path`: of a new file, from `temporaryPath`. Throws as `put` does.
   */
  async stage(
    source: AsyncIterable<Uint8Array> | Uint8Array,
    limitBytes = Number.POSITIVE_INFINITY,
    path = join(this.#temporary, randomUUID()),
  ): Promise<StagedObject> {
    try {
      await mkdir(this.#temporary, { recursive: true, mode: 0o700 });
      return { path, ...(await write(path, source instanceof Uint8Array ? [source] : source, limitBytes)) };
    } catch (error) {
      return await this.#fail(path, error);
    }
  }

  /** The second half of `put`. */
  async keep({ path, sha256, bytes }: StagedObject, settling?: (sha256: string) => Promise<void>): Promise<StoredObject> {
    try {
      await sync(path);
      await settling?.(sha256);
      await this.#settle(path, sha256);
      return { sha256, bytes };
    } catch (error) {
      return await this.#fail(path, error);
    }
  }

  /** Removes a staged object. Never throws: the next start removes what is left. */
  async drop({ path }: StagedObject): Promise<void> {
    await rm(path, { force: true }).catch(() => undefined);
  }

  async #fail(path: string, error: unknown): Promise<never> {
    await rm(path, { force: true }).catch(() => undefined); // Report the original error, not a failed cleanup.
    throw asDiskError(error, `store an artifact in ${this.#root}`);
  }

  /** The path of the object, whether it exists or not. */
  localPath(sha256: string): string {
    assert(/^[0-9a-f]{64}$/.test(sha256), `expected a SHA-256 of 64 hexadecimal digits, got ${JSON.stringify(sha256)}`);
    return join(this.#root, sha256.slice(0, 2), sha256);
  }

  /** Unchecked: providers verify the files of a model before they load it, see `VerifiedFiles`. */
  async fetch(sha256: string): Promise<string> {
    return this.localPath(sha256);
  }

  async readable(sha256: string): Promise<ReadableObject | null> {
    const path = this.localPath(sha256);
    // A running server may move it to the trash and back meanwhile.
    return (await readableFile(path)) ?? (await readableFile(await this.#trashedPath(sha256))) ?? (await readableFile(path));
  }

  async #trashedPath(sha256: string): Promise<string | null> {
    return (await this.trash.list()).findLast((entry) => entry.sha256 === sha256)?.path ?? null;
  }

  async has(sha256: string): Promise<boolean> {
    return (await this.#sizeOf(sha256)) !== undefined;
  }

  /** Throws `not_found`. */
  async stat(sha256: string): Promise<StoredObject> {
    const bytes = await this.#sizeOf(sha256);
    if (bytes === undefined) throw missingObject(sha256);
    return { sha256, bytes };
  }

  /** Reads the whole object. Throws `not_found`. */
  async read(sha256: string): Promise<Buffer> {
    try {
      return await readFile(this.localPath(sha256));
    } catch (error) {
      if (systemCode(error) === 'ENOENT') throw missingObject(sha256);
      throw asDiskError(error, `read the artifact ${sha256}`);
    }
  }

  /** Streams the bytes from `start` up to but excluding `end`. The stream fails if the object is missing or truncated. */
  async *stream(sha256: string, start: number, end: number): AsyncGenerator<Buffer> {
    if (start >= end) return;
    let left = end - start;
    try {
      for await (const chunk of createReadStream(this.localPath(sha256), { start, end: end - 1, highWaterMark: streamChunkBytes })) {
        left -= (chunk as Buffer).byteLength;
        yield chunk as Buffer;
      }
    } catch (error) {
      if (systemCode(error) === 'ENOENT') throw missingObject(sha256);
      throw asDiskError(error, `read the artifact ${sha256}`);
    }
    if (left > 0) throw new PlatformError('internal', `the artifact ${sha256} is damaged: its file is ${left} bytes too short`);
  }

  /** The addresses of all objects, or only those that begin with the two digits `group`, in no particular order. */
  async *list(group?: string): AsyncGenerator<string> {
    for (const prefix of group === undefined ? await namesIn(this.#root) : [group]) {
      for (const name of await namesIn(join(this.#root, prefix))) if (/^[0-9a-f]{64}$/.test(name)) yield name;
    }
  }

  /** All: only the server that sweeps writes to the folder. */
  listForSweep(): AsyncGenerator<string> {
    return this.list();
  }

  /** Path for a temporary file on the same file system. Files left there are deleted at the next start. */
  async temporaryPath(): Promise<string> {
    try {
      await mkdir(this.#temporary, { recursive: true, mode: 0o700 });
    } catch (error) {
      throw asDiskError(error, `write in ${this.#temporary}`);
    }
    return join(this.#temporary, randomUUID());
  }

  /** Succeeds if the object is absent. While a backup runs, the object moves to the trash instead. */
  async remove(sha256: string): Promise<void> {
    try {
      const nowMs = clock.wallMs();
      if (await isRetained(this.#directory, nowMs)) return await this.moveToTrash(sha256, nowMs);
      await rm(this.localPath(sha256), { force: true });
    } catch (error) {
      throw asDiskError(error, `remove the artifact ${sha256}`);
    }
  }

  /** Like `remove`, but the object can be restored until the trash is emptied. */
  async moveToTrash(sha256: string, atMs: number): Promise<void> {
    await this.trash.take(this.localPath(sha256), sha256, atMs);
  }

  /** Returns false if the trash has no such object. */
  async restore(sha256: string): Promise<boolean> {
    const path = this.localPath(sha256);
    await mkdir(dirname(path), { recursive: true, mode: 0o700 });
    return this.trash.restore(sha256, path);
  }

  /** Deletes partial files of a killed process. Call at startup, before the first put. */
  async sweepTemporary(): Promise<void> {
    for (const name of await namesIn(this.#temporary)) await rm(join(this.#temporary, name), { recursive: true, force: true });
    await removeBackupLeftovers(this.#directory);
  }

  async #settle(temporary: string, sha256: string): Promise<void> {
    // Replaces an existing file: its bytes are identical, unless it was damaged, in which case this repairs it.
    const path = this.localPath(sha256);
    const directory = dirname(path);
    await mkdir(directory, { recursive: true, mode: 0o700 });
    await rename(temporary, path);
    // Required even if the object existed: a concurrent put may not have synced it yet.
    await sync(directory);
    if (this.#durable.has(directory)) return;
    for (const above of [this.#root, dirname(this.#root), dirname(dirname(this.#root))]) await sync(above);
    this.#durable.add(directory);
  }

  #sizeOf(sha256: string): Promise<number | undefined> {
    return sizeOf(this.localPath(sha256));
  }
}

/** Undefined if the file does not exist. */
async function sizeOf(path: string): Promise<number | undefined> {
  try {
    return (await stat(path)).size;
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return undefined;
    throw asDiskError(error, `read ${path}`);
  }
}

async function readableFile(path: string | null): Promise<ReadableObject | null> {
  const bytes = path === null ? undefined : await sizeOf(path);
  if (path === null || bytes === undefined) return null;
  return { bytes, content: createReadStream(path, { highWaterMark: readChunkBytes }) };
}

/** Empty if the directory does not exist. */
async function namesIn(directory: string): Promise<string[]> {
  try {
    return await readdir(directory);
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return [];
    throw asDiskError(error, `read ${directory}`);
  }
}

async function write(path: string, source: AsyncIterable<Uint8Array> | Iterable<Uint8Array>, limitBytes: number): Promise<StoredObject> {
  const file = await open(path, 'wx', 0o400);
  try {
    const hash = createHash('sha256');
    let bytes = 0;
    for await (const chunk of source) {
      bytes += chunk.byteLength;
      if (bytes > limitBytes) {
        throw new PlatformError('too_large', `the artifact is larger than the limit of ${limitBytes} bytes: raise the limit or shrink it`);
      }
      hash.update(chunk);
      await writeAll(file, chunk);
    }
    return { sha256: hash.digest('hex'), bytes };
  } finally {
    await file.close();
  }
}

/** Syncs a file, or a directory so that the names in it survive a power loss, without blocking the thread. */
async function sync(path: string): Promise<void> {
  const opened = await open(path, 'r');
  try {
    await opened.sync();
  } finally {
    await opened.close();
  }
}

/** A write may be partial right before the disk is full. The next write then fails with the reason. */
async function writeAll(file: FileHandle, chunk: Uint8Array): Promise<void> {
  for (let offset = 0; offset < chunk.byteLength; ) {
    const { bytesWritten } = await file.write(chunk, offset);
    offset += bytesWritten;
  }
}
