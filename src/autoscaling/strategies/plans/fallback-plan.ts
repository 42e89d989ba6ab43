/**
 * If no instance type meets the objective, functions serve alone. If functions cannot do so either, the objective cannot be met.
 * Then the plan has enough instances for the traffic, as if they met the objective, because with fewer the queue would grow
 * without bound.
 */
import { atHorizon, horizonFor, quantileOf } from '../forecast-view.ts';
import type { Observation, OverflowObservation } from '../observation.ts';
import type { StrategyResult } from '../strategy.ts';
import { formatBrief } from '../strategy.ts';
import { type UsableType, usableTypes } from './usable-types.ts';

/** Types to plan with although the objective cannot be met. */
export interface FallbackPlan {
  /** Types to plan with, although they miss the objective. */
  readonly types: readonly UsableType[];
  /** Why functions cannot serve alone, as a clause. */
  readonly because: string;
}

/** Functions serve alone only if they can serve this quantile of the forecast. */
const tau = 0.9;

/** null if a type may meet the objective, functions can serve alone, or no type can be planned with. */
export function fallbackPlan(observation: Observation, overflow: OverflowObservation | null, priceFactor: number): FallbackPlan | null {
  const { types } = observation;
  if (types.some(({ isFeasible, ratePerSecond }) => isFeasible || ratePerSecond === 0)) return null;
  const because = withoutFunctions(observation, overflow);
  if (because === null) return null;
  const usable = usableTypes({ ...observation, types: types.map((type) => ({ ...type, isFeasible: true })) }, priceFactor);
  return usable.types.length === 0 ? null : { types: usable.types, because };
}

function withoutFunctions({ forecast, types, slotMs }: Observation, overflow: OverflowObservation | null): string | null {
  if (overflow === null) return 'there are no functions';
  if (overflow.infeasibleBecause !== undefined) return overflow.infeasibleBecause;
  const { ratePerSecondMax = Number.POSITIVE_INFINITY } = overflow;
  const leadMs = Math.max(...types.map((type) => type.leadMs));
  const far = forecast && atHorizon(forecast, horizonFor(leadMs, slotMs));
  const ratePerSecond = far === null ? 0 : (quantileOf(far, tau) * 1000) / slotMs;
  if (ratePerSecond <= ratePerSecondMax) return null;
  return `functions can serve at most ${formatBrief(ratePerSecondMax)}/s, and up to ${formatBrief(ratePerSecond)}/s are expected`;
}

/** Marks the decision as a fallback: infeasible, with the reasons and advice. */
export function asFallback<Memory>(
  result: StrategyResult<Memory>,
  excluded: readonly string[],
  { because }: FallbackPlan,
): StrategyResult<Memory> {
  const isFree = ['argmin', 'rule', 'hold', 'replace', 'fast'].includes(result.reason);
  const advice = 'planned as if it were met; relax the objective or choose a faster type';
  const more = because.startsWith(result.why) ? '' : result.why; // avoids repeating the limit of functions
  const why = [...excluded, because, advice, more].filter((clause) => clause !== '').join('; ');
  return { ...result, why, feasible: false, reason: isFree ? 'infeasible' : result.reason };
}
