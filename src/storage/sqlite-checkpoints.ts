/**
 * When SQLite's log is copied into the file of the database, and its length bounded by that.
 *
 * A checkpoint beside those who write never ends: what they commit meanwhile is left, and the log begins anew only where nothing is. So
 * the log grows for a while, most of it is copied and synced beside, and then, while transactions wait for their turn (nobody's thread
 * does), the little that is left.
 */
import { type FileHandle, open } from 'node:fs/promises';
import type { DatabaseSync, StatementSync } from 'node:sqlite';
import type { Clock } from '../clock.ts';
import { PlatformError } from '../errors.ts';
import type { Checkpointer } from './checkpointer.ts';
import { asDiskError } from './disk-errors.ts';

export interface CheckpointOptions {
  readonly checkpointer: Checkpointer;
  readonly clock: Clock;
  /** Told each time that it did not succeed; it is tried again, ever more seldom. Nothing is lost meanwhile: the log grows. */
  readonly onFailure: (error: unknown) => void;
  /** A log of so many frames (a page and its head, some 4 KiB) is copied and begins anew; 4,000 unless given. */
  readonly framesMax?: number;
}

export interface LogLength {
  readonly frames: number;
  readonly copied: number;
}

const framesMaxDefault = 4000;
/** Longer than this the log becomes only where the thread does not get on; then SQLite copies it within a commit, as it does by itself. */
const safetyNetFrames = 16_000;
const retryMs = { first: 1000, max: 10_000 };

/** A long log is to be copied; one that is copied already begins anew with whoever writes next. */
export function isCheckpointDue({ frames, copied }: LogLength, framesMax: number): boolean {
  return frames >= framesMax && copied < frames;
}

/** From SQLite 3.51 on a log can be asked for its length; older ones would copy it instead. */
export function knowsLogLength(version: string): boolean {
  const [major = 0, minor = 0] = version.split('.').map(Number);
  return major > 3 || (major === 3 && minor >= 51);
}

export class SqliteCheckpoints {
  readonly #options: CheckpointOptions;
  readonly #framesMax: number;
  readonly #path: string;
  readonly #askLength: StatementSync;
  readonly #alone: (run: () => Promise<boolean>) => Promise<boolean>;
  #file: FileHandle | null = null;
  #running: Promise<void> | null = null;
  #cancelRetry: (() => void) | null = null;
  #retryMs = retryMs.first;
  #isClosed = false;

  /** `alone` runs something while no transaction runs. */
  constructor(sqlite: DatabaseSync, path: string, alone: (run: () => Promise<boolean>) => Promise<boolean>, options: CheckpointOptions) {
    this.#options = options;
    this.#framesMax = options.framesMax ?? framesMaxDefault;
    this.#path = path;
    this.#alone = alone;
    this.#askLength = sqlite.prepare('pragma wal_checkpoint(NOOP)');
    sqlite.exec(`pragma wal_autocheckpoint = ${safetyNetFrames}`);
  }

  /** After each commit: a microsecond where nothing is due. */
  look(): void {
    if (this.#running !== null || this.#cancelRetry !== null || this.#isClosed || !this.#isDue()) return;
    this.#running = this.#run().finally(() => {
      this.#running = null;
    });
  }

  /** Before the connection is closed, which then copies what is left and removes the log. */
  async stop(): Promise<void> {
    this.#isClosed = true;
    this.#cancelRetry?.();
    await this.#running;
    await this.#options.checkpointer.letGo(this.#path).catch(() => undefined);
  }

  /** After it: whoever closes a file loses all locks that the process has on it (fcntl(2)). */
  async closeFile(): Promise<void> {
    await this.#file?.close();
  }

  async #run(): Promise<void> {
    try {
      const isWhole = await this.#options.checkpointer.inTurn(() => this.#copy());
      if (isWhole) {
        this.#retryMs = retryMs.first;
        return;
      }
      const { frames } = this.#length() ?? { frames: 0 };
      if (frames >= safetyNetFrames) this.#options.onFailure(readFor(this.#path, frames));
    } catch (error) {
      this.#options.onFailure(asDiskError(error, `copy ${this.#path}-wal into ${this.#path}`));
    }
    this.#tryLater();
  }

  async #copy(): Promise<boolean> {
    const { checkpointer } = this.#options;
    await checkpointer.checkpoint(this.#path, 'PASSIVE');
    if (!this.#isDue()) return true;
    // SQLite syncs the file only where all was copied. Done before, little is left to sync while others wait.
    this.#file ??= await open(this.#path, 'r');
    await this.#file.datasync();
    return this.#alone(() => checkpointer.checkpoint(this.#path, 'RESTART'));
  }

  #tryLater(): void {
    if (this.#isClosed) return;
    this.#cancelRetry = this.#options.clock.after(this.#retryMs, () => {
      this.#cancelRetry = null;
      this.look();
    });
    this.#retryMs = Math.min(2 * this.#retryMs, retryMs.max);
  }

  #isDue(): boolean {
    const length = this.#length();
    return length !== null && isCheckpointDue(length, this.#framesMax);
  }

  /** Null while this connection reads row by row: then it cannot be asked. */
  #length(): LogLength | null {
    try {
      const { log, checkpointed } = this.#askLength.get() as { log: number; checkpointed: number };
      return { frames: log, copied: checkpointed };
    } catch {
      return null;
    }
  }
}

function readFor(path: string, frames: number): PlatformError {
  const why = 'another process has been reading the database for long: end it';
  return new PlatformError('unavailable', `${path}-wal cannot begin anew and has grown to ${frames} pages, because ${why}`);
}
