/** Candidate settings of functions. There are only a few, because each is simulated. Pure functions. */
import { type FunctionPrices, functionUsd, provisionedUsdPerHour } from '../../costs/index.ts';
import { functionsDefault } from '../../deployment/index.ts';
import type { FunctionProfile } from '../../profiling/index.ts';
import { type ServiceDraws, serviceDraws } from './service-draws.ts';
import type { SimulatedFunctionUse } from './simulate-mixture.ts';

/** Maximum concurrency that a plan uses. */
const concurrencyMost = 64;

/** A memory size with its service times. */
export interface UsableSize {
  readonly memoryMiB: number;
  readonly coldMs: number;
  readonly service: ServiceDraws;
}

/** The sizes that can hold the model. */
export function usableSizes(sizes: readonly FunctionProfile[], quantile: number): UsableSize[] {
  return sizes.flatMap(({ fits, memoryMiB, coldMs, profile }) => {
    const service = fits ? serviceDraws(profile, quantile) : null;
    return service === null ? [] : [{ memoryMiB, coldMs, service }];
  });
}

export interface FunctionChoiceQuery {
  readonly prices: FunctionPrices;
  readonly latencyMs: number;
  readonly overheadMs: number;
  readonly provisioned: number;
  /** Maximum number of memory sizes to return. */
  readonly sizesMost: number;
}

/** The memory sizes with the lowest cost per row among those that are fast enough, each with and without batching. */
export function functionChoices(
  sizes: readonly UsableSize[],
  { prices, latencyMs, overheadMs, provisioned, sizesMost }: FunctionChoiceQuery,
): SimulatedFunctionUse[] {
  const withinMs = latencyMs - overheadMs;
  const usable = sizes.flatMap((size) => {
    if (size.service.quantileMs(1) > withinMs) return [];
    const usdAt = (rows: number): number => functionUsd(prices, size.memoryMiB, size.service.quantileMs(rows)) / rows;
    const batchSize = bestBatchSize(size.service, usdAt, withinMs);
    return [{ size, batchSize, usd: usdAt(batchSize) }];
  });
  const { keepAliveMs } = functionsDefault;
  const cheapest = usable.toSorted((a, b) => a.usd - b.usd).slice(0, sizesMost);
  return cheapest.flatMap(({ size, batchSize }) =>
    [...new Set([1, batchSize])].map((batchSizeMax) => {
      return { ...size, batchSizeMax, maxConcurrency: concurrencyMost, keepAliveMs, prices, provisioned };
    }),
  );
}

/** The batch size with the lowest cost per row, among the sizes whose longest run takes less than `withinMs`. */
function bestBatchSize(service: ServiceDraws, usdAt: (rows: number) => number, withinMs: number): number {
  let best = 1;
  for (let rows = 2; rows <= service.batchMax && service.longestMs(rows) < withinMs; rows++) if (usdAt(rows) < usdAt(best)) best = rows;
  return best;
}

/** Cost per hour without traffic: the provisioned environments. */
export function idleUsdPerHour({ provisioned, memoryMiB, prices }: SimulatedFunctionUse): number {
  return provisioned * provisionedUsdPerHour(prices, memoryMiB);
}
