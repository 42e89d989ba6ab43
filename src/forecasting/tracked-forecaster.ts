/**
 * What all forecasters of this room have in common: they check what they are told, remember it, ask a point model for √mean at each
 * horizon, and follow the quantiles of its errors.
 *
 * Gaps. A missing slot is not a zero: nobody learns from it, and a forecast for it is never scored. A forecast made within a gap
 * starts from an old count, so it is not scored either.
 */
import { PlatformError } from '../errors.ts';
import {
  type Forecast,
  type ForecastBasis,
  type Forecaster,
  type ForecasterOptions,
  type ForecasterSnapshot,
  nearestQuantile,
} from './forecaster.ts';
import { History } from './history.ts';
import { broken, packFloats, unpackFloats, unpackList, unpackNumber, unpackObject } from './packing.ts';
import { QuantileTracker } from './quantile-tracker.ts';

/** One way to forecast √count. It is told of, and asked at, the latest slot of the history; whatever it keeps beside that is its own. */
export interface PointModel {
  /** The latest slot has a count. Called once for each such slot. */
  learn(history: History): void;
  /** √mean at the i-th horizon from the latest slot, 0 or more; NaN where only the last count is of use. */
  rootAhead(history: History, i: number): number;
  snapshot(): unknown;
  /** Throws `invalid_request`; is called at most once, on a model that has learnt nothing. */
  restore(state: unknown): void;
}

/** The options, checked, with what was left out. */
export interface ForecasterShape {
  /** Rising, each once. */
  readonly horizons: readonly number[];
  readonly slotsPerDay: number;
  readonly isSeasonal: boolean;
  readonly expectedCount: number | null;
}

const daysRemembered = 8;
/** The longest way back that any model looks from the origin of a forecast, beside days: 40 slots and 5 to stand in for a missing one. */
const lookBackSlots = 46;
const horizonMax = 10_080;
const horizonsMax = 100;
const slotsPerDayMax = 86_400;
const countMax = 1e12;

/** One horizon: its errors, and the forecasts whose time has not come. */
interface Track {
  readonly h: number;
  readonly tracker: QuantileTracker;
  /** √m of the forecasts made in the last h slots, at slot modulo h; NaN for none. */
  readonly pending: Float64Array;
  /** √m of the forecast from the latest slot. */
  rootMean: number;
  basis: ForecastBasis;
}

export class TrackedForecaster implements Forecaster {
  readonly name: string;
  readonly horizons: readonly number[];
  readonly #shape: ForecasterShape;
  readonly #newModel: (shape: ForecasterShape) => PointModel;
  #model: PointModel;
  #history: History;
  #tracks: readonly Track[];

  constructor(name: string, options: ForecasterOptions, newModel: (shape: ForecasterShape) => PointModel) {
    this.name = name;
    this.#shape = checkOptions(options);
    this.horizons = this.#shape.horizons;
    this.#newModel = newModel;
    this.#model = newModel(this.#shape);
    this.#history = new History(capacityOf(this.#shape));
    this.#tracks = this.horizons.map((h) => newTrack(h, new QuantileTracker()));
    this.#lookAhead();
  }

  observe(slot: number, count: number | null): void {
    const history = this.#history;
    checkObservation(history.slot, slot, count);
    const skipped = history.slot < 0 ? 0 : slot - history.slot - 1;
    if (skipped > 0) this.#forgetForecastsFrom(history.slot + 1, skipped);
    const root = count === null ? Number.NaN : Math.sqrt(count);
    history.add(slot, root);
    for (const track of this.#tracks) {
      const made = track.pending[slot % track.h] as number;
      if (!Number.isNaN(made) && count !== null) track.tracker.record(root - made);
    }
    if (count !== null) this.#model.learn(history);
    this.#lookAhead();
    for (const track of this.#tracks) track.pending[slot % track.h] = count === null ? Number.NaN : track.rootMean;
  }

  predict(h: number): Forecast {
    const track = this.#tracks.find((candidate) => candidate.h === h);
    if (track === undefined) {
      throw new PlatformError('invalid_request', `this forecaster looks ${this.horizons.join(', ')} slots ahead, not ${h}`);
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

  restore(snapshot: unknown): void {
    const given = unpackObject(snapshot);
    const { horizons, slotsPerDay, isSeasonal } = this.#shape;
    const own = { format: 1, name: this.name, horizons, slotsPerDay, isSeasonal };
    for (const [key, value] of Object.entries(own)) {
      const [wanted, got] = [JSON.stringify(value), JSON.stringify(given[key]) ?? 'none'];
      if (wanted === got) continue;
      throw new PlatformError(
        'invalid_request',
        `the snapshot has another ${key} than this forecaster: expected ${wanted}, got ${got}; start a new one`,
      );
    }
    const state = unpackObject(given['state']);
    const history = History.restored(capacityOf(this.#shape), state['history']);
    const tracks = unpackList(state['tracks'], horizons.length).map((track, i) => restoredTrack(horizons[i] as number, track));
    const model = this.#newModel(this.#shape);
    model.restore(state['model']);
    [this.#history, this.#tracks, this.#model] = [history, tracks, model];
  }

  /** Nobody compares a forecast with a slot that was left out, nor makes one there. */
  #forgetForecastsFrom(firstSlot: number, count: number): void {
    for (const { h, pending } of this.#tracks) {
      for (let i = 0; i < Math.min(count, h); i++) pending[(firstSlot + i) % h] = Number.NaN;
    }
  }

  #lookAhead(): void {
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

function newTrack(h: number, tracker: QuantileTracker): Track {
  return { h, tracker, pending: new Float64Array(h).fill(Number.NaN), rootMean: 0, basis: 'nothing' };
}

function restoredTrack(h: number, given: unknown): Track {
  const state = unpackObject(given);
  const basis = (['nothing', 'declared', 'persistence', 'model'] as const).find((word) => word === state['basis']);
  if (basis === undefined) throw broken('the basis of a forecast is missing');
  const pending = unpackFloats(state['pending'], new Float64Array(h), true);
  return { h, tracker: QuantileTracker.restored(state), pending, rootMean: unpackNumber(state['rootMean']), basis };
}

/** Eight days; more where a short day would not hold what the models look back to. */
function capacityOf({ horizons, slotsPerDay }: ForecasterShape): number {
  return Math.max(daysRemembered * slotsPerDay, (horizons.at(-1) as number) + lookBackSlots);
}

function checkObservation(lastSlot: number, slot: number, count: number | null): void {
  if (!Number.isSafeInteger(slot) || slot < 0) {
    throw new PlatformError('invalid_request', `a slot is a whole number from 0, got ${slot}`);
  }
  if (slot <= lastSlot) {
    throw new PlatformError(
      'invalid_request',
      `slot ${slot} is over: expected one after ${lastSlot}, each slot is observed once, in order`,
    );
  }
  if (count !== null && !(Number.isInteger(count) && count >= 0 && count <= countMax)) {
    throw new PlatformError('invalid_request', `a count is a whole number of requests from 0 to 10^12, or null for a gap; got ${count}`);
  }
}

function checkOptions({ horizons, slotsPerDay = 1440, isSeasonal = true, expectedCount = null }: ForecasterOptions): ForecasterShape {
  const refuse = (what: string): never => {
    throw new PlatformError('invalid_request', `a forecaster ${what}`);
  };
  if (!Number.isInteger(slotsPerDay) || slotsPerDay < 2 || slotsPerDay > slotsPerDayMax) {
    refuse(`has from 2 to ${slotsPerDayMax} slots a day, got ${slotsPerDay}`);
  }
  const rising = [...new Set(horizons)].sort((a, b) => a - b);
  if (rising.length === 0 || rising.length > horizonsMax) refuse(`has from 1 to ${horizonsMax} horizons, got ${rising.length}`);
  for (const h of rising) {
    if (!Number.isInteger(h) || h < 1 || h > horizonMax) refuse(`looks ahead whole slots from 1 to ${horizonMax}, got ${h}`);
    if (isSeasonal && h >= slotsPerDay) refuse(`with seasons looks ahead less than a day of ${slotsPerDay} slots, got ${h}`);
  }
  if (expectedCount !== null && !(expectedCount >= 0 && expectedCount <= countMax)) {
    refuse(`expects from 0 to 10^12 requests a slot, or null, got ${expectedCount}`);
  }
  return { horizons: rising, slotsPerDay, isSeasonal, expectedCount };
}
