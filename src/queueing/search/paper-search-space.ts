/** The search as published with BATCH: B = 20; memory and T are chosen by its approximation of latency and cost. */
import { arrivalRatePerSecond } from '../arrivals/arrival-process.ts';
import { type FixedService, fixedService } from '../service-law.ts';
import type { ChoiceInput } from './choice.ts';
import type { MemoryOption } from './memory-option.ts';
import { paperCostUsdPerMillion, paperQuantileMs } from './paper-solver.ts';
import type { SearchSpace } from './search.ts';
import type { PromisedLatency } from './search-space.ts';

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
