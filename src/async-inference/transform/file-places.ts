/** Files of this machine as inputs and outputs of transforms. */
import { createReadStream } from 'node:fs';
import { type FileHandle, mkdir, open, readdir, rename, rm, stat } from 'node:fs/promises';
import { basename, dirname, join, resolve, sep } from 'node:path';
import type { Clock } from '../../clock.ts';
import { asPlatformError, messageOf, PlatformError } from '../../errors.ts';
import {
  type Checkpoint,
  Halted,
  nothingUnder,
  type OpenedSource,
  objectsMax,
  type ResultPiece,
  type SourceObject,
  type TransformInput,
  type TransformOutput,
  tooMany,
  type WriteOptions,
} from './transform-places.ts';

/** A block of many rows most often lies within such a chunk, and is cut without a copy; small files need no such room. */
const readAtOnceMax = 4 * 2 ** 20;
const readAtOnceMin = 64 * 1024;
/** How much is done again at most after a kill. */
const checkpointEveryBytes = 8 * 2 ** 20;
const checkpointEveryMs = 2000;

export class FileInput implements TransformInput {
  readonly #path: string;

  constructor(path: string) {
    this.#path = path;
  }

  /** Of a directory all files under it, but such as are hidden; links are not followed. */
  async list(): Promise<SourceObject[]> {
    const found = await statOf(this.#path);
    if (found === null) throw new PlatformError('not_found', `there is no file or directory ${this.#path} on the server's machine`);
    if (found.isFile()) return [{ name: basename(this.#path), bytes: found.size }];
    const objects: SourceObject[] = [];
    await this.#walk('', objects);
    if (objects.length === 0) throw nothingUnder(this.#path);
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
      if (into.length > objectsMax) throw tooMany(this.#path);
    }
  }
}

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
      throw new PlatformError('invalid_request', `results cannot be written to ${this.#path}: ${messageOf(cause)}`, { cause });
    });
  }

  async holds(name: string, { outputBytes }: Checkpoint): Promise<boolean> {
    return ((await statOf(this.#pathsOf(name).partial))?.size ?? -1) >= outputBytes;
  }

  async write(name: string, pieces: AsyncIterable<ResultPiece>, options: WriteOptions): Promise<void> {
    const { partial, whole } = this.#pathsOf(name);
    await makeDirectory(dirname(whole));
    const file = await open(partial, options.from === null ? 'w' : 'r+');
    try {
      await this.#writePieces(file, pieces, options);
      await file.sync();
    } catch (error) {
      // What a stop leaves is gone on with, as what a kill leaves is; what failed is begun anew.
      if (!(error instanceof Halted)) await rm(partial, { force: true });
      throw error;
    } finally {
      await file.close();
    }
    await rename(partial, whole);
    await syncDirectory(dirname(whole));
    await options.beside(null);
  }

  async #writePieces(file: FileHandle, pieces: AsyncIterable<ResultPiece>, { from, identity, keep }: WriteOptions): Promise<void> {
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
      if (error instanceof Halted) await checkpoints.keepLatest();
      throw error;
    }
    await checkpoints.settled();
    checkpoints.throwIfFailed();
  }

  /** Throws `invalid_request` for a name that leads elsewhere: keys of buckets may be anything. */
  #pathsOf(name: string): { readonly partial: string; readonly whole: string } {
    const root = resolve(this.#path);
    const whole = resolve(root, `${name}.out`);
    if (name.includes('\0') || !whole.startsWith(root === sep ? root : root + sep)) {
      throw new PlatformError('invalid_request', 'its name leads out of the directory of the results');
    }
    return { partial: join(dirname(whole), `.${basename(whole)}.partial`), whole };
  }
}

/** Kept from time to time, one after the other, while what comes next is written: to wait for the disk each time took a tenth of a job. */
class Checkpoints {
  readonly #clock: Clock;
  readonly #keep: (checkpoint: Checkpoint) => Promise<void>;
  #keptBytes: number;
  #keptAtMs: number;
  #latest: Checkpoint | null = null;
  #underWay: Promise<void> | null = null;
  #failure: Error | null = null;

  constructor(clock: Clock, outputBytes: number, keep: (checkpoint: Checkpoint) => Promise<void>) {
    this.#clock = clock;
    this.#keep = keep;
    this.#keptBytes = outputBytes;
    this.#keptAtMs = clock.nowMs();
  }

  /** What lies before it is written. Throws what the one before has failed with. */
  offer(checkpoint: Checkpoint): void {
    this.throwIfFailed();
    this.#latest = checkpoint;
    const nowMs = this.#clock.nowMs();
    const isDue = checkpoint.outputBytes - this.#keptBytes >= checkpointEveryBytes || nowMs - this.#keptAtMs >= checkpointEveryMs;
    if (!isDue || this.#underWay !== null) return;
    this.#keptBytes = checkpoint.outputBytes;
    this.#keptAtMs = nowMs;
    this.#underWay = this.#keep(checkpoint)
      .catch((error: unknown) => {
        this.#failure = asPlatformError(error);
      })
      .finally(() => {
        this.#underWay = null;
      });
  }

  /** Resolves when none is under way. */
  async settled(): Promise<void> {
    await this.#underWay;
  }

  /** Where the writing ends for now: nothing of it is done again. What cannot be kept is done again from the one before. */
  async keepLatest(): Promise<void> {
    if (this.#latest === null || this.#failure !== null) return;
    await this.#keep(this.#latest).catch(() => undefined);
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

/** With those above it. Node's own recursive form never ends where a file system refuses with ENOENT, as /proc does. */
async function makeDirectory(path: string): Promise<void> {
  if ((await statOf(path))?.isDirectory() === true) return;
  const above = dirname(path);
  if (above !== path) await makeDirectory(above);
  await mkdir(path).catch(async (error: unknown) => {
    if ((await statOf(path))?.isDirectory() !== true) throw error; // somebody else was first
  });
}
