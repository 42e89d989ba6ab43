/** Observations for tests of autoscaling: a c5.large with an affine profile under a given demand. */
import type { ForecastView } from '../src/autoscaling/strategies/forecast-view.ts';
import type { Observation, ScalingLimits, TypeObservation } from '../src/autoscaling/strategies/observation.ts';

export const minuteMs = 60_000;

/** s(b) = 10 + 70 b ms, B = 3: 13.636 requests per second. */
export const large: TypeObservation = {
  name: 'c5.large',
  usdPerHour: 0.085,
  batchSize: 3,
  ratePerSecond: 3 / 0.22,
  isFeasible: true,
  leadMs: 120_000,
  active: 0,
  launching: 0,
  draining: 0,
};

/** s(b) = 12 + 2.5 b ms, B = 64: 372 requests per second. */
export const gpu: TypeObservation = { ...large, name: 'g4dn.xlarge', usdPerHour: 0.526, batchSize: 64, ratePerSecond: 64 / 0.172 };

export const overflow = { usdPerRequest: 5.007_184_7e-6 } as const;

export const noLimits: ScalingLimits = { min: 0, max: 1000 };

/** The same demand at each horizon, except for a different next slot. */
export function forecast(quantiles: readonly number[], near = quantiles): ForecastView {
  const at = (h: number, values: readonly number[]) => ({ h, mean: values[5] ?? 0, quantiles: values });
  return { model: 'rls-ar', horizons: [at(1, near), at(3, quantiles), at(10, quantiles)], residualsSeen: 1000 };
}

/** A demand that is known exactly. */
export function flat(count: number): ForecastView {
  return forecast(new Array<number>(12).fill(count));
}

export function observed(changes: Partial<Observation> = {}): Observation {
  return {
    trigger: 'period',
    types: [large],
    overflow,
    limits: noLimits,
    objective: { percentile: 99.8, latencyMs: 500 },
    slotMs: minuteMs,
    forecast: null,
    lastCount: null,
    arrivals: 0,
    concurrencyMs: 0,
    queue: 0,
    ...changes,
  };
}

/** An observation of running instances. */
export function running(count: number, type = large): TypeObservation {
  return { ...type, active: count };
}
