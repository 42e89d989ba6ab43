/**
 * SQLite's log (the WAL file) and when it is on the disk. SQLite waits for the disk by blocking the thread, at each commit. Here commits
 * may go without, and whoever must know that they last asks for it: the wait is then elsewhere, and one for all who ask meanwhile.
 *
 * This gives nothing away. A commit under `synchronous = NORMAL` is in the log at once, and the log is synced before anything is
 * copied from it into the file of the database, so a power loss takes at most the last commits, and leaves no half of one
 * (https://sqlite.org/wal.html, https://sqlite.org/pragma.html#pragma_synchronous). Synced, it is what a commit under FULL is.
 */
import { type FileHandle, open } from 'node:fs/promises';
import type { DatabaseSync } from 'node:sqlite';
import { asDiskError } from './disk-errors.ts';

export class SqliteLog {
  readonly #sqlite: DatabaseSync;
  readonly #path: string;
  #file: FileHandle | null = null;
  #running: Promise<void> | null = null;
  /** For those who came while one ran: what they committed may have come too late for it. */
  #next: Promise<void> | null = null;

  constructor(sqlite: DatabaseSync, path: string) {
    this.#sqlite = sqlite;
    this.#path = `${path}-wal`;
  }

  /** What is committed from now on is on the disk only after a `sync`; not inside a transaction. */
  defer(): void {
    this.#sqlite.exec('pragma synchronous = NORMAL');
  }

  /** Commits wait for the disk themselves again. */
  resume(): void {
    this.#sqlite.exec('pragma synchronous = FULL');
  }

  /** Resolves when all that was committed before is on the disk. Throws `unavailable`. */
  sync(): Promise<void> {
    if (this.#running === null) return this.#begin();
    this.#next ??= this.#running.then(
      () => this.#beginNext(),
      () => this.#beginNext(),
    );
    return this.#next;
  }

  async close(): Promise<void> {
    await this.#next?.catch(() => undefined);
    await this.#running?.catch(() => undefined);
    await this.#file?.close();
    this.#file = null;
  }

  #beginNext(): Promise<void> {
    this.#next = null;
    return this.#begin();
  }

  #begin(): Promise<void> {
    const run = this.#sync().finally(() => {
      if (this.#running === run) this.#running = null;
    });
    this.#running = run;
    return run;
  }

  async #sync(): Promise<void> {
    try {
      this.#file ??= await open(this.#path, 'r');
      await this.#file.datasync();
    } catch (error) {
      throw asDiskError(error, `sync ${this.#path}`);
    }
  }
}
