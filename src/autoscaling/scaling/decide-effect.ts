/**
 * Effect of a scaling decision, computed some slots later: its cost, and the amount the best plan in hindsight would have saved.
 */
import { quantileGrid } from '../../forecasting/index.ts';
import type { Plan } from '../strategies/observation.ts';
import { countsOf, type PricedType, planCost } from '../strategies/plans/plan-cost.ts';
import type { ScalingDecision } from './decide-record.ts';

/** Measurements since a decision. */
export interface MeasuredScaling {
  readonly windowMs: number;
  /** Requests of each slot since the decision; null for slots without a count. */
  readonly arrivals: readonly (number | null)[];
  readonly requests: number;
  readonly violations: number;
  readonly overflowed: number;
  readonly spentUsd: number;
}

/** What a decision led to, stored with it. */
export interface ScalingEffect {
  readonly windowS: number;
  readonly arrivals: readonly (number | null)[];
  /** 0..1; null if there was no traffic. */
  readonly attainment: number | null;
  readonly overflowShare: number | null;
  readonly spentUsd: number;
  /** Forecast minus actual arrivals of the planned slot, in requests; null if either is unknown. */
  readonly forecastError: number | null;
  /** Cost of the chosen plan in that slot minus the cost of the best allowed alternative; null if unknown. */
  readonly regretUsd: number | null;
}

/** Computes the effect from measurements up to now. Unknown parts are null. */
export function scalingEffectOf(decision: ScalingDecision, measured: MeasuredScaling): ScalingEffect {
  const { windowMs, arrivals, requests, violations, overflowed, spentUsd } = measured;
  const { horizon, forecast } = decision.inputs;
  const arrived = arrivals[horizon - 1] ?? null;
  const place = forecast === null ? -1 : forecast.horizons.findIndex((h) => h >= horizon);
  const mean = forecast?.mean[place];
  return {
    windowS: windowMs / 1000,
    arrivals,
    attainment: requests > 0 ? (requests - violations) / requests : null,
    overflowShare: requests > 0 ? overflowed / requests : null,
    spentUsd,
    forecastError: arrived === null || mean === undefined ? null : mean - arrived,
    regretUsd: arrived === null ? null : regretUsd(decision, arrived),
  };
}

/**
 * cost(chosen) - cost(best alternative), both for the actual arrivals instead of the forecast quantiles. null if the decision
 * compared no plans.
 */
export function regretUsd({ inputs, alternatives, chosen }: ScalingDecision, arrived: number): number | null {
  if (alternatives.length === 0) return null;
  const { slotMs, rho, overflowUsdPerRequest } = inputs;
  const types = Object.entries(inputs.types).map(([name, type]): PricedType => {
    const { ratePerSecond, usdPerHour, active, launching, leadMs } = type;
    return {
      name,
      capacity: (ratePerSecond * slotMs * (rho ?? 1)) / 1000,
      usdPerSlot: (usdPerHour * slotMs) / 3_600_000,
      have: active + launching,
      leadMs,
    };
  });
  const demand = quantileGrid.map(() => arrived);
  const usd = (plan: Plan): number => planCost(types, countsOf(types, plan), demand, overflowUsdPerRequest ?? 0).totalUsd;
  const allowed = alternatives.filter(({ excludedBy }) => excludedBy === null).map(({ plan }) => usd(plan));
  const ofChosen = usd(chosen.plan);
  return ofChosen - Math.min(ofChosen, ...allowed);
}
