/**
 * The common part of all forecasters. Validates and stores observations, asks a point model for √mean at each horizon, and tracks
 * the quantiles of the errors. A missing slot is not a zero: nothing is learned from it, and forecasts for it are not scored.
 * Forecasts made within a gap start from an old count, so they are not scored either.
 */
import { PlatformError } from '../errors.ts';
import { ConditionalQuantiles } from './conditional-quantiles.ts';
import {
  type Forecast,
  type ForecastBasis,
  type Forecaster,
  type ForecasterOptions,
  type ForecasterSnapshot,
  nearestQuantile,
} from './forecaster.ts';
import { History } from './history.ts';
import { corruptSnapshot, packFloats, unpackFloats, unpackList, unpackNumber, unpackObject } from './packing.ts';
import { QuantileTracker } from './quantile-tracker.ts';

/**
 * A model of √count. It trains on, and predicts from, the latest slot of the history; `TrackedForecaster` stores that history.
 */
export interface PointModel {
  /** Learns from the latest slot, which has a count. Called once per such slot. */
  train(history: History): void;
  /** √mean at the i-th horizon from the latest slot, 0 or more. NaN if only the last count is usable. */
  rootAhead(history: History, i: number): number;
  snapshot(): unknown;
  /** Restores the model's state. Called at most once, on an untrained model. Throws `invalid_request`. */
  restore(state: unknown): void;
}

/** The quantiles of a model's errors at one horizon. */
interface ErrorQuantiles {
  readonly residualsSeen: number;
  /** Records √count - √m of a forecast m = rootMean², once its slot has ended. */
  record(residual: number, rootMean: number): void;
  /** Counts at each τ of `quantileGrid` around m = rootMean²; non-decreasing. */
  around(rootMean: number): number[];
  snapshot(): Readonly<Record<string, unknown>>;
}

interface QuantilesKind {
  readonly fresh: (shape: ForecasterShape) => ErrorQuantiles;
  /** Throws `invalid_request`. */
  readonly restored: (shape: ForecasterShape, provided: unknown) => ErrorQuantiles;
}

/** Quantiles over all errors. */
export const unconditional: QuantilesKind = {
  fresh: () => new QuantileTracker(),
  restored: (_, provided) => QuantileTracker.restored(provided),
};

const daysOfErrors = 2.3;

/** Quantiles of the errors of similar forecasts, over some days. */
export const conditional: QuantilesKind = {
  fresh: ({ slotsPerDay }) => new ConditionalQuantiles(daysOfErrors * slotsPerDay),
  restored: ({ slotsPerDay }, provided) => ConditionalQuantiles.restored(daysOfErrors * slotsPerDay, provided),
};

/** What makes a forecaster: a model of the mean, and quantiles of its errors. */
export interface ForecasterKind {
  readonly newModel: (shape: ForecasterShape) => PointModel;
  readonly quantiles: QuantilesKind;
}

/** The validated options with defaults. */
export interface ForecasterShape {
  /** Ascending, without duplicates. */
  readonly horizons: readonly number[];
  readonly slotsPerDay: number;
  readonly isSeasonal: boolean;
  readonly expectedCount: number | null;
}

const daysRemembered = 8;
/**
 * Oldest slot that any model uses, counted from the origin of a forecast, apart from days: 40 lags and 5 to replace a missing
 * one.
 */
const lookbackSlots = 46;
const horizonMax = 10_080;
const horizonsMax = 100;
const slotsPerDayMax = 86_400;
const countMax = 1e12;

/** State of one horizon: error quantiles, and forecasts that await their outcome. */
interface Track {
  readonly h: number;
  readonly tracker: ErrorQuantiles;
  /** √m of the forecasts of the last h slots, indexed by slot modulo h; NaN for none. */
  readonly pending: Float64Array;
  /** √m of the forecast from the latest slot. */
  rootMean: number;
  basis: ForecastBasis;
}

/** A snapshot holds everything, so a restarted server continues with the same forecasts. */
export class TrackedForecaster implements Forecaster {
  readonly name: string;
  readonly horizons: readonly number[];
  readonly #shape: ForecasterShape;
  readonly #kind: ForecasterKind;
  #model: PointModel;
  #history: History;
  #tracks: readonly Track[];

  constructor(name: string, options: ForecasterOptions, kind: ForecasterKind) {
    this.name = name;
    this.#shape = checkOptions(options);
    this.horizons = this.#shape.horizons;
    this.#kind = kind;
    this.#model = kind.newModel(this.#shape);
    this.#history = new History(capacityOf(this.#shape));
    this.#tracks = this.horizons.map((h) => newTrack(h, kind.quantiles.fresh(this.#shape)));
    this.#predictAhead();
  }

  /**
   * Takes the count of a slot; null if it is unknown. First the forecasts that were made for this slot are compared with it, then the model
   * is trained, so an error is always one of a real forecast. Slots left out count as unknown.
   */
  observe(slot: number, count: number | null): void {
    const history = this.#history;
    checkObservation(history.slot, slot, count);
    const skipped = history.slot < 0 ? 0 : slot - history.slot - 1;
    if (skipped > 0) this.#discardForecastsFrom(history.slot + 1, skipped);
    const root = count === null ? Number.NaN : Math.sqrt(count);
    history.add(slot, root);
    for (const track of this.#tracks) {
      const made = track.pending[slot % track.h] as number;
      if (!Number.isNaN(made) && count !== null) track.tracker.record(root - made, made);
    }
    if (count !== null) this.#model.train(history);
    this.#predictAhead();
    for (const track of this.#tracks) track.pending[slot % track.h] = count === null ? Number.NaN : track.rootMean;
  }

  /** The forecast for `h` slots ahead. Means are squares, because the model works on square roots of counts. */
  predict(h: number): Forecast {
    const track = this.#tracks.find((candidate) => candidate.h === h);
    if (track === undefined) {
      throw new PlatformError('invalid_request', `unknown horizon: expected one of ${this.horizons.join(', ')} slots, got ${h}`);
    }
    const quantiles = track.tracker.around(track.rootMean);
    return {
      mean: track.rootMean ** 2,
      quantiles,
      basis: track.basis,
      residualsSeen: track.tracker.residualsSeen,
      quantile: (tau) => quantiles[nearestQuantile(tau)] as number,
    };
  }

  snapshot(): ForecasterSnapshot {
    const { horizons, slotsPerDay, isSeasonal } = this.#shape;
    const tracks = this.#tracks.map(({ tracker, pending, rootMean, basis }) => ({
      ...tracker.snapshot(),
      pending: packFloats(pending),
      rootMean,
      basis,
    }));
    const state = { history: this.#history.snapshot(), tracks, model: this.#model.snapshot() };
    return { format: 1, name: this.name, horizons, slotsPerDay, isSeasonal, state };
  }

  /**
   * All or nothing: the state is replaced once all of the snapshot was read. Throws `invalid_request` for a snapshot of another kind of
   * forecaster.
   */
  restore(snapshot: unknown): void {
    const provided = unpackObject(snapshot);
    const { horizons, slotsPerDay, isSeasonal } = this.#shape;
    const own = { format: 1, name: this.name, horizons, slotsPerDay, isSeasonal };
    for (const [key, value] of Object.entries(own)) {
      const [wanted, got] = [JSON.stringify(value), JSON.stringify(provided[key]) ?? 'none'];
      if (wanted === got) continue;
      throw new PlatformError(
        'invalid_request',
        `the snapshot has another ${key} than this forecaster: expected ${wanted}, got ${got}. Create a new one`,
      );
    }
    const state = unpackObject(provided['state']);
    const history = History.restored(capacityOf(this.#shape), state['history']);
    const restoredQuantiles = (track: unknown): ErrorQuantiles => this.#kind.quantiles.restored(this.#shape, track);
    const tracks = unpackList(state['tracks'], horizons.length).map((track, i) =>
      restoredTrack(horizons[i] as number, track, restoredQuantiles(track)),
    );
    const model = this.#kind.newModel(this.#shape);
    model.restore(state['model']);
    [this.#history, this.#tracks, this.#model] = [history, tracks, model];
  }

  /** Discards forecasts for or from skipped slots, which are never scored. */
  #discardForecastsFrom(firstSlot: number, count: number): void {
    for (const { h, pending } of this.#tracks) {
      for (let i = 0; i < Math.min(count, h); i++) pending[(firstSlot + i) % h] = Number.NaN;
    }
  }

  #predictAhead(): void {
    const { lastRoot } = this.#history;
    const { expectedCount } = this.#shape;
    for (let i = 0; i < this.#tracks.length; i++) {
      const track = this.#tracks[i] as Track;
      const root = Number.isNaN(lastRoot) ? Number.NaN : this.#model.rootAhead(this.#history, i);
      if (!Number.isNaN(root)) {
        track.rootMean = root;
        track.basis = 'model';
      } else if (!Number.isNaN(lastRoot)) {
        track.rootMean = lastRoot;
        track.basis = 'persistence';
      } else {
        track.rootMean = Math.sqrt(expectedCount ?? 0);
        track.basis = expectedCount === null ? 'nothing' : 'declared';
      }
    }
  }
}

function newTrack(h: number, tracker: ErrorQuantiles): Track {
  return { h, tracker, pending: new Float64Array(h).fill(Number.NaN), rootMean: 0, basis: 'nothing' };
}

function restoredTrack(h: number, provided: unknown, tracker: ErrorQuantiles): Track {
  const state = unpackObject(provided);
  const basis = (['nothing', 'declared', 'persistence', 'model'] as const).find((word) => word === state['basis']);
  if (basis === undefined) throw corruptSnapshot('the basis of a forecast is missing');
  const pending = unpackFloats(state['pending'], new Float64Array(h), true);
  return { h, tracker, pending, rootMean: unpackNumber(state['rootMean']), basis };
}

/** Stored slots: eight days, or more if a short day would not cover the lookback of the models. */
function capacityOf({ horizons, slotsPerDay }: ForecasterShape): number {
  return Math.max(daysRemembered * slotsPerDay, (horizons.at(-1) as number) + lookbackSlots);
}

function checkObservation(lastSlot: number, slot: number, count: number | null): void {
  if (!Number.isSafeInteger(slot) || slot < 0) {
    throw new PlatformError('invalid_request', `invalid slot: expected a whole number from 0, got ${slot}`);
  }
  if (slot <= lastSlot) {
    throw new PlatformError('invalid_request', `slot ${slot} is over: expected one after ${lastSlot}. Observe each slot once, in order`);
  }
  if (count !== null && !(Number.isInteger(count) && count >= 0 && count <= countMax)) {
    throw new PlatformError(
      'invalid_request',
      `invalid count: expected a whole number of requests from 0 to 10^12, or null for a gap, got ${count}`,
    );
  }
}

function checkOptions({ horizons, slotsPerDay = 1440, isSeasonal = true, expectedCount = null }: ForecasterOptions): ForecasterShape {
  const refuse = (what: string): never => {
    throw new PlatformError('invalid_request', `invalid forecaster: expected ${what}`);
  };
  if (!Number.isInteger(slotsPerDay) || slotsPerDay < 2 || slotsPerDay > slotsPerDayMax) {
    refuse(`2 to ${slotsPerDayMax} slots per day, got ${slotsPerDay}`);
  }
  const rising = [...new Set(horizons)].sort((a, b) => a - b);
  if (rising.length === 0 || rising.length > horizonsMax) refuse(`1 to ${horizonsMax} horizons, got ${rising.length}`);
  for (const h of rising) {
    if (!Number.isInteger(h) || h < 1 || h > horizonMax) refuse(`horizons in whole slots from 1 to ${horizonMax}, got ${h}`);
    if (isSeasonal && h >= slotsPerDay) refuse(`horizons shorter than a day of ${slotsPerDay} slots if it is seasonal, got ${h}`);
  }
  if (expectedCount !== null && !(expectedCount >= 0 && expectedCount <= countMax)) {
    refuse(`an expected count from 0 to 10^12 requests per slot, or null, got ${expectedCount}`);
  }
  return { horizons: rising, slotsPerDay, isSeasonal, expectedCount };
}
