/** What only a simulation knows, and some policies need. A server has none of it. */
import { PlatformError } from '../../errors.ts';
import type { FunctionsObservation, Plan, TypeObservation } from '../strategies/observation.ts';
import { type SpotType, spotRate } from './spot.ts';

/** Absent members are unknown, and policies that need them hold their number. */
export interface SimulatedFacts {
  /** The spot types by name. */
  readonly spot?: Readonly<Record<string, SpotType>>;
  /** With trigger `spot`: number of instances that will be reclaimed, by type. */
  readonly notices?: Plan;
  /** For policy `static` without a number: requests per second of the busiest minute. */
  readonly peakRatePerSecond?: number;
  /** For policy `oracle`: arrivals in each of the next seconds. */
  readonly future?: readonly number[];
  /** For policy `batch`. */
  readonly functions?: FunctionsObservation;
}

/** The types with the long-term rate of spot instances. Throws `invalid_request`. */
export function withSpotRates(types: readonly TypeObservation[], { spot = {} }: SimulatedFacts): readonly TypeObservation[] {
  return types.map((type) => {
    const own = spot[type.name];
    if (own === undefined) return type;
    const { interruptionsPerHour, recoveryMs } = own;
    if (!isAmount(interruptionsPerHour) || !isAmount(recoveryMs)) {
      throw new PlatformError(
        'invalid_request',
        `type ${type.name}: invalid interruptions per hour or recovery: expected 0 or more, got ${interruptionsPerHour} and ${recoveryMs} ms`,
      );
    }
    return { ...type, ratePerSecond: spotRate(type.ratePerSecond, interruptionsPerHour, recoveryMs) };
  });
}

function isAmount(value: number): boolean {
  return Number.isFinite(value) && value >= 0;
}
