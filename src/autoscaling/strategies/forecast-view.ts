/** The forecast in the form that strategies use: plain numbers, requests per slot by horizon. */

import { quantileGrid } from '../../forecasting/index.ts';

/** Probability weight of each level of `quantileGrid`: it reaches half-way to the neighbouring levels. The sum is 1. */
export const tauWeights: readonly number[] = [0.075, 0.075, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.075, 0.045, 0.03];

/** The forecast of one slot. */
export interface HorizonForecast {
  /** Number of slots after the last counted one, from 1. */
  readonly h: number;
  /** Requests per slot. */
  readonly mean: number;
  /** Requests per slot at each tau of `quantileGrid`. */
  readonly quantiles: readonly number[];
}

/** All horizons of one forecast. */
export interface ForecastView {
  readonly model: string;
  /** Ascending in h. */
  readonly horizons: readonly HorizonForecast[];
  /** Number of forecasts that were compared with their outcome so far. */
  readonly residualsSeen: number;
}

/** The part of a forecaster used here. */
export interface ForecastSource {
  readonly name: string;
  readonly horizons: readonly number[];
  predict(h: number): { readonly mean: number; readonly residualsSeen: number; quantile(tau: number): number };
}

/** Converts a forecast to plain data, for the given horizons or all of the forecaster's. */
export function forecastViewOf(source: ForecastSource, horizons: readonly number[] = source.horizons): ForecastView {
  let residualsSeen = Number.POSITIVE_INFINITY;
  const views = horizons.map((h) => {
    const forecast = source.predict(h);
    residualsSeen = Math.min(residualsSeen, forecast.residualsSeen);
    return { h, mean: forecast.mean, quantiles: quantileGrid.map((tau) => forecast.quantile(tau)) };
  });
  return { model: source.name, horizons: views.sort((a, b) => a.h - b.h), residualsSeen: views.length === 0 ? 0 : residualsSeen };
}

/** A constant rate as a forecast, for policies that have no forecaster. */
export function flatForecast(requestsPerSlot: number): ForecastView {
  return {
    model: 'last rate',
    horizons: [{ h: 1, mean: requestsPerSlot, quantiles: quantileGrid.map(() => requestsPerSlot) }],
    residualsSeen: 0,
  };
}

/** The forecast of horizon h. If it is missing: of the next later horizon, else of the last. null if there are none. */
export function atHorizon(view: ForecastView, h: number): HorizonForecast | null {
  return view.horizons.find((forecast) => forecast.h >= h) ?? view.horizons.at(-1) ?? null;
}

/** Requests per slot at the level of the grid nearest to tau. */
export function quantileOf({ quantiles }: HorizonForecast, tau: number): number {
  let nearest = 0;
  for (let k = 1; k < quantileGrid.length; k++) {
    if (Math.abs((quantileGrid[k] as number) - tau) <= Math.abs((quantileGrid[nearest] as number) - tau) + 1e-12) nearest = k;
  }
  return quantiles[nearest] as number;
}

/** H: number of the first slot that an instance started now serves completely; at least 1. */
export function horizonFor(leadMs: number, slotMs: number): number {
  return Math.max(1, Math.ceil((leadMs + slotMs) / slotMs - 1e-9));
}

/** Why a forecast cannot be used; null if it can. */
export function forecastFault({ horizons }: ForecastView): string | null {
  if (horizons.length === 0) return 'it has no horizon';
  for (const { h, mean, quantiles } of horizons) {
    if (!isCount(mean)) return `its mean ${h} slots ahead is ${mean}`;
    if (quantiles.length !== quantileGrid.length)
      return `it has ${quantiles.length} quantiles ${h} slots ahead, expected ${quantileGrid.length}`;
    const wrong = quantiles.findIndex((value) => !isCount(value));
    if (wrong >= 0) return `its quantile ${quantileGrid[wrong]} ${h} slots ahead is ${quantiles[wrong]}`;
  }
  return null;
}

function isCount(value: number): boolean {
  return Number.isFinite(value) && value >= 0;
}
