/** What every forecaster is asked and answers. A slot is a stretch of time of fixed length, numbered upwards; a count is the requests in it. */
import { PlatformError } from '../errors.ts';

/** The quantiles that are tracked. */
export const quantileGrid: readonly number[] = [0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99];

/** What a mean is based on: nothing at all (it is 0), the rate that was declared, the last count, or what the model learnt. */
export type ForecastBasis = 'nothing' | 'declared' | 'persistence' | 'model';

/** The requests to come in one slot. It stays as it is when more is observed. */
export interface Forecast {
  /** Requests per slot. */
  readonly mean: number;
  /** Requests per slot at each of `quantileGrid`; never falling. */
  readonly quantiles: readonly number[];
  readonly basis: ForecastBasis;
  /** How many forecasts for this horizon were compared with what came: below 60 the quantiles are widened by a prior. */
  readonly residualsSeen: number;
  /** Requests per slot that the share tau (above 0, below 1) of all outcomes does not exceed: that of the nearest tau of the grid. */
  quantile(tau: number): number;
}

export interface ForecasterOptions {
  /** How many slots ahead `predict` may be asked for: whole numbers from 1, in any order. */
  readonly horizons: readonly number[];
  /** Slots in a day; 1440 of a minute unless given. Eight days are remembered. */
  readonly slotsPerDay?: number;
  /** Whether days and weeks resemble each other; true unless given. Horizons are shorter than a day then. */
  readonly isSeasonal?: boolean;
  /** Requests per slot to expect while nothing was observed. */
  readonly expectedCount?: number | null;
}

/** All that a forecaster knows, as JSON of less than 200 kB (at 8640 slots a day as long as counts are no more than 8000 apart from slot to slot). */
export interface ForecasterSnapshot {
  readonly format: 1;
  readonly name: string;
  readonly horizons: readonly number[];
  readonly slotsPerDay: number;
  readonly isSeasonal: boolean;
  readonly state: Readonly<Record<string, unknown>>;
}

export interface Forecaster {
  readonly name: string;
  /** Rising, each once. */
  readonly horizons: readonly number[];
  /**
   * What came in a slot that is over: a whole number from 0 to 10^12, or null where nobody counted (a gap; not zero). Slots may start
   * anywhere from 0 and only go up: those that are left out are gaps. Throws `invalid_request`, and has changed nothing then, for
   * any other count, for a slot that is no whole number, and for one that is not later than the last.
   */
  observe(slot: number, count: number | null): void;
  /** The slot that lies h after the last observed one. Throws `invalid_request` for an h that is none of the horizons. */
  predict(h: number): Forecast;
  snapshot(): ForecasterSnapshot;
  /**
   * Goes on exactly where the snapshot was taken. Throws `invalid_request`, and has changed nothing then, where it is of another kind of
   * forecaster or of other options, or broken: start a new one.
   */
  restore(snapshot: unknown): void;
}

/** The place in `quantileGrid` of the nearest tau; of two equally near the higher. */
export function nearestQuantile(tau: number): number {
  if (!(tau > 0 && tau < 1)) throw new PlatformError('invalid_request', `a quantile lies above 0 and below 1, got ${tau}`);
  let nearest = 0;
  for (let k = 1; k < quantileGrid.length; k++) {
    const [here, there] = [Math.abs((quantileGrid[k] as number) - tau), Math.abs((quantileGrid[nearest] as number) - tau)];
    if (here <= there + 1e-12) nearest = k;
  }
  return nearest;
}
