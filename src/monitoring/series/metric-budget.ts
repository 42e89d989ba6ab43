/**
 * Holds the file of what was measured to a size. Where it grows beyond, the oldest of the finest goes first: seconds, then ten seconds, then
 * minutes. What is deleted leaves room that is written to next; the file itself never shrinks.
 */
import { type Clock, repeat } from '../../clock.ts';
import type { Database, FileSize } from '../../storage/index.ts';
import { sizeOfFile } from '../../storage/index.ts';
import { clearOldest, type Resolution, resolutions } from './metric-rows.ts';

export interface MetricBudgetOptions {
  /** In SQLite. */
  readonly db: Database;
  readonly clock: Clock;
  readonly bytesMax: number;
  /** What was measured before (epoch seconds) is gone. */
  readonly onDropped: (resolution: Resolution, before: number) => void;
  /** It begins to drop what would have been kept; told again only once there was room for a while. */
  readonly onFull: (size: FileSize) => void;
  readonly onFailure: (error: unknown) => void;
}

const everyMs = 60_000;
/** Of a statement, and so many of them each time: whoever else uses the database waits for one. */
const rowsAtOnce = 1000;
const batchesMax = 50;
/** Below that share of the limit there is room again. */
const roomyShare = 0.9;
/** Seconds that are kept however large the file is: what alarms look at, and whoever watches now. */
const keptS: Readonly<Record<Resolution, number>> = { 1: 300, 10: 3600, 60: 86_400 };

export class MetricBudget {
  readonly #options: MetricBudgetOptions;
  #size: FileSize = { usedBytes: 0, freeBytes: 0 };
  #isFull = false;
  #endKeeping: () => Promise<void> = async () => {};

  constructor(options: MetricBudgetOptions) {
    this.#options = options;
  }

  async open(): Promise<void> {
    const { db, clock, onFailure } = this.#options;
    this.#size = await sizeOfFile(db);
    this.#endKeeping = repeat(clock, everyMs, () => this.keep(), onFailure);
  }

  close(): Promise<void> {
    return this.#endKeeping();
  }

  /** As it was last looked at. */
  get size(): FileSize {
    return this.#size;
  }

  /** Looks, and drops what is too much. By itself once a minute. */
  async keep(): Promise<void> {
    const { db, bytesMax, onFull } = this.#options;
    this.#size = await sizeOfFile(db);
    if (this.#size.usedBytes < bytesMax * roomyShare) this.#isFull = false;
    for (let batch = 0; batch < batchesMax && this.#size.usedBytes > bytesMax; batch++) {
      if (!this.#isFull) onFull(this.#size);
      this.#isFull = true;
      if (!(await this.#dropSome())) return;
      this.#size = await sizeOfFile(db);
      await new Promise((resolve) => setImmediate(resolve));
    }
  }

  /** False where there is nothing that may go. */
  async #dropSome(): Promise<boolean> {
    const { db, clock, onDropped } = this.#options;
    const second = Math.floor(clock.wallMs() / 1000);
    for (const resolution of resolutions) {
      const before = await clearOldest(db, resolution, second - keptS[resolution], rowsAtOnce);
      if (before === null) continue;
      onDropped(resolution, before);
      return true;
    }
    return false;
  }
}
