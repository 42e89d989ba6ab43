/**
 * Strategy `static`: a fixed number, or enough for the busiest minute with 15 % headroom. It is the expensive baseline without
 * late requests.
 */
import { instancesNeededFor } from './plans/plan-cost.ts';
import type { Policy } from './policy.ts';
import { formatBrief, holdResult, primaryType, ruleCountResult, type StrategyInput, type StrategyResult } from './strategy.ts';

const utilisation = 0.85;

/** Without a number it needs the busiest minute, which only a replay knows. */
export function staticCount(policy: Extract<Policy, { kind: 'static' }>, input: StrategyInput): StrategyResult<null> {
  if (policy.instances !== null) return ruleCountResult(input, null, policy.instances, 'as configured');
  const { peakRatePerSecond } = input.simulated;
  if (peakRatePerSecond === undefined || !(peakRatePerSecond >= 0 && peakRatePerSecond < Number.POSITIVE_INFINITY)) {
    return holdResult(input, null, 'no-measurement', 'the rate of the busiest minute is unknown: set a number, such as static:4');
  }
  const { ratePerSecond } = primaryType(input);
  const why = `${formatBrief(peakRatePerSecond)} requests/s in the busiest minute, ${utilisation * 100} % of ${formatBrief(ratePerSecond)}/s each`;
  return ruleCountResult(input, null, instancesNeededFor(peakRatePerSecond, utilisation * ratePerSecond), why);
}
