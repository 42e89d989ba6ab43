/** How long an executor takes to run one plan, and in which batches. An executor with one model has one plan. */
import type { Objective } from '../../objective.ts';
import { batchSizeFor, type ServiceTable } from '../../profiling/index.ts';

/** A batch that takes at most this much longer than one of B_i rows does not delay others. */
const barelyMore = 1.1;
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

  constructor(table: ServiceTable) {
    this.table = table;
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
