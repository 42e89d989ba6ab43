/**
 * Where no type of instance keeps the objective, functions serve alone. Where they cannot either, there is no promise left to be kept,
 * and what does least harm is to have instances enough for what comes, as though they kept it: with fewer, requests would wait
 * without end.
 */
import { atHorizon, horizonFor, quantileOf } from './forecast-view.ts';
import type { Observation, OverflowObservation } from './observation.ts';
import type { Verdict } from './strategy.ts';
import { brief } from './strategy.ts';
import { type UsableType, usableTypes } from './usable-types.ts';

export interface LeastHarm {
  /** To be planned with all the same. */
  readonly types: readonly UsableType[];
  /** A clause: why not by functions. */
  readonly because: string;
}

/** Functions that take less than this quantile of what is expected do not serve alone. */
const tau = 0.9;

/** null where functions can serve alone, and where nothing is measured to plan with. */
export function leastHarm(observation: Observation, overflow: OverflowObservation | null, priceFactor: number): LeastHarm | null {
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
  return `functions take ${brief(ratePerSecondMax)}/s at most, and ${brief(ratePerSecond)}/s may come`;
}

/** What was decided so, told as what it is. */
export function asLeastHarm<Memory>(verdict: Verdict<Memory>, excluded: readonly string[], { because }: LeastHarm): Verdict<Memory> {
  const isFree = ['argmin', 'rule', 'hold', 'replace', 'fast'].includes(verdict.reason);
  const advice = 'planned as though it were kept; relax the objective or take a faster type';
  const more = because.startsWith(verdict.why) ? '' : verdict.why; // the limit of functions is told once
  const why = [...excluded, because, advice, more].filter((clause) => clause !== '').join('; ');
  return { ...verdict, why, feasible: false, reason: isFree ? 'infeasible' : verdict.reason };
}
