/**
 * Detects lost commits. If SQLite's log (WAL) was truncated or deleted, SQLite silently continues from an earlier state. Therefore the
 * number of the last event is also written to a file next to the database. If the database knows fewer events at the next start, commits
 * were lost.
 */
import { readFileSync } from 'node:fs';
import { rename, writeFile } from 'node:fs/promises';
import { type Clock, repeat } from '../../clock.ts';
import type { Database } from '../tables.ts';

/** The database, and the file beside it. */
export interface CommittedSequenceOptions {
  readonly db: Database;
  readonly clock: Clock;
  readonly file: string;
  readonly onFailure: (error: unknown) => void;
}

/** The difference is the number of events that the database has lost. */
export interface LostCommits {
  /** The last event number in the file. */
  readonly recorded: number;
  /** The last event number in the database. */
  readonly found: number;
}

const recordEveryMs = 1000;

/** Detects lost commits; it cannot bring them back. */
export class CommittedSequence {
  readonly #options: CommittedSequenceOptions;
  #recorded = -1;
  #end = async (): Promise<void> => undefined;

  constructor(options: CommittedSequenceOptions) {
    this.#options = options;
  }

  /** Call at startup. Null if nothing is missing, or no number was recorded. */
  async check(): Promise<LostCommits | null> {
    const recorded = read(this.#options.file);
    const found = await this.#inDatabase();
    return recorded !== null && found < recorded ? { recorded, found } : null;
  }

  /** Starts recording the number once a second if it changed. */
  open(): void {
    const { clock, onFailure } = this.#options;
    this.#end = repeat(clock, recordEveryMs, () => this.record(), onFailure);
  }

  async record(): Promise<void> {
    const seq = await this.#inDatabase();
    if (seq === this.#recorded) return;
    const temporary = `${this.#options.file}.tmp`;
    // Not synced: after a power loss it may be older than the database. It is never newer by more than one commit in progress.
    await writeFile(temporary, `${JSON.stringify({ events: seq })}\n`, { mode: 0o600 });
    await rename(temporary, this.#options.file);
    this.#recorded = seq;
  }

  async close(): Promise<void> {
    await this.#end();
    await this.record().catch(this.#options.onFailure);
  }

  async #inDatabase(): Promise<number> {
    const row = await this.#options.db.selectFrom('event_head').select('seq').executeTakeFirst();
    return Number(row?.seq ?? 0);
  }
}

function read(file: string): number | null {
  try {
    const content: unknown = JSON.parse(readFileSync(file, 'utf8'));
    const isNumber = typeof content === 'object' && content !== null && 'events' in content && typeof content.events === 'number';
    return isNumber ? (content.events as number) : null;
  } catch {
    return null; // Nothing was recorded, or the file was damaged by a power loss.
  }
}
