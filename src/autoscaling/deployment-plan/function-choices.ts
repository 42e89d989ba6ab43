/** Which settings of functions come into question: few of them, for each is played out. Pure. */
import { type FunctionPrices, functionUsd, provisionedUsdPerHour } from '../../costs/index.ts';
import { functionsDefault } from '../../deployment/index.ts';
import type { FunctionProfile } from '../../profiling/index.ts';
import type { PlayedFunctions } from './play-mixture.ts';
import { type ServiceDraws, serviceDraws } from './service-draws.ts';

/** As many as an endpoint is asked for at most by a plan. */
const concurrencyMost = 64;

/** A memory size with its service times. */
export interface UsableSize {
  readonly memoryMiB: number;
  readonly coldMs: number;
  readonly service: ServiceDraws;
}

/** The sizes that hold the model. */
export function usableSizes(sizes: readonly FunctionProfile[], quantile: number): UsableSize[] {
  return sizes.flatMap(({ fits, memoryMiB, coldMs, profile }) => {
    const service = fits ? serviceDraws(profile, quantile) : null;
    return service === null ? [] : [{ memoryMiB, coldMs, service }];
  });
}

export interface FunctionWish {
  readonly prices: FunctionPrices;
  readonly latencyMs: number;
  readonly overheadMs: number;
  readonly provisioned: number;
  /** So many of the sizes come into question. */
  readonly sizesMost: number;
}

/** The memory sizes in which a row is cheapest, among those that are quick enough; each with company and without. */
export function functionChoices(
  sizes: readonly UsableSize[],
  { prices, latencyMs, overheadMs, provisioned, sizesMost }: FunctionWish,
): PlayedFunctions[] {
  const withinMs = latencyMs - overheadMs;
  const usable = sizes.flatMap((size) => {
    if (size.service.quantileMs(1) > withinMs) return [];
    const usdAt = (rows: number): number => functionUsd(prices, size.memoryMiB, size.service.quantileMs(rows)) / rows;
    const company = bestCompany(size.service, usdAt, withinMs);
    return [{ size, company, usd: usdAt(company) }];
  });
  const { keepAliveMs } = functionsDefault;
  const cheapest = usable.toSorted((a, b) => a.usd - b.usd).slice(0, sizesMost);
  return cheapest.flatMap(({ size, company }) =>
    [...new Set([1, company])].map((batchSizeMax) => {
      return { ...size, batchSizeMax, maxConcurrency: concurrencyMost, keepAliveMs, prices, provisioned };
    }),
  );
}

/** The size of batch in which a row is cheapest and that can still be held for others before it has to leave. */
function bestCompany(service: ServiceDraws, usdAt: (rows: number) => number, withinMs: number): number {
  let best = 1;
  for (let rows = 2; rows <= service.batchMax && service.longestMs(rows) < withinMs; rows++) if (usdAt(rows) < usdAt(best)) best = rows;
  return best;
}

/** What they cost while nobody comes. */
export function idleUsdPerHour({ provisioned, memoryMiB, prices }: PlayedFunctions): number {
  return provisioned * provisionedUsdPerHour(prices, memoryMiB);
}
