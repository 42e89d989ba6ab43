/** What a model costs in functions, by the size of its batches. Pure. */
import { type FunctionPrices, functionUsd } from '../costs/index.ts';
import type { FunctionProfile } from './function-profiles.ts';
import type { ServicePoint } from './profile.ts';

export interface FunctionCost {
  /** For a million rows, each alone. */
  readonly aloneUsd: number;
  /** For a million rows in batches of `bestBatch`, which is cheapest. */
  readonly bestUsd: number;
  readonly bestBatch: number;
}

/**
 * The cost of a million rows of warm invocations: the mean over the measured runs of what each would have been billed, since
 * rounding up to the millisecond is not the same for the mean. null where nothing fits.
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
