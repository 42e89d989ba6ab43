/** Progress of a transform and its estimated remaining time. */
import type { Clock } from '../../clock.ts';
import type { Checkpoint } from './transform-io.ts';
import type { TransformProgress } from './transform-job.ts';
import type { Totals } from './transform-rows.ts';

interface Live {
  records: number;
  skipped: number;
  bytes: number;
}

/** Progress of a transform that is not running. Checkpoints of unfinished objects count, because they will be resumed. */
export function storedProgress(totals: Totals, begun: readonly Checkpoint[]): TransformProgress {
  let { records, skipped, bytesDone } = totals;
  for (const checkpoint of begun) {
    records += checkpoint.records;
    skipped += checkpoint.skipped;
    bytesDone += checkpoint.position.offset;
  }
  return { ...totals, records, skipped, bytesDone: Math.min(bytesDone, totals.bytes), recordsPerSecond: null, remainingMs: null };
}

/** Minimum time for a meaningful rate. */
const leastMs = 500;

/** The rate counts only what this run has read, so a resumed object does not distort it. */
export class ProgressMeter {
  readonly #clock: Clock;
  /** Objects in progress, by position. */
  readonly #live = new Map<number, Live>();
  #startedMs: number | null = null;
  #records = 0;
  #bytes = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Starts an object, or resumes it after `before`. */
  begin(position: number, before: { readonly records: number; readonly skipped: number; readonly bytes: number }): void {
    this.#startedMs ??= this.#clock.nowMs();
    this.#live.set(position, { ...before });
  }

  read(position: number, bytes: number): void {
    const live = this.#live.get(position);
    if (live !== undefined) live.bytes += bytes;
    this.#bytes += bytes;
  }

  wrote(position: number, records: number, skipped: number): void {
    const live = this.#live.get(position);
    if (live !== undefined) {
      live.records += records;
      live.skipped += skipped;
    }
    this.#records += records;
  }

  /** Ends an object, which is then included in the totals. */
  end(position: number): void {
    this.#live.delete(position);
  }

  progress(totals: Totals): TransformProgress {
    let { records, skipped, bytesDone } = totals;
    for (const live of this.#live.values()) {
      records += live.records;
      skipped += live.skipped;
      bytesDone += live.bytes;
    }
    bytesDone = Math.min(bytesDone, totals.bytes);
    const elapsedMs = this.#startedMs === null ? 0 : this.#clock.nowMs() - this.#startedMs;
    if (elapsedMs < leastMs || this.#bytes === 0)
      return { ...totals, records, skipped, bytesDone, recordsPerSecond: null, remainingMs: null };
    const remainingMs = Math.round(((totals.bytes - bytesDone) * elapsedMs) / this.#bytes);
    return { ...totals, records, skipped, bytesDone, recordsPerSecond: (this.#records / elapsedMs) * 1000, remainingMs };
  }
}
