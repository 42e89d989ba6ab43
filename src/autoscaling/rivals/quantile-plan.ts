/**
 * Strategies `hybrid` and `instances-only`: enough instances for one quantile of the forecast at utilisation 0.85, n = ⌈max over
 * h in {1, H} of D_h[τ] / cap(1)⌉, and no fewer than in any of the last five slots. `hybrid` sends the excess to functions;
 * `instances-only` has no functions.
 */
import { atHorizon, horizonFor, quantileOf } from '../strategies/forecast-view.ts';
import { instancesNeededFor } from '../strategies/plans/plan-cost.ts';
import { heldPlan, largestOf, type RecentPlan, withPlan } from '../strategies/plans/recent-plans.ts';
import type { Policy } from '../strategies/policy.ts';
import {
  formatBrief,
  holdResult,
  minimumInstances,
  primaryType,
  ruleResult,
  type StrategyInput,
  type StrategyResult,
} from '../strategies/strategy.ts';

/** Recent plans: no fewer instances than in any of them. */
export interface QuantileMemory {
  readonly keeps: readonly RecentPlan[];
}

/** Before the first plan. */
export const quantileInitial: QuantileMemory = { keeps: [] };

const utilisation = 0.85;
const hold = 5;

/** Plans for the next slot and for the one at which an instance that is started now would serve. */
export function quantilePlan(
  { percentile }: Extract<Policy, { kind: 'hybrid' | 'instances-only' }>,
  memory: QuantileMemory,
  input: StrategyInput,
): StrategyResult<QuantileMemory> {
  const { observation, nowMs } = input;
  const { forecast, slotMs } = observation;
  const { name, ratePerSecond, leadMs, have } = primaryType(input);
  const near = forecast && atHorizon(forecast, 1);
  const far = forecast && atHorizon(forecast, horizonFor(leadMs, slotMs));
  if (near === null || far === null) return holdResult(input, memory, 'no-forecast', 'there is no forecast yet');
  const demand = Math.max(quantileOf(near, percentile / 100), quantileOf(far, percentile / 100));
  const capacity = (utilisation * ratePerSecond * slotMs) / 1000;
  const count = Math.max(minimumInstances(input), instancesNeededFor(demand, capacity));
  const keeps = withPlan(memory.keeps, { [name]: count }, hold, slotMs, nowMs);
  const plan = heldPlan({ [name]: count }, { [name]: have }, largestOf(keeps, [name]));
  const why = `the ${percentile} % quantile of ${formatBrief(demand)} requests needs ${count} of ${formatBrief(capacity)}`;
  const all = Object.fromEntries(observation.types.map((type) => [type.name, plan[type.name] ?? 0]));
  return ruleResult(input, { keeps }, all, why, plan[name] === count ? 'rule' : 'hold');
}
