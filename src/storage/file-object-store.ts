/**
 * Artifacts by the sha256 of their content, as files: `objects/sha256/ab/abcd…`. An object is there whole or not at
 * all, and never changes. Who needs which object, and when it may go, the registry knows.
 */
import assert from 'node:assert/strict';
import { createHash, randomUUID } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { type FileHandle, mkdir, open, readdir, readFile, rename, rm, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { PlatformError } from '../errors.ts';
import { asDiskError, systemCode } from './disk-errors.ts';

export interface StoredObject {
  readonly sha256: string;
  readonly bytes: number;
}

const streamChunkBytes = 256 * 1024;

export class FileObjectStore {
  readonly #root: string;
  readonly #temporary: string;
  /** Directories whose own names are known to outlast a power loss: at most 256. */
  readonly #lasting = new Set<string>();

  /** `root` is the `objects` directory; it is made when first needed. */
  constructor(root: string) {
    this.#root = join(root, 'sha256');
    this.#temporary = join(root, 'temporary');
  }

  /**
   * Stores the bytes and tells their address; the same bytes again are the same object. When it resolves they survive
   * a power loss; when it throws nothing is left. Throws `too_large` beyond `limitBytes`, `unavailable` where the disk
   * is full or not writable, and whatever the source throws. `settling` is awaited once the address is known, before
   * the object can be there: who keeps count of objects begins here.
   */
  async put(
    source: AsyncIterable<Uint8Array> | Uint8Array,
    limitBytes = Number.POSITIVE_INFINITY,
    settling?: (sha256: string) => Promise<void>,
  ): Promise<StoredObject> {
    const temporary = join(this.#temporary, randomUUID());
    try {
      await mkdir(this.#temporary, { recursive: true, mode: 0o700 });
      const stored = await write(temporary, source instanceof Uint8Array ? [source] : source, limitBytes);
      await settling?.(stored.sha256);
      await this.#settle(temporary, stored);
      return stored;
    } catch (error) {
      await rm(temporary, { force: true }).catch(() => undefined); // the first error is the one to report
      throw asDiskError(error, `store an artifact in ${this.#root}`);
    }
  }

  /** Where the object is or would be. */
  localPath(sha256: string): string {
    assert(/^[0-9a-f]{64}$/.test(sha256), `expected a sha256 in 64 hexadecimal digits, got ${JSON.stringify(sha256)}`);
    return join(this.#root, sha256.slice(0, 2), sha256);
  }

  async has(sha256: string): Promise<boolean> {
    return (await this.#sizeOf(sha256)) !== undefined;
  }

  /** Throws `not_found`. */
  async stat(sha256: string): Promise<StoredObject> {
    const bytes = await this.#sizeOf(sha256);
    if (bytes === undefined) throw missing(sha256);
    return { sha256, bytes };
  }

  /** The whole object. Throws `not_found`. */
  async read(sha256: string): Promise<Buffer> {
    try {
      return await readFile(this.localPath(sha256));
    } catch (error) {
      if (systemCode(error) === 'ENOENT') throw missing(sha256);
      throw asDiskError(error, `read the artifact ${sha256}`);
    }
  }

  /** The bytes from `start` up to `end`, without it. The stream ends with an error where the object is missing or shorter. */
  async *stream(sha256: string, start: number, end: number): AsyncGenerator<Buffer> {
    if (start >= end) return;
    let left = end - start;
    try {
      for await (const chunk of createReadStream(this.localPath(sha256), { start, end: end - 1, highWaterMark: streamChunkBytes })) {
        left -= (chunk as Buffer).byteLength;
        yield chunk as Buffer;
      }
    } catch (error) {
      if (systemCode(error) === 'ENOENT') throw missing(sha256);
      throw asDiskError(error, `read the artifact ${sha256}`);
    }
    if (left > 0) throw new PlatformError('internal', `the artifact ${sha256} lacks ${left} bytes: its file was damaged from outside`);
  }

  /** The addresses of all objects, in no order. */
  async *list(): AsyncGenerator<string> {
    for (const prefix of await namesIn(this.#root)) {
      for (const name of await namesIn(join(this.#root, prefix))) if (/^[0-9a-f]{64}$/.test(name)) yield name;
    }
  }

  /** A path beside the objects for a file that is still being made; swept at the next start should it be left. */
  async temporaryPath(): Promise<string> {
    try {
      await mkdir(this.#temporary, { recursive: true, mode: 0o700 });
    } catch (error) {
      throw asDiskError(error, `write in ${this.#temporary}`);
    }
    return join(this.#temporary, randomUUID());
  }

  /** An object that is not there is fine. */
  async remove(sha256: string): Promise<void> {
    try {
      await rm(this.localPath(sha256), { force: true });
    } catch (error) {
      throw asDiskError(error, `remove the artifact ${sha256}`);
    }
  }

  /** At start, before anybody puts: removes what a killed process left half written. */
  async sweepTemporary(): Promise<void> {
    for (const name of await namesIn(this.#temporary)) await rm(join(this.#temporary, name), { recursive: true, force: true });
  }

  async #settle(temporary: string, { sha256, bytes }: StoredObject): Promise<void> {
    // A file of another length under this name was damaged from outside: the good one takes its place.
    const path = this.localPath(sha256);
    const directory = dirname(path);
    if ((await this.#sizeOf(sha256)) === bytes) await rm(temporary);
    else {
      await mkdir(directory, { recursive: true, mode: 0o700 });
      await rename(temporary, path);
    }
    // Also where it was there: who put it may not have come so far yet.
    await syncNames(directory);
    if (this.#lasting.has(directory)) return;
    for (const above of [this.#root, dirname(this.#root), dirname(dirname(this.#root))]) await syncNames(above);
    this.#lasting.add(directory);
  }

  async #sizeOf(sha256: string): Promise<number | undefined> {
    try {
      return (await stat(this.localPath(sha256))).size;
    } catch (error) {
      if (systemCode(error) === 'ENOENT') return undefined;
      throw asDiskError(error, `read the artifact ${sha256}`);
    }
  }
}

/** None where there is no such directory. */
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
    await file.sync();
    return { sha256: hash.digest('hex'), bytes };
  } finally {
    await file.close();
  }
}

/** Makes the names in a directory as lasting as the files behind them, while requests are served. */
async function syncNames(directory: string): Promise<void> {
  const opened = await open(directory, 'r');
  try {
    await opened.sync();
  } finally {
    await opened.close();
  }
}

/** One write may take only a part, as it does right before a disk is full; the next one then says why. */
async function writeAll(file: FileHandle, chunk: Uint8Array): Promise<void> {
  for (let offset = 0; offset < chunk.byteLength; ) {
    const { bytesWritten } = await file.write(chunk, offset);
    offset += bytesWritten;
  }
}

function missing(sha256: string): PlatformError {
  return new PlatformError('not_found', `there is no artifact ${sha256} in the object store`);
}
