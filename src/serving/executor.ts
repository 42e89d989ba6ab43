/** A worker as dispatch sees it: idle or busy until when, and how much it takes at once. */
import type { Objective } from '../objective.ts';
import { batchSizeFor, type ServiceTable } from '../profiling/index.ts';
import { residualMs, type Server } from '../queueing/index.ts';
import type { RunRequests } from './run-requests.ts';

export interface AttachedWorker {
  readonly id: string;
  readonly instanceType: string;
  readonly usdPerHour: number;
  readonly run: RunRequests;
}

/** Encoding and sending an answer, and the way to the worker and back: what the service time does not hold. */
export const overheadMs = 0.5;

/** How often the batch size is looked at again, as measurements come in. */
const replanEveryMs = 5000;

export class Executor {
  readonly worker: AttachedWorker;
  /** What is known of its service times; a fuller one once they were measured. */
  table: ServiceTable;
  /** B_i: the most rows it takes at once. */
  batchSize = 1;
  /** Why B_i is what it is. */
  batchReason = '';
  isBusy = false;
  isDraining = false;
  /** When its current batch was dispatched; when idle, when the last one ended. */
  sinceMs = 0;
  /** When it was last known to live: attached, or answering. */
  aliveAtMs: number;
  #quantile = 0.95;
  #expectedMs = 0;
  #plannedAtMs = Number.NEGATIVE_INFINITY;

  constructor(worker: AttachedWorker, table: ServiceTable, nowMs: number) {
    this.worker = worker;
    this.table = table;
    this.aliveAtMs = nowMs;
  }

  /** Chooses the batch size anew where the last choice is old. */
  plan(objective: Objective | null, nowMs: number, isDue = nowMs - this.#plannedAtMs >= replanEveryMs): void {
    if (!isDue) return;
    this.#plannedAtMs = nowMs;
    this.#quantile = objective === null ? 0.95 : objective.percentile / 100;
    const choice = batchSizeFor(this.table, objective, overheadMs);
    this.batchSize = choice.batchSize;
    this.batchReason = choice.reason;
  }

  begin(rows: number, nowMs: number): void {
    this.isBusy = true;
    this.sinceMs = nowMs;
    this.#expectedMs = this.table.quantileMs(this.#quantile, rows);
  }

  end(nowMs: number): void {
    this.isBusy = false;
    this.sinceMs = nowMs;
  }

  asServer(nowMs: number): Server {
    return {
      residualMs: this.isBusy ? residualMs(nowMs - this.sinceMs, this.#expectedMs) : 0,
      batchSizeMax: this.batchSize,
      fullBatchMs: this.table.quantileMs(this.#quantile, this.batchSize),
    };
  }

  /** Rows per millisecond when there is always a full batch. */
  rowsPerMs(): number {
    return this.batchSize / Math.max(this.table.medianMs(this.batchSize), 0.01);
  }
}
