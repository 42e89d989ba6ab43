/** A worker as seen by dispatch: whether it is busy, the predicted time until it is free, and its batch size. */

import { type Objective, objectiveShare } from '../objective.ts';
import { platformOverheadMs, type ServiceTable } from '../profiling/index.ts';
import { isOverdue, type Rung, residualMs, type Server } from '../queueing/index.ts';
import { RungTimes } from './plans/rung-times.ts';
import type { RunRequests } from './runners/run-requests.ts';
import type { ServiceDrift } from './service-drift.ts';

/** A worker as deployment hands it over once it is ready. */
export interface AttachedWorker {
  readonly id: string;
  readonly instanceType: string;
  /** Returns the cost of a run in US dollars, and bills it if the worker is a function. Called once for each run. */
  readonly charge: (serviceMs: number) => number;
  readonly run: RunRequests;
  /** Models of the plans that it could not load. Absent: it has none. */
  readonly missingModels?: () => readonly MissingLadderModel[];
}

/** A model that a worker could not load, and why. */
export interface MissingLadderModel {
  /** `digits-cnn/1` */
  readonly model: string;
  readonly reason: string;
}

/** Functions are named by memory size, instances by type. */
export function isFunctionType(instanceType: string): boolean {
  return instanceType.startsWith('function:');
}

/** An executor counts as stuck only if delayed by more than this; shorter delays are load on the machine. */
const stuckMsMin = 10;

/** Minimum interval between recomputations of the batch size. */
const replanEveryMs = 5000;

/**
 * If full batches are less than this factor faster per row than single rows, a batch is not held for more rows while another runs.
 * The round trip between two batches would cost the worker more than batching saves.
 */
const batchGainMin = 1.25;

/**
 * A batch is sent ahead only if it then waits at most this long at the worker. Once sent, it cannot be cancelled if its client
 * disconnects, and more urgent requests cannot overtake it.
 */
const aheadMsMax = 20;
/** Behind a longer run it is sent just before the end: the way to the worker takes 1.5 to 3 ms on two busy cores. */
export const aheadMsMin = 2;
/** Behind an even longer one none is sent: the way is a small part of it, and if the run hangs, the batch could no longer be moved. */
const aheadRunMsMax = 100;

/** Runs one batch at a time. */
export class Executor {
  readonly worker: AttachedWorker;
  /** `instance:local.1` or `function:2048` (MiB). */
  readonly name: string;
  /** True for an on-demand function, false for an always-on instance. */
  readonly isFunction: boolean;
  /** By plan, from the cheapest to the most accurate; one for an executor with one model. */
  #rungs: readonly RungTimes[];
  /** The plan by which the executor is judged: the cheapest that a batch may have now. */
  base = 0;
  /** Tracks how far runs deviate from the quantile in the table; null if not needed. */
  drift: ServiceDrift | null = null;
  /** The same for the table's median, which lags behind a change by hundreds of runs. null unless `asTypicalServer` is used. */
  pace: ServiceDrift | null = null;
  #latencyMs = Number.POSITIVE_INFINITY;
  isDraining = false;
  /** When its current batch began: at dispatch, or when the previous batch ended. If idle, when the last batch ended. */
  sinceMs = 0;
  /** When it was last known to be alive: when it attached, or last returned a result. */
  aliveAtMs: number;
  /** Total time of its batches. */
  busyMs = 0;
  #quantile = 0.95;
  readonly #overMs: number;
  /** Expected durations of its dispatched batches by the quantile, current one first. */
  readonly #expectedMs: number[] = [];
  /** The same by the median. */
  readonly #typicalMs: number[] = [];
  readonly #rows: number[] = [];
  #plannedAtMs = Number.NEGATIVE_INFINITY;

  /** `overMs`: time for transfer to the worker and back, and for encoding. */
  constructor(worker: AttachedWorker, table: ServiceTable, nowMs: number, overMs: number = platformOverheadMs) {
    this.worker = worker;
    this.isFunction = isFunctionType(worker.instanceType);
    this.name = this.isFunction ? worker.instanceType : `instance:${worker.instanceType}`;
    this.#rungs = [new RungTimes(table)];
    this.#overMs = overMs;
    this.aliveAtMs = nowMs;
  }

  get #base(): RungTimes {
    return this.#rungs[this.base] as RungTimes;
  }

  /** Known service times of the base plan. */
  get table(): ServiceTable {
    return this.#base.table;
  }

  /** B_i: the maximum number of rows per batch. */
  get batchSize(): number {
    return this.#base.batchSize;
  }

  /** Explains B_i. */
  get batchReason(): string {
    return this.#base.batchReason;
  }

  /** Batch sizes above B_i that are faster per row and can meet the objective, ascending. */
  get sizesBeyond(): readonly number[] {
    return this.#base.sizesBeyond;
  }

  /** The batch size of late requests. At least B_i. */
  get batchSizeBehind(): number {
    return this.#base.batchSizeBehind;
  }

  /** Sets the service times by plan; call `plan` afterwards. */
  useTables(tables: readonly ServiceTable[]): void {
    this.#rungs = tables.map((table) => new RungTimes(table));
  }

  /** Full batches by plan. A plan that is not measured yet takes no time. */
  rungs(): readonly Rung[] {
    return this.#rungs.map(({ table, batchSize }) => ({
      batchSizeMax: batchSize,
      fullBatchMs: table.quantileMs(this.#quantile, batchSize),
    }));
  }

  /** Whether a plan was measured. */
  isKnown(rung: number): boolean {
    return this.#tableOf(rung).isKnown;
  }

  #tableOf(rung: number): ServiceTable {
    return (this.#rungs[rung] as RungTimes).table;
  }

  /** Recomputes the batch size. By default only if the last choice is older than `replanEveryMs`. */
  plan(objective: Objective | null, nowMs: number, isDue = nowMs - this.#plannedAtMs >= replanEveryMs): void {
    if (!isDue) return;
    this.#plannedAtMs = nowMs;
    this.#quantile = objective === null ? 0.95 : objectiveShare(objective);
    this.#latencyMs = objective?.latencyMs ?? Number.POSITIVE_INFINITY;
    for (const [index, rung] of this.#rungs.entries()) {
      if (index > this.base) rung.forgetUnused(this.table, nowMs);
      rung.plan(objective, this.#overMs, this.pace?.factor ?? 1);
    }
  }

  /** Sets a batch size and prediction quantile chosen by the function rule, instead of computing them. */
  fix(batchSize: number, quantile: number, reason: string): void {
    this.#base.batchSize = batchSize;
    this.#base.batchReason = reason;
    this.#quantile = quantile;
  }

  get isBusy(): boolean {
    return this.#expectedMs.length > 0;
  }

  /** Whether a second batch may be sent now, to start as soon as the current one is done. */
  acceptsAhead(nowMs: number): boolean {
    return this.aheadInMs(nowMs) === 0;
  }

  /**
   * Time until a second batch may be sent; infinite if none may. Not if the current batch is overdue: it may be hung, and would block the
   * second.
   */
  aheadInMs(nowMs: number): number {
    const [currentMs = Number.POSITIVE_INFINITY] = this.#expectedMs;
    const mayHang = isOverdue(nowMs - this.sinceMs, currentMs);
    if (this.#expectedMs.length !== 1 || mayHang || this.isDraining || !this.table.isKnown) return Number.POSITIVE_INFINITY;
    if (currentMs <= aheadMsMax) return 0;
    return currentMs > aheadRunMsMax ? Number.POSITIVE_INFINITY : Math.max(0, this.typicalResidualMs(nowMs) - aheadMsMin);
  }

  /** Whether a batch of this many rows should be held for more rows instead of being sent ahead. */
  benefitsFromBatching(rows: number, rung: number = this.base): boolean {
    const { batchSize, table } = this.#rungs[rung] as RungTimes;
    return rows < batchSize && batchSize * table.medianMs(1) > batchGainMin * table.medianMs(batchSize);
  }

  /**
   * B_i. If the queue is so long that its last request misses the objective anyway: the batch size with the best throughput. A
   * smaller batch would delay all requests. Larger batches are also measured again, so a B_i that is too small because of a wrong
   * measurement recovers.
   */
  batchSizeAt(rowsWaiting: number): number {
    return this.isExceededBy(rowsWaiting) ? this.batchSizeLate : this.batchSize;
  }

  /** Whether the last of that many waiting rows misses the objective. */
  isExceededBy(rowsWaiting: number): boolean {
    return rowsWaiting > this.rowsPerMs() * this.#latencyMs;
  }

  /** The batch size of such a queue. */
  get batchSizeLate(): number {
    return Math.max(this.batchSize, this.#base.batchSizeFastest);
  }

  /** Records the duration of a batch. */
  observe(rows: number, ms: number, rung: number = this.base): void {
    const table = this.#tableOf(rung);
    this.drift?.observe(table.quantileMs(this.#quantile, rows), ms);
    this.pace?.observe(table.medianMs(rows), ms);
    table.observe(rows, ms);
  }

  /** Rows of its dispatched batches. */
  get rowsRunning(): number {
    return this.#rows.reduce((sum, rows) => sum + rows, 0);
  }

  /** A batch of `rows` was dispatched to this executor. */
  begin(rows: number, nowMs: number, rung: number = this.base): void {
    if (!this.isBusy) this.sinceMs = nowMs;
    const table = this.#tableOf(rung);
    this.#expectedMs.push(table.quantileMs(this.#quantile, rows));
    this.#typicalMs.push(table.medianMs(rows));
    this.#rows.push(rows);
  }

  /** The current batch is done; a batch sent ahead begins now. */
  end(nowMs: number): void {
    this.#expectedMs.shift();
    this.#typicalMs.shift();
    this.#rows.shift();
    this.busyMs += nowMs - this.sinceMs;
    this.sinceMs = nowMs;
  }

  asServer(nowMs: number): Server {
    return {
      residualMs: this.residualMs(nowMs),
      batchSizeMax: this.batchSize,
      fullBatchMs: this.#fullBatchMs(),
    };
  }

  /** The same by the current median instead of the quantile. */
  asTypicalServer(nowMs: number): Server {
    const residualMs = this.typicalResidualMs(nowMs);
    return { residualMs, batchSizeMax: this.batchSize, fullBatchMs: this.typicalMs(this.batchSize) };
  }

  /** Time until it has finished its dispatched batches. */
  residualMs(nowMs: number): number {
    return this.#residualMs(this.#expectedMs, nowMs);
  }

  /** The same by the current median. */
  typicalResidualMs(nowMs: number): number {
    const factor = this.pace?.factor ?? 1;
    return this.#residualMs(
      this.#typicalMs.map((ms) => ms * factor),
      nowMs,
    );
  }

  #residualMs([current, next = 0]: readonly number[], nowMs: number): number {
    return current === undefined ? 0 : residualMs(nowMs - this.sinceMs, current) + next;
  }

  /** S_q(b): the service time of a batch of `rows` at the objective's quantile. */
  serviceMs(rows: number, rung: number = this.base): number {
    return this.#tableOf(rung).quantileMs(this.#quantile, rows);
  }

  /** The current median of a batch of `rows`. */
  typicalMs(rows: number, rung: number = this.base): number {
    return this.#tableOf(rung).medianMs(rows) * (this.pace?.factor ?? 1);
  }

  /** Whether the current run is so overdue that its end cannot be predicted. */
  isStuck(nowMs: number): boolean {
    const current = this.#expectedMs[0];
    return current !== undefined && nowMs - this.sinceMs > 2 * Math.max(current, this.#fullBatchMs()) + stuckMsMin;
  }

  #fullBatchMs(): number {
    return this.table.quantileMs(this.#quantile, this.batchSize);
  }

  /** Rows per millisecond with full batches. */
  rowsPerMs(): number {
    return this.batchSize / Math.max(this.table.medianMs(this.batchSize), 0.01);
  }
}
