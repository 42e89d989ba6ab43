/** Strategy `static`: a fixed number, or as many as carry the busiest minute with 15 % to spare. The dear baseline that never is late. */
import { neededFor } from './plan-cost.ts';
import type { Policy } from './policy.ts';
import { type Ask, brief, primaryType, ruledCount, stay, type Verdict } from './strategy.ts';

const utilisation = 0.85;

export function staticCount(policy: Extract<Policy, { kind: 'static' }>, ask: Ask): Verdict<null> {
  if (policy.instances !== null) return ruledCount(ask, null, policy.instances, 'as configured');
  const { peakRatePerSecond } = ask.observation;
  if (peakRatePerSecond === undefined || !(peakRatePerSecond >= 0 && peakRatePerSecond < Number.POSITIVE_INFINITY)) {
    return stay(ask, null, 'no-measurement', 'the rate of the busiest minute is not known: give the number itself, such as static:4');
  }
  const { ratePerSecond } = primaryType(ask);
  const why = `${brief(peakRatePerSecond)} requests/s in the busiest minute, ${utilisation * 100} % of ${brief(ratePerSecond)}/s each`;
  return ruledCount(ask, null, neededFor(peakRatePerSecond, utilisation * ratePerSecond), why);
}
