/**
 * A lock on a file that ends with its process, even after kill -9, and so cannot become stale: an exclusive transaction on an empty SQLite
 * database, which SQLite implements with a lock of the operating system. Exactly one of two competing processes gets it. Node.js has no
 * other API for such a lock (ADR 4).
 */
import { DatabaseSync } from 'node:sqlite';

/** Held from its creation to `release` or the end of the process, whichever is first. */
export class FileLock {
  readonly #held: DatabaseSync;

  private constructor(held: DatabaseSync) {
    this.#held = held;
  }

  /**
   * Creates the file if it is missing. Returns null if another holder has the lock and does not release it within `patienceMs`. Throws the
   * system's error if the file cannot be created, or if its disk has no locks.
   */
  static take(file: string, patienceMs: number): FileLock | null {
    let held: DatabaseSync | undefined;
    try {
      held = new DatabaseSync(file, { timeout: patienceMs });
      held.exec('begin exclusive');
      return new FileLock(held);
    } catch (error) {
      held?.close();
      if (isBusy(error)) return null;
      throw error;
    }
  }

  /** Whether another holder has the lock. False if there is no such file, or if it cannot be read. */
  static isHeld(file: string): boolean {
    let looking: DatabaseSync | undefined;
    try {
      looking = new DatabaseSync(file, { readOnly: true });
      looking.prepare('select count(*) from sqlite_master').get();
      return false;
    } catch (error) {
      return isBusy(error);
    } finally {
      looking?.close();
    }
  }

  release(): void {
    this.#held.close();
  }
}

function isBusy(error: unknown): boolean {
  return error instanceof Error && 'errcode' in error && typeof error.errcode === 'number' && (error.errcode & 255) === 5;
}
