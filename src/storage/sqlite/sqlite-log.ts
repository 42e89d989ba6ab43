/**
 * Syncs SQLite's log (the WAL file) outside of commits. SQLite blocks the thread on the disk at each commit. With this class, commits skip
 * the sync, and callers that need durability await `sync`, which is asynchronous and shared by all concurrent callers.
 *
 * No guarantee is lost. A commit under `synchronous = NORMAL` is written to the log immediately, and SQLite syncs the log before
 * copying from it into the database file. A power loss therefore loses at most the last commits and never part of one
 * (https://sqlite.org/wal.html, https://sqlite.org/pragma.html#pragma_synchronous). After a sync, the commit is as durable as under FULL.
 */
import { type FileHandle, open } from 'node:fs/promises';
import type { DatabaseSync } from 'node:sqlite';
import { asDiskError } from '../../data-directory/index.ts';

/** A commit is durable once a `sync` that began after it has resolved. */
export class SqliteLog {
  readonly #sqlite: DatabaseSync;
  readonly #path: string;
  #file: FileHandle | null = null;
  #running: Promise<void> | null = null;
  /** The next sync. Callers that arrive during the current sync share it, because the current one may miss their commits. */
  #next: Promise<void> | null = null;

  constructor(sqlite: DatabaseSync, path: string) {
    this.#sqlite = sqlite;
    this.#path = `${path}-wal`;
  }

  /** Later commits are durable only after a `sync`. Must not be called inside a transaction. */
  defer(): void {
    this.#sqlite.exec('pragma synchronous = NORMAL');
  }

  /** Commits are synchronous again. */
  resume(): void {
    this.#sqlite.exec('pragma synchronous = FULL');
  }

  /** Resolves when all previous commits are on disk. Throws `unavailable`. */
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
