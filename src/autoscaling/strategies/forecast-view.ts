/** What the strategies see of a forecast: plain numbers, requests per slot by horizon. */

import { quantileGrid } from '../../forecasting/index.ts';

/** The share of all outcomes that each quantile of `quantileGrid` stands for: half-way to its neighbours. They add up to 1. */
export const tauWeights: readonly number[] = [0.075, 0.075, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.075, 0.045, 0.03];

export interface HorizonForecast {
  /** The slot that lies so many after the last one that was counted; from 1. */
  readonly h: number;
  /** Requests per slot. */
  readonly mean: number;
  /** Requests per slot at each tau of `quantileGrid`. */
  readonly quantiles: readonly number[];
}

export interface ForecastView {
  readonly model: string;
  /** Rising in h. */
  readonly horizons: readonly HorizonForecast[];
  /** How many forecasts have met their truth so far. */
  readonly residualsSeen: number;
}

/** What is asked of a forecaster; those of the forecasting room can be handed over as they are. */
export interface ForecastSource {
  readonly name: string;
  readonly horizons: readonly number[];
  predict(h: number): { readonly mean: number; readonly residualsSeen: number; quantile(tau: number): number };
}

/** The forecast as plain data: of the horizons named, or of all that the forecaster has. */
export function forecastViewOf(source: ForecastSource, horizons: readonly number[] = source.horizons): ForecastView {
  let residualsSeen = Number.POSITIVE_INFINITY;
  const views = horizons.map((h) => {
    const forecast = source.predict(h);
    residualsSeen = Math.min(residualsSeen, forecast.residualsSeen);
    return { h, mean: forecast.mean, quantiles: quantileGrid.map((tau) => forecast.quantile(tau)) };
  });
  return { model: source.name, horizons: views.sort((a, b) => a.h - b.h), residualsSeen: views.length === 0 ? 0 : residualsSeen };
}

/** A rate that is taken to stay as it is, for rules that have no forecast. */
export function flatForecast(requestsPerSlot: number): ForecastView {
  return {
    model: 'last rate',
    horizons: [{ h: 1, mean: requestsPerSlot, quantiles: quantileGrid.map(() => requestsPerSlot) }],
    residualsSeen: 0,
  };
}

/** That of horizon h; where it is missing that of the next one after it, else of the last there is. */
export function atHorizon(view: ForecastView, h: number): HorizonForecast | null {
  return view.horizons.find((forecast) => forecast.h >= h) ?? view.horizons.at(-1) ?? null;
}

/** Requests per slot that the share tau of all outcomes does not exceed: that of the nearest tau of the grid. */
export function quantileOf({ quantiles }: HorizonForecast, tau: number): number {
  let nearest = 0;
  for (let k = 1; k < quantileGrid.length; k++) {
    if (Math.abs((quantileGrid[k] as number) - tau) <= Math.abs((quantileGrid[nearest] as number) - tau) + 1e-12) nearest = k;
  }
  return quantiles[nearest] as number;
}

/** H: the first slot that an instance started now serves from beginning to end; at least 1. */
export function horizonFor(leadMs: number, slotMs: number): number {
  return Math.max(1, Math.ceil((leadMs + slotMs) / slotMs - 1e-9));
}

/** Slots of a minute; of ten seconds where an instance starts faster than a minute, so that it is not known too late. */
export function slotMsFor(leadMs: number): number {
  return leadMs < 60_000 ? 10_000 : 60_000;
}

/** What is wrong with a forecast; null where nothing is. */
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
