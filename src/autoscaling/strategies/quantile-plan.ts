/**
 * Strategies `hybrid` and `instances-only`: as many as carry one quantile of the forecast at utilisation 0.85,
 *
 *   n = ⌈max over h in {1, H} of D_h[τ] / cap(1)⌉
 *
 * and no fewer than that was in any of the last five slots. The former leaves what is above to functions, the latter has none.
 */
import { atHorizon, horizonFor, quantileOf } from './forecast-view.ts';
import { neededFor } from './plan-cost.ts';
import type { Policy } from './policy.ts';
import { held, mostOf, type RecentPlan, withPlan } from './recent.ts';
import { type Ask, brief, leastInstances, primaryType, ruled, stay, type Verdict } from './strategy.ts';

export interface QuantileMemory {
  readonly keeps: readonly RecentPlan[];
}

export const quantileBegin: QuantileMemory = { keeps: [] };

const utilisation = 0.85;
const hold = 5;

export function quantilePlan(
  { percentile }: Extract<Policy, { kind: 'hybrid' | 'instances-only' }>,
  memory: QuantileMemory,
  ask: Ask,
): Verdict<QuantileMemory> {
  const { observation, nowMs } = ask;
  const { forecast, slotMs } = observation;
  const { name, ratePerSecond, leadMs, have } = primaryType(ask);
  const near = forecast && atHorizon(forecast, 1);
  const far = forecast && atHorizon(forecast, horizonFor(leadMs, slotMs));
  if (near === null || far === null) return stay(ask, memory, 'no-forecast', 'there is no forecast yet');
  const demand = Math.max(quantileOf(near, percentile / 100), quantileOf(far, percentile / 100));
  const capacity = (utilisation * ratePerSecond * slotMs) / 1000;
  const count = Math.max(leastInstances(ask), neededFor(demand, capacity));
  const keeps = withPlan(memory.keeps, { [name]: count }, hold, slotMs, nowMs);
  const plan = held({ [name]: count }, { [name]: have }, mostOf(keeps, [name]));
  const why = `the ${percentile} % quantile of ${brief(demand)} requests needs ${count} of ${brief(capacity)}`;
  const all = Object.fromEntries(observation.types.map((type) => [type.name, plan[type.name] ?? 0]));
  return ruled(ask, { keeps }, all, why, plan[name] === count ? 'rule' : 'hold');
}
