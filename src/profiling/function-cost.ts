/** Cost of a model on functions by batch size. Pure functions. */
import { type FunctionPrices, functionUsd } from '../costs/index.ts';
import type { FunctionProfile } from './function-profiles.ts';
import type { ServicePoint } from './profile.ts';

/** Cost of a model on functions of one memory size. */
export interface FunctionCost {
  /** US dollars for a million rows in calls of one row. */
  readonly aloneUsd: number;
  /** US dollars for a million rows in batches of `bestBatch`, the cheapest size. */
  readonly bestUsd: number;
  readonly bestBatch: number;
}

/**
 * Cost of a million rows in warm invocations. Averages the billed cost of each measured run, because billing rounds every run up
 * to the millisecond. Null if no batch fits into the memory.
 */
export function functionCost(
  prices: FunctionPrices,
  { memoryMiB, profile }: Pick<FunctionProfile, 'memoryMiB' | 'profile'>,
): FunctionCost | null {
  const perMillion = ({ b, samples }: ServicePoint): number =>
    (samples.reduce((sum, ms) => sum + functionUsd(prices, memoryMiB, ms), 0) / samples.length / b) * 1e6;
  const costs = profile.service.map((point) => ({ b: point.b, usd: perMillion(point) }));
  const [alone] = costs;
  if (alone === undefined) return null;
  const best = costs.reduce((cheapest, each) => (each.usd < cheapest.usd ? each : cheapest));
  return { aloneUsd: alone.usd, bestUsd: best.usd, bestBatch: best.b };
}
