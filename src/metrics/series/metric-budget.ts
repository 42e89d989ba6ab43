/**
 * Limits the size of the metrics database. Beyond the limit, the oldest data of the finest resolution is deleted first: seconds, then ten
 * seconds, then minutes. Freed pages are reused; the file never shrinks.
 */
import { type Clock, repeat } from '../../clock.ts';
import type { Database, FileSize } from '../../storage/index.ts';
import { sizeOfFile } from '../../storage/index.ts';
import { deleteOldestSpans, resolutions, type SpanResolution } from './metric-rows.ts';

/** The database to bound, and the callback that reports what was dropped. */
export interface MetricBudgetOptions {
  /** A SQLite database. */
  readonly db: Database;
  readonly clock: Clock;
  readonly bytesMax: number;
  /** Data of a resolution from before this time (epoch seconds) was deleted. */
  readonly onDropped: (resolution: SpanResolution, before: number) => void;
  /** Called when the limit starts to delete unexpired data; not called again until there has been room. */
  readonly onFull: (size: FileSize) => void;
  readonly onFailure: (error: unknown) => void;
}

const everyMs = 60_000;
/** Rows per statement, and statements per round: other users of the database wait for one statement. */
const rowsAtOnce = 1000;
const batchesMax = 50;
/** Below this share of the limit, there is room again. */
const resumeShare = 0.9;
/** Always retained, in seconds: what alarms and live charts need. */
const retainedSeconds: Readonly<Record<SpanResolution, number>> = { 1: 300, 10: 3600, 60: 86_400 };

/** Checks once a minute. `onFull` is called when the limit is first exceeded. */
export class MetricBudget {
  readonly #options: MetricBudgetOptions;
  #size: FileSize = { usedBytes: 0, freeBytes: 0 };
  #isFull = false;
  #stopChecking: () => Promise<void> = async () => {};

  constructor(options: MetricBudgetOptions) {
    this.#options = options;
  }

  async open(): Promise<void> {
    const { db, clock, onFailure } = this.#options;
    this.#size = await sizeOfFile(db);
    this.#stopChecking = repeat(clock, everyMs, () => this.enforce(), onFailure);
  }

  close(): Promise<void> {
    return this.#stopChecking();
  }

  /** As of the last check. */
  get size(): FileSize {
    return this.#size;
  }

  /** Checks the size and deletes data beyond the limit. Also runs once a minute. */
  async enforce(): Promise<void> {
    const { db, bytesMax, onFull } = this.#options;
    this.#size = await sizeOfFile(db);
    if (this.#size.usedBytes < bytesMax * resumeShare) this.#isFull = false;
    for (let batch = 0; batch < batchesMax && this.#size.usedBytes > bytesMax; batch++) {
      if (!this.#isFull) onFull(this.#size);
      this.#isFull = true;
      if (!(await this.#dropSome())) return;
      this.#size = await sizeOfFile(db);
      await new Promise((resolve) => setImmediate(resolve));
    }
  }

  /** False if nothing can be deleted. */
  async #dropSome(): Promise<boolean> {
    const { db, clock, onDropped } = this.#options;
    const second = Math.floor(clock.wallMs() / 1000);
    for (const resolution of resolutions) {
      const before = await deleteOldestSpans(db, resolution, second - retainedSeconds[resolution], rowsAtOnce);
      if (before === null) continue;
      onDropped(resolution, before);
      return true;
    }
    return false;
  }
}
