/** What came of a scaling decision, some slots later: what it cost, and how much less the best plan would have, had one known. */
import { quantileGrid } from '../forecasting/index.ts';
import type { ScalingDecision } from './decide-record.ts';
import type { Plan } from './strategies/observation.ts';
import { countsOf, type PricedType, planCost } from './strategies/plan-cost.ts';

export interface MeasuredScaling {
  readonly windowMs: number;
  /** Requests of each slot since the decision; null where nobody counted. */
  readonly arrivals: readonly (number | null)[];
  readonly requests: number;
  readonly violations: number;
  readonly overflowed: number;
  readonly spentUsd: number;
}

export interface ScalingEffect {
  readonly windowS: number;
  readonly arrivals: readonly (number | null)[];
  /** 0 to 1; null where nobody came. */
  readonly attainment: number | null;
  readonly overflowShare: number | null;
  readonly spentUsd: number;
  /** Forecast less truth in the slot that was decided for, in requests; null where one of them is missing. */
  readonly forecastError: number | null;
  /** What the chosen plan cost more in that slot than the best allowed alternative; null where it is not known. */
  readonly regretUsd: number | null;
}

export function scalingEffectOf(decision: ScalingDecision, measured: MeasuredScaling): ScalingEffect {
  const { windowMs, arrivals, requests, violations, overflowed, spentUsd } = measured;
  const { horizon, forecast } = decision.inputs;
  const came = arrivals[horizon - 1] ?? null;
  const place = forecast === null ? -1 : forecast.horizons.findIndex((h) => h >= horizon);
  const mean = forecast?.mean[place];
  return {
    windowS: windowMs / 1000,
    arrivals,
    attainment: requests > 0 ? (requests - violations) / requests : null,
    overflowShare: requests > 0 ? overflowed / requests : null,
    spentUsd,
    forecastError: came === null || mean === undefined ? null : mean - came,
    regretUsd: came === null ? null : regretUsd(decision, came),
  };
}

/** cost(chosen) - cost(best alternative), both with what came in place of the quantiles. null where no plans were weighed. */
export function regretUsd({ inputs, alternatives, chosen }: ScalingDecision, came: number): number | null {
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
  const demand = quantileGrid.map(() => came);
  const usd = (plan: Plan): number => planCost(types, countsOf(types, plan), demand, overflowUsdPerRequest ?? 0).totalUsd;
  const allowed = alternatives.filter(({ excludedBy }) => excludedBy === null).map(({ plan }) => usd(plan));
  const ofChosen = usd(chosen.plan);
  return ofChosen - Math.min(ofChosen, ...allowed);
}
