/** The search as published with BATCH: B = 20, and memory and T by its own approximation of latency and cost. */
import { arrivalRatePerSecond } from './arrival-process.ts';
import type { ChoiceInput } from './choice.ts';
import type { Promised } from './ground.ts';
import type { MemoryOption } from './memory-option.ts';
import { paperCostUsdPerMillion, paperQuantileMs } from './paper-solver.ts';
import type { Ground } from './search.ts';
import { type FixedService, fixedService } from './service-law.ts';

const paperBatchSizeMax = 20;

/** It takes service times for fixed: the means of those that were measured. */
const serviceOf = ({ meanMs }: MemoryOption): FixedService => fixedService((batchSize) => meanMs[batchSize] as number);

export function paperGround(ground: Ground, { arrivals, price }: ChoiceInput, { quantile, limitMs, extras }: Promised): Ground {
  const ratePerSecond = arrivals.process === null ? recordedRatePerSecond(arrivals.recordedMs) : arrivalRatePerSecond(arrivals.process);
  const withinMs = limitMs - (extras.overheadMs ?? 0);
  return {
    ...ground,
    batchSizeMin: paperBatchSizeMax,
    batchSizeMax: paperBatchSizeMax,
    tableOf: (candidate) => ground.tableOf(candidate),
    costUsdPerMillion: (table, option) => paperCostUsdPerMillion(table, serviceOf(option), option.memoryMiB, price),
    shareInTime: (table, option) => (paperQuantileMs(table, ratePerSecond, serviceOf(option), quantile) <= withinMs ? 1 : 0),
  };
}

/** 0 where too few came. */
function recordedRatePerSecond(recordedMs: Float64Array): number {
  const spanMs = (recordedMs.at(-1) ?? 0) - (recordedMs[0] ?? 0);
  return spanMs > 0 ? (1000 * (recordedMs.length - 1)) / spanMs : 0;
}
