/** A worker as dispatch sees it: idle or busy until when, and how much it takes at once. */
import { type Objective, promisedShare } from '../objective.ts';
import { batchSizeFor, overheadMs, type ServiceTable } from '../profiling/index.ts';
import { isOverdue, residualMs, type Server } from '../queueing/index.ts';
import type { RunRequests } from './run-requests.ts';
import type { ServiceDrift } from './service-drift.ts';

export interface AttachedWorker {
  readonly id: string;
  readonly instanceType: string;
  /** What one run of so many milliseconds costs, in US dollars; called once for each run that ended. */
  readonly charge: (serviceMs: number) => number;
  readonly run: RunRequests;
}

/** Functions are called by their memory size, instances by their type. */
export function isFunctionType(instanceType: string): boolean {
  return instanceType.startsWith('function:');
}

/** By less than this nobody is stuck, but held up by the machine. */
const stuckMsMin = 10;

/** How often the batch size is looked at again, as measurements come in. */
const replanEveryMs = 5000;

/**
 * Where rows in full batches are less than this much faster than each alone, nobody waits for company behind a batch that runs: what the worker loses
 * by waiting for the way there and back between two batches is more.
 */
const batchGainMin = 1.25;

/**
 * A batch is sent ahead only where it then waits no longer than this at the worker: what was sent can neither be taken
 * back when its client leaves nor be overtaken by a more urgent one.
 */
const aheadMsMax = 20;

export class Executor {
  readonly worker: AttachedWorker;
  /** `instance:local.1`, `function:2048` */
  readonly name: string;
  /** It runs on demand, rather than always. */
  readonly isFunction: boolean;
  /** What is known of its service times; a fuller one once they were measured. */
  table: ServiceTable;
  /** Told of each run, where somebody follows how far they run away from the table. */
  drift: ServiceDrift | null = null;
  /** B_i: the most rows it takes at once. */
  batchSize = 1;
  /** The size of best throughput, whatever the promise. */
  #batchSizeFastest = 1;
  #latencyMs = Number.POSITIVE_INFINITY;
  /** Why B_i is what it is. */
  batchReason = '';
  isDraining = false;
  /** When its current batch began: was dispatched, or came up behind the one before. When idle, when the last one ended. */
  sinceMs = 0;
  /** When it was last known to live: attached, or answering. */
  aliveAtMs: number;
  #quantile = 0.95;
  readonly #overMs: number;
  /** What each batch that it was sent is expected to take, the current one first. */
  readonly #expectedMs: number[] = [];
  #plannedAtMs = Number.NEGATIVE_INFINITY;

  /** `overMs` is the way there and back and the encoding of an answer. */
  constructor(worker: AttachedWorker, table: ServiceTable, nowMs: number, overMs: number = overheadMs) {
    this.worker = worker;
    this.isFunction = isFunctionType(worker.instanceType);
    this.name = this.isFunction ? worker.instanceType : `instance:${worker.instanceType}`;
    this.table = table;
    this.#overMs = overMs;
    this.aliveAtMs = nowMs;
  }

  /** Chooses the batch size anew where the last choice is old. */
  plan(objective: Objective | null, nowMs: number, isDue = nowMs - this.#plannedAtMs >= replanEveryMs): void {
    if (!isDue) return;
    this.#plannedAtMs = nowMs;
    this.#quantile = objective === null ? 0.95 : promisedShare(objective);
    const choice = batchSizeFor(this.table, objective, this.#overMs);
    this.batchSize = choice.batchSize;
    this.batchReason = choice.reason;
    this.#batchSizeFastest = batchSizeFor(this.table, null, this.#overMs).batchSize;
    this.#latencyMs = objective?.latencyMs ?? Number.POSITIVE_INFINITY;
  }

  /** Takes so many rows at once from now on, and predicts by this quantile: it was decided elsewhere. */
  fix(batchSize: number, quantile: number, reason: string): void {
    this.batchSize = batchSize;
    this.batchReason = reason;
    this.#quantile = quantile;
  }

  get isBusy(): boolean {
    return this.#expectedMs.length > 0;
  }

  /**
   * Whether a batch may be sent behind the current one, to be at hand when that is done. Not where it should have been by now: it may hang, and what
   * was sent would hang with it.
   */
  takesAhead(nowMs: number): boolean {
    const [currentMs = Number.POSITIVE_INFINITY] = this.#expectedMs;
    const mayHang = isOverdue(nowMs - this.sinceMs, currentMs);
    return this.#expectedMs.length === 1 && currentMs <= aheadMsMax && !mayHang && !this.isDraining && this.table.isKnown;
  }

  /** Whether so many rows had better wait for more than be sent ahead. */
  gainsByCompany(rows: number): boolean {
    return rows < this.batchSize && this.batchSize * this.table.medianMs(1) > batchGainMin * this.table.medianMs(this.batchSize);
  }

  /**
   * B_i; but where so many rows wait for this executor that the promise is broken for the last of them anyway, the size
   * of best throughput: a smaller one would make everybody later, and a B_i that a mistaken measurement had made too
   * small would never be found out.
   */
  batchSizeAt(rowsWaiting: number): number {
    return rowsWaiting > this.rowsPerMs() * this.#latencyMs ? Math.max(this.batchSize, this.#batchSizeFastest) : this.batchSize;
  }

  /** A batch of so many rows took so long. */
  observe(rows: number, ms: number): void {
    this.drift?.observe(this.table.quantileMs(this.#quantile, rows), ms);
    this.table.observe(rows, ms);
  }

  begin(rows: number, nowMs: number): void {
    if (!this.isBusy) this.sinceMs = nowMs;
    this.#expectedMs.push(this.table.quantileMs(this.#quantile, rows));
  }

  end(nowMs: number): void {
    this.#expectedMs.shift();
    this.sinceMs = nowMs;
  }

  asServer(nowMs: number): Server {
    return {
      residualMs: this.residualMs(nowMs),
      batchSizeMax: this.batchSize,
      fullBatchMs: this.#fullBatchMs(),
    };
  }

  /** How long until it has done what it was sent. */
  residualMs(nowMs: number): number {
    const current = this.#expectedMs[0];
    return current === undefined ? 0 : residualMs(nowMs - this.sinceMs, current) + (this.#expectedMs[1] ?? 0);
  }

  /** S_q(b): within which it will most likely have done a batch of so many rows. */
  serviceMs(rows: number): number {
    return this.table.quantileMs(this.#quantile, rows);
  }

  /** It has taken so long that nobody knows when it will be free. */
  isStuck(nowMs: number): boolean {
    const current = this.#expectedMs[0];
    return current !== undefined && nowMs - this.sinceMs > 2 * Math.max(current, this.#fullBatchMs()) + stuckMsMin;
  }

  #fullBatchMs(): number {
    return this.table.quantileMs(this.#quantile, this.batchSize);
  }

  /** Rows per millisecond when there is always a full batch. */
  rowsPerMs(): number {
    return this.batchSize / Math.max(this.table.medianMs(this.batchSize), 0.01);
  }
}
