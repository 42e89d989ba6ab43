/**
 * The approximation of BATCH (Ali, Pinciroli, Yan, Smirni, SC'20), following its public solver. For comparison, not for planning.
 * It assumes that waits are spread evenly over [0, T] and that latencies of different batch sizes do not overlap. The latter holds
 * only if S(b+1) − S(b) is much longer than T. It prices the batch size at the p95, not the mean. The search as published has B = 20,
 * and this approximation chooses memory and T.
 */
import assert from 'node:assert/strict';
import { arrivalRatePerSecond } from '../arrivals/arrival-process.ts';
import { type FixedService, fixedService } from '../service-law.ts';
import type { WaitTable } from '../waits/wait-table.ts';
import type { ChoiceInput } from './choice.ts';
import { type CallPrice, callUsd } from './cost.ts';
import type { MemoryOption } from './memory-option.ts';
import type { SearchSpace } from './search.ts';
import type { PromisedLatency } from './search-space.ts';

/** b*: the first size with Σ_{i≤b} q_i ≥ q, where q_b = b·p_b/E[b] is the share of requests in batches of b. */
function decisiveBatchSize({ batchSizePmf, meanBatch, batchSizeMax }: WaitTable, quantile: number): { batchSize: number; before: number } {
  let before = 0;
  for (let b = 1; b < batchSizeMax; b++) {
    const share = (b * (batchSizePmf[b] as number)) / meanBatch;
    if (before + share >= quantile) return { batchSize: b, before };
    before += share;
  }
  return { batchSize: batchSizeMax, before };
}

/** S(b*) + w·(q − Σ_{i<b*} q_i)/q_{b*} with w = T for b* < B, min((B − 1)/λ, T) for b* = B. `table` has a fixed T. */
export function paperQuantileMs(table: WaitTable, ratePerSecond: number, service: FixedService, quantile: number): number {
  assert(table.waitMsMax !== null, 'the approximation needs a fixed T');
  const { batchSize, before } = decisiveBatchSize(table, quantile);
  const share = (batchSize * (table.batchSizePmf[batchSize] as number)) / table.meanBatch;
  const isFull = batchSize === table.batchSizeMax;
  const spanMs = isFull ? Math.min((1000 * (batchSize - 1)) / ratePerSecond, table.waitMsMax) : table.waitMsMax;
  return service.serviceMs(batchSize) + (share > 0 ? (spanMs * (quantile - before)) / share : 0);
}

/** The cost of one call with b* rows divided by b*, per million requests; b* is that of the p95. */
export function paperCostUsdPerMillion(table: WaitTable, service: FixedService, memoryMiB: number, price: CallPrice): number {
  const { batchSize } = decisiveBatchSize(table, 0.95);
  return (1e6 * callUsd(batchSize, service, memoryMiB, price)) / batchSize;
}

const paperBatchSizeMax = 20;

/** The approximation assumes fixed service times: the measured means. */
const serviceOf = ({ meanMs }: MemoryOption): FixedService => fixedService((batchSize) => meanMs[batchSize] as number);

/** Replaces B, cost and share in time of a search space by those of the publication. Wait tables stay. */
export function paperSearchSpace(
  foundation: SearchSpace,
  { arrivals, price }: ChoiceInput,
  { quantile, limitMs, extras }: PromisedLatency,
): SearchSpace {
  const ratePerSecond = arrivals.process === null ? recordedRatePerSecond(arrivals.recordedMs) : arrivalRatePerSecond(arrivals.process);
  const withinMs = limitMs - (extras.overheadMs ?? 0);
  return {
    ...foundation,
    batchSizeMin: paperBatchSizeMax,
    batchSizeMax: paperBatchSizeMax,
    tableOf: (candidate) => foundation.tableOf(candidate),
    costUsdPerMillion: (table, option) => paperCostUsdPerMillion(table, serviceOf(option), option.memoryMiB, price),
    shareInTime: (table, option) => (paperQuantileMs(table, ratePerSecond, serviceOf(option), quantile) <= withinMs ? 1 : 0),
  };
}

/** Mean rate of the recorded arrivals; 0 if there are too few. */
function recordedRatePerSecond(recordedMs: Float64Array): number {
  const spanMs = (recordedMs.at(-1) ?? 0) - (recordedMs[0] ?? 0);
  return spanMs > 0 ? (1000 * (recordedMs.length - 1)) / spanMs : 0;
}
