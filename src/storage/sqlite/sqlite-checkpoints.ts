/**
 * Decides when SQLite's log is copied into the database file, which bounds the log's length.
 *
 * A checkpoint concurrent with writers never completes, because their new commits remain, and the log restarts only if nothing remains.
 * So the log grows for a while, and most of it is copied and synced concurrently. Then the small rest is copied while transactions wait
 * for their turn, without blocking the thread.
 */
import { type FileHandle, open } from 'node:fs/promises';
import type { DatabaseSync, StatementSync } from 'node:sqlite';
import type { Clock } from '../../clock.ts';
import { asDiskError } from '../../data-directory/index.ts';
import { PlatformError } from '../../errors.ts';
import type { Checkpointer } from './checkpointer.ts';

/** Who copies, and how long the log may grow. */
export interface CheckpointOptions {
  readonly checkpointer: Checkpointer;
  readonly clock: Clock;
  /** Called for each failure. The checkpoint is retried with increasing delay. No data is lost: the log grows. */
  readonly onFailure: (error: unknown) => void;
  /** A log of this many frames (a page with header, about 4 KiB) is copied and restarted; default: 4,000. */
  readonly framesMax?: number;
}

/** Frames in the log, and how many of them the database file has. */
export interface LogLength {
  readonly frames: number;
  readonly copied: number;
}

const framesMaxDefault = 4000;
/** The log exceeds this only if the checkpoint thread is stuck. SQLite then copies it within a commit, as it does by default. */
const safetyNetFrames = 16_000;
const retryMs = { first: 1000, max: 10_000 };

/** A long log is due unless it is copied completely: then the next writer restarts it. */
export function isCheckpointDue({ frames, copied }: LogLength, framesMax: number): boolean {
  return frames >= framesMax && copied < frames;
}

/** SQLite reports the length of its log from version 3.51. Older versions would run a checkpoint instead. */
export function knowsLogLength(version: string): boolean {
  const [major = 0, minor = 0] = version.split('.').map(Number);
  return major > 3 || (major === 3 && minor >= 51);
}

/** The checkpoints of one database file. */
export class SqliteCheckpoints {
  readonly #options: CheckpointOptions;
  readonly #framesMax: number;
  readonly #path: string;
  readonly #requestLength: StatementSync;
  readonly #alone: (run: () => Promise<boolean>) => Promise<boolean>;
  #file: FileHandle | null = null;
  #running: Promise<void> | null = null;
  #cancelRetry: (() => void) | null = null;
  #retryMs = retryMs.first;
  #isClosed = false;

  /** `alone` runs a function while no transaction is active. */
  constructor(sqlite: DatabaseSync, path: string, alone: (run: () => Promise<boolean>) => Promise<boolean>, options: CheckpointOptions) {
    this.#options = options;
    this.#framesMax = options.framesMax ?? framesMaxDefault;
    this.#path = path;
    this.#alone = alone;
    this.#requestLength = sqlite.prepare('pragma wal_checkpoint(NOOP)');
    sqlite.exec(`pragma wal_autocheckpoint = ${safetyNetFrames}`);
  }

  /** Call after each commit. Takes about a microsecond if nothing is due. */
  poll(): void {
    if (this.#running !== null || this.#cancelRetry !== null || this.#isClosed || !this.#isDue()) return;
    this.#running = this.#run().finally(() => {
      this.#running = null;
    });
  }

  /** Call before closing the connection, which copies the rest and removes the log. */
  async stop(): Promise<void> {
    this.#isClosed = true;
    this.#cancelRetry?.();
    await this.#running;
    await this.#options.checkpointer.release(this.#path).catch(() => undefined);
  }

  /**
   * Call after closing the connection. Before that, closing any descriptor of the file would drop all locks of the process on it
   * (fcntl(2)).
   */
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
    // SQLite syncs the file only if everything was copied. Syncing it before leaves little to sync while transactions wait.
    this.#file ??= await open(this.#path, 'r');
    await this.#file.datasync();
    return this.#alone(() => checkpointer.checkpoint(this.#path, 'RESTART'));
  }

  #tryLater(): void {
    if (this.#isClosed) return;
    this.#cancelRetry = this.#options.clock.after(this.#retryMs, () => {
      this.#cancelRetry = null;
      this.poll();
    });
    this.#retryMs = Math.min(2 * this.#retryMs, retryMs.max);
  }

  #isDue(): boolean {
    const length = this.#length();
    return length !== null && isCheckpointDue(length, this.#framesMax);
  }

  /** The length of the log; null while this connection iterates over rows, because the pragma cannot run then. */
  #length(): LogLength | null {
    try {
      const { log, checkpointed } = this.#requestLength.get() as { log: number; checkpointed: number };
      return { frames: log, copied: checkpointed };
    } catch {
      return null;
    }
  }
}

function readFor(path: string, frames: number): PlatformError {
  const why = 'another process has kept a read transaction on the database open for long: end that process';
  return new PlatformError('unavailable', `${path}-wal cannot be restarted and has grown to ${frames} pages, because ${why}`);
}
