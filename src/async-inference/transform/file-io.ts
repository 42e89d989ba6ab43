/** Local files as inputs and outputs of transforms. */
import { createReadStream } from 'node:fs';
import { type FileHandle, open, readdir, rename, rm, stat } from 'node:fs/promises';
import { basename, dirname, join, resolve, sep } from 'node:path';
import type { Clock } from '../../clock.ts';
import { makeDirectory } from '../../data-directory/index.ts';
import { asPlatformError, messageOf, PlatformError } from '../../errors.ts';
import {
  type Checkpoint,
  emptyPrefix,
  type OpenedSource,
  objectsMax,
  type ResultPiece,
  type SourceObject,
  TransformHalted,
  type TransformInput,
  type TransformOutput,
  tooManyObjects,
  type WriteOptions,
} from './transform-io.ts';

/** Large chunks usually contain whole blocks, which are then cut without a copy. Small files get smaller chunks. */
const readAtOnceMax = 4 * 2 ** 20;
const readAtOnceMin = 64 * 1024;
/** Upper bounds of the work repeated after a crash. */
const checkpointEveryBytes = 8 * 2 ** 20;
const checkpointEveryMs = 2000;

/** A file, or the files of a folder. */
export class FileInput implements TransformInput {
  readonly #path: string;

  constructor(path: string) {
    this.#path = path;
  }

  /** All files below a directory, without hidden ones. Links are not followed. */
  async list(): Promise<SourceObject[]> {
    const found = await statOf(this.#path);
    if (found === null) throw new PlatformError('not_found', `there is no file or directory ${this.#path} on the machine of the server`);
    if (found.isFile()) return [{ name: basename(this.#path), bytes: found.size }];
    const objects: SourceObject[] = [];
    await this.#walk('', objects);
    if (objects.length === 0) throw emptyPrefix(this.#path);
    return objects;
  }

  async open(name: string): Promise<OpenedSource | null> {
    const root = await statOf(this.#path);
    const path = root?.isFile() === true ? this.#path : join(this.#path, name);
    const file = await open(path, 'r').catch(() => null);
    if (file === null) return null;
    const { size, mtimeMs, ino } = await file.stat();
    return {
      bytes: size,
      identity: `${size} ${mtimeMs} ${ino}`,
      stream: (offset) => {
        const highWaterMark = Math.min(Math.max(size - offset, readAtOnceMin), readAtOnceMax);
        return createReadStream(path, { fd: file, start: offset, highWaterMark });
      },
      close: () => void file.close().catch(() => undefined), // closed with its stream
    };
  }

  async #walk(below: string, into: SourceObject[]): Promise<void> {
    const entries = await readdir(join(this.#path, below), { withFileTypes: true });
    for (const entry of entries.sort((a, b) => (a.name < b.name ? -1 : 1))) {
      if (entry.name.startsWith('.')) continue;
      const name = below === '' ? entry.name : `${below}/${entry.name}`;
      if (entry.isDirectory()) await this.#walk(name, into);
      if (entry.isFile()) into.push({ name, bytes: (await stat(join(this.#path, name))).size });
      if (into.length > objectsMax) throw tooManyObjects(this.#path);
    }
  }
}

/** Written beside the target and renamed; after a crash it continues at the last checkpoint. */
export class FileOutput implements TransformOutput {
  readonly hasCheckpoints = true;
  readonly #path: string;
  readonly #clock: Clock;

  constructor(path: string, clock: Clock) {
    this.#path = path;
    this.#clock = clock;
  }

  async check(): Promise<void> {
    await makeDirectory(resolve(this.#path)).catch((cause: unknown) => {
      throw new PlatformError('invalid_request', `cannot write results to ${this.#path}: ${messageOf(cause)}`, { cause });
    });
  }

  async holds(name: string, { outputBytes }: Checkpoint): Promise<boolean> {
    return ((await statOf(this.#pathsOf(name).partial))?.size ?? -1) >= outputBytes;
  }

  /** Writes beside the final name and renames the complete file, so a reader never sees a part of it. */
  async write(name: string, pieces: AsyncIterable<ResultPiece>, options: WriteOptions): Promise<void> {
    const { partial, whole } = this.#pathsOf(name);
    await makeDirectory(dirname(whole));
    const file = await open(partial, options.from === null ? 'w' : 'r+');
    try {
      await this.#writePieces(file, pieces, options);
      await file.sync();
    } catch (error) {
      // A stop or a crash leaves the partial file for a resume; a failed object starts again from scratch.
      if (!(error instanceof TransformHalted)) await rm(partial, { force: true });
      throw error;
    } finally {
      await file.close();
    }
    await rename(partial, whole);
    await syncDirectory(dirname(whole));
    await options.transactionHook(null);
  }

  async #writePieces(
    file: FileHandle,
    pieces: AsyncIterable<ResultPiece>,
    { from, identity, checkpoint: keep }: WriteOptions,
  ): Promise<void> {
    let { outputBytes, records, skipped } = from ?? { outputBytes: 0, records: 0, skipped: 0 };
    await file.truncate(outputBytes);
    const checkpoints = new Checkpoints(this.#clock, outputBytes, async (checkpoint) => {
      await file.datasync();
      await keep(checkpoint);
    });
    try {
      for await (const piece of pieces) {
        const bytes = typeof piece.output === 'string' ? Buffer.from(piece.output) : piece.output;
        await writeAll(file, bytes, outputBytes);
        outputBytes += bytes.length;
        records += piece.records;
        skipped += piece.skipped;
        if (piece.position !== null) checkpoints.offer({ identity, position: piece.position, outputBytes, records, skipped });
      }
    } catch (error) {
      await checkpoints.settled();
      if (error instanceof TransformHalted) await checkpoints.storeLatest();
      throw error;
    }
    await checkpoints.settled();
    checkpoints.throwIfFailed();
  }

  /**
   * The partial and the final path of a result. Throws `invalid_request` for a name that leads out of the directory, because object keys
   * can be any text.
   */
  #pathsOf(name: string): { readonly partial: string; readonly whole: string } {
    const root = resolve(this.#path);
    const whole = resolve(root, `${name}.out`);
    if (name.includes('\0') || !whole.startsWith(root === sep ? root : root + sep)) {
      throw new PlatformError('invalid_request', 'the name of the object leads out of the directory of the results');
    }
    return { partial: join(dirname(whole), `.${basename(whole)}.partial`), whole };
  }
}

/**
 * Stores checkpoints periodically, one at a time, while writing continues. Waiting for the disk each time took a tenth of the time of a
 * job.
 */
class Checkpoints {
  readonly #clock: Clock;
  readonly #store: (checkpoint: Checkpoint) => Promise<void>;
  #storedBytes: number;
  #storedAtMs: number;
  #latest: Checkpoint | null = null;
  #pending: Promise<void> | null = null;
  #failure: Error | null = null;

  constructor(clock: Clock, outputBytes: number, keep: (checkpoint: Checkpoint) => Promise<void>) {
    this.#clock = clock;
    this.#store = keep;
    this.#storedBytes = outputBytes;
    this.#storedAtMs = clock.nowMs();
  }

  /** Everything before the checkpoint must be written. Throws the error of an earlier checkpoint that failed. */
  offer(checkpoint: Checkpoint): void {
    this.throwIfFailed();
    this.#latest = checkpoint;
    const nowMs = this.#clock.nowMs();
    const isDue = checkpoint.outputBytes - this.#storedBytes >= checkpointEveryBytes || nowMs - this.#storedAtMs >= checkpointEveryMs;
    if (!isDue || this.#pending !== null) return;
    this.#storedBytes = checkpoint.outputBytes;
    this.#storedAtMs = nowMs;
    this.#pending = this.#store(checkpoint)
      .catch((error: unknown) => {
        this.#failure = asPlatformError(error);
      })
      .finally(() => {
        this.#pending = null;
      });
  }

  /** Resolves when no checkpoint is being stored. */
  async settled(): Promise<void> {
    await this.#pending;
  }

  /** Stores the final position of a stopped write. If that fails, the object resumes from the previous checkpoint. */
  async storeLatest(): Promise<void> {
    if (this.#latest === null || this.#failure !== null) return;
    await this.#store(this.#latest).catch(() => undefined);
  }

  throwIfFailed(): void {
    if (this.#failure !== null) throw this.#failure;
  }
}

async function writeAll(file: FileHandle, bytes: Buffer, at: number): Promise<void> {
  for (let written = 0; written < bytes.length; ) {
    written += (await file.write(bytes, written, bytes.length - written, at + written)).bytesWritten;
  }
}

async function statOf(path: string) {
  return stat(path).catch(() => null);
}

async function syncDirectory(path: string): Promise<void> {
  const directory = await open(path, 'r');
  try {
    await directory.sync();
  } finally {
    await directory.close();
  }
}
