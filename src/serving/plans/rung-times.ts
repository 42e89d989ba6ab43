/** How long an executor takes to run one plan, and in which batches. An executor with one model has one plan. */
import type { Objective } from '../../objective.ts';
import { batchSizeFor, type ServiceTable } from '../../profiling/index.ts';

/** A batch that takes at most this much longer than one of B_i rows does not delay others. */
const barelyMore = 1.1;
/** A plan without a run for so long is judged by its profile. */
const unusedMs = 30_000;
/** Batch sizes that are tried differ by at least this factor. */
const sizeStep = 1.15;

export class RungTimes {
  /** Replaced when a new profile is measured. */
  table: ServiceTable;
  /** B: the maximum number of rows per batch. */
  batchSize = 1;
  /** Explains B. */
  batchReason = '';
  /** The batch size with the best throughput, regardless of the objective. */
  batchSizeFastest = 1;
  /** Batch sizes above B that are faster per row and can meet the objective, ascending. */
  sizesBeyond: readonly number[] = [];
  /** The batch size of late requests: the fastest per row that lets a request arriving meanwhile be in time. At least B. */
  batchSizeBehind = 1;
  #served = 0;
  #servedAtMs = Number.NEGATIVE_INFINITY;

  constructor(table: ServiceTable) {
    this.table = table;
  }

  /**
   * A plan that is not chosen is not measured: if a busy moment made it look too slow, nothing would ever show that it is not. So a plan
   * without a run for a while is judged by its profile again, and by how `base`, which does run, has changed since its own.
   */
  forgetUnused(base: ServiceTable, nowMs: number): void {
    const { served } = this.table;
    if (served !== this.#served || this.#servedAtMs === Number.NEGATIVE_INFINITY) {
      [this.#served, this.#servedAtMs] = [served, nowMs];
    } else if (served > 0 && nowMs - this.#servedAtMs >= unusedMs) {
      this.table.forgetServed(Math.max(1, base.changeNow));
      [this.#served, this.#servedAtMs] = [this.table.served, nowMs];
    }
  }

  /** Recomputes the batch sizes. `pace`: how much longer than the medians of the table runs take now. */
  plan(objective: Objective | null, overMs: number, pace: number): void {
    const choice = batchSizeFor(this.table, objective, overMs);
    this.batchSize = choice.batchSize;
    this.batchReason = choice.reason;
    this.batchSizeFastest = batchSizeFor(this.table, null, overMs).batchSize;
    const sizes = sizesBetween(this.batchSize, this.batchSizeFastest);
    const spareMs = (objective?.latencyMs ?? Number.POSITIVE_INFINITY) - overMs;
    const typicalMs = (rows: number): number => this.table.medianMs(rows) * pace;
    this.sizesBeyond = sizes.filter((rows) => typicalMs(rows) <= spareMs);
    const behindMs = Math.max(spareMs - typicalMs(this.batchSize), barelyMore * typicalMs(this.batchSize));
    this.batchSizeBehind = sizes.findLast((rows) => typicalMs(rows) <= behindMs) ?? this.batchSize;
  }
}

/** Batch sizes above `from` up to `to`, ascending. */
function sizesBetween(from: number, to: number): number[] {
  const sizes: number[] = [];
  for (let rows = from; rows < to; ) {
    rows = Math.min(to, Math.max(rows + 1, Math.floor(rows * sizeStep)));
    sizes.push(rows);
  }
  return sizes;
}
