/** Candidate settings of functions. There are only a few, because each is simulated. Pure functions. */
import { type FunctionPrices, provisionedUsdPerHour } from '../../costs/index.ts';
import { functionsDefault } from '../../deployment/index.ts';
import type { Objective } from '../../objective.ts';
import { type FunctionProfile, functionCapacityOf } from '../../profiling/index.ts';
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

/** What the candidates must meet, and how many there may be. */
export interface FunctionChoiceQuery {
  readonly prices: FunctionPrices;
  readonly objective: Objective;
  readonly overheadMs: number;
  readonly provisioned: number;
  /** Maximum number of memory sizes to return. */
  readonly sizesMost: number;
}

/** The memory sizes with the lowest cost per row among those that are fast enough, each with and without batching. */
export function functionChoices(
  sizes: readonly UsableSize[],
  { prices, objective, overheadMs, provisioned, sizesMost }: FunctionChoiceQuery,
): SimulatedFunctionUse[] {
  const usable = sizes.flatMap((size) => {
    const capacity = functionCapacityOf(size.memoryMiB, size.service.table, prices, objective, overheadMs);
    if (capacity === null || !capacity.isFeasible) return [];
    return [{ size, batchSize: capacity.bestBatchSize, usd: capacity.usdPerRequestAtBest }];
  });
  const { keepAliveMs } = functionsDefault;
  const cheapest = usable.toSorted((a, b) => a.usd - b.usd).slice(0, sizesMost);
  return cheapest.flatMap(({ size, batchSize }) =>
    [...new Set([1, batchSize])].map((batchSizeMax) => {
      return { ...size, batchSizeMax, maxConcurrency: concurrencyMost, keepAliveMs, prices, provisioned };
    }),
  );
}

/** Cost per hour without traffic: the provisioned environments. */
export function idleUsdPerHour({ provisioned, memoryMiB, prices }: SimulatedFunctionUse): number {
  return provisioned * provisionedUsdPerHour(prices, memoryMiB);
}
