/**
 * The interface of every forecaster. A slot is a period of fixed length, numbered upwards. A count is the number of requests in a
 * slot.
 */
import { PlatformError } from '../errors.ts';

/** The quantile levels of every forecast. */
export const quantileGrid: readonly number[] = [0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99];

/** Source of a forecast's mean: `nothing` (the mean is 0), the declared rate, the last count, or the trained model. */
export type ForecastBasis = 'nothing' | 'declared' | 'persistence' | 'model';

/** Forecast requests in one slot. Immutable: later observations do not change it. */
export interface Forecast {
  /** Requests per slot. */
  readonly mean: number;
  /** Requests per slot at each level of `quantileGrid`; non-decreasing. */
  readonly quantiles: readonly number[];
  readonly basis: ForecastBasis;
  /** Number of forecasts for this horizon that were compared with their outcome. Below 60 a prior widens the quantiles. */
  readonly residualsSeen: number;
  /** Requests per slot that the share tau (0 to 1, exclusive) of outcomes does not exceed. Uses the nearest level of the grid. */
  quantile(tau: number): number;
}

/** Fixed for the life of a forecaster, and part of its snapshot. */
export interface ForecasterOptions {
  /** Supported horizons of `predict`: whole numbers from 1, in any order. */
  readonly horizons: readonly number[];
  /** Slots per day; default 1440 (one-minute slots). Eight days are stored. */
  readonly slotsPerDay?: number;
  /** True if days and weeks have recurring patterns; default true. Horizons must then be shorter than a day. */
  readonly isSeasonal?: boolean;
  /** Assumed requests per slot before the first observation. */
  readonly expectedCount?: number | null;
}

/**
 * The complete state of a forecaster as JSON, below 200 kB. This limit holds up to 8640 slots per day if consecutive counts
 * differ by at most 8000; with `rls-windows`, slots of ten seconds and a dozen horizons it is 250 kB.
 */
export interface ForecasterSnapshot {
  readonly format: 1;
  readonly name: string;
  readonly horizons: readonly number[];
  readonly slotsPerDay: number;
  readonly isSeasonal: boolean;
  readonly state: Readonly<Record<string, unknown>>;
}

/** Fed with one count per slot, in order; forecasts every configured horizon. */
export interface Forecaster {
  readonly name: string;
  /** Ascending, without duplicates. */
  readonly horizons: readonly number[];
  /**
   * Records the count of a completed slot: a whole number from 0 to 10^12, or null if unknown (a gap, not zero). Slots are whole
   * numbers from 0 and must increase; skipped slots are gaps. Throws `invalid_request` for other counts or slots, and then
   * changes nothing.
   */
  observe(slot: number, count: number | null): void;
  /** The forecast for the slot h after the last observed one. Throws `invalid_request` if h was not configured. */
  predict(h: number): Forecast;
  snapshot(): ForecasterSnapshot;
  /**
   * Replaces the state, and continues exactly where the snapshot was taken. Throws `invalid_request` if the snapshot is corrupt
   * or from another forecaster or other options, and then changes nothing. In that case create a new forecaster.
   */
  restore(snapshot: unknown): void;
}

/** Index in `quantileGrid` of the level nearest to tau; the higher one of a tie. */
export function nearestQuantile(tau: number): number {
  if (!(tau > 0 && tau < 1)) throw new PlatformError('invalid_request', `invalid quantile: expected above 0 and below 1, got ${tau}`);
  let nearest = 0;
  for (let k = 1; k < quantileGrid.length; k++) {
    const [here, there] = [Math.abs((quantileGrid[k] as number) - tau), Math.abs((quantileGrid[nearest] as number) - tau)];
    if (here <= there + 1e-12) nearest = k;
  }
  return nearest;
}
