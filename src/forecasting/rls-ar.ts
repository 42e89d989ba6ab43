/**
 * Online autoregression: for each horizon h a linear model of the change of y = √count after h slots, learned by recursive least
 * squares as counts arrive. There is no training job: it starts after an hour and follows the load from then on.
 *
 *   m = max(0, y_t + wᵀx)²,   and at t, with the x of t-h:   target y_t - y_{t-h}
 *
 * The features x at t: 1; y_t; y_t - y_{t-l} for l = 1, 2, 3, 5, 10, 20, 40; with seasons of S slots per day also y[t+h-S] -
 * y[t-S] (yesterday's change), y[t-S] - y_t, y[t+h-7S] - y[t-7S] (last week's change); these are 0 without history. A missing
 * count is replaced by the last of the five before it; if there is none, nothing is learned from that slot, and the forecast
 * assumes no change.
 *
 * A load that was even for an hour and then jumps gives an x far from all learned inputs. There wᵀx amplifies the noise of that
 * hour: a jump from 57 to 580 gave a forecast of 48,000. So for such an x (xᵀPx above 1) the forecast is limited to the range of
 * its lagged counts plus random variation. Learning is not affected.
 */
import type { History } from './history.ts';
import { unpackList } from './packing.ts';
import { RecursiveLeastSquares } from './recursive-least-squares.ts';
import type { ForecasterShape, PointModel } from './tracked-forecaster.ts';

const lags = [1, 2, 3, 5, 10, 20, 40] as const;
const featuresOfSeasons = 3;
/** Slots before the first training and the first forecast by the model. */
const warmUpSlots = 60;
const daysOfWeek = 7;
/** Above this leverage, the uncertainty of w exceeds the noise of the load. */
const leverageTrusted = 1;
/** Random variation of a root: twice its standard deviation, which for Poisson counts is 1/2 at any rate. */
const chanceOfRoot = 1;

/** The point model of the product's forecaster. */
export class RlsArModel implements PointModel {
  readonly #shape: ForecasterShape;
  /** One regression per horizon. */
  readonly #regressions: readonly RecursiveLeastSquares[];
  /** Buffer for the current features. */
  readonly #x: Float64Array;

  constructor(shape: ForecasterShape) {
    const size = 2 + lags.length + (shape.isSeasonal ? featuresOfSeasons : 0);
    this.#shape = shape;
    this.#regressions = shape.horizons.map(() => new RecursiveLeastSquares(size));
    this.#x = new Float64Array(size);
  }

  /** For each horizon h, learns from the change of the last h slots what it should have predicted h slots ago. */
  train(history: History): void {
    const { slot } = history;
    for (let i = 0; i < this.#regressions.length; i++) {
      const origin = slot - (this.#shape.horizons[i] as number);
      if (history.age(origin) < warmUpSlots) continue;
      const before = history.rootAt(origin);
      if (Number.isNaN(before) || !this.#describe(history, origin, before, i)) continue;
      (this.#regressions[i] as RecursiveLeastSquares).train(this.#x, history.lastRoot - before);
    }
  }

  /**
   * The current root plus the predicted change. If the inputs are unlike those of the training (high leverage), the change is limited to
   * what was seen.
   */
  rootAhead(history: History, i: number): number {
    const { slot } = history;
    const now = history.recentRootAt(slot);
    if (history.age(slot) < warmUpSlots || history.isStale || Number.isNaN(now)) return Number.NaN;
    this.#describe(history, slot, now, i);
    const regression = this.#regressions[i] as RecursiveLeastSquares;
    const change = regression.answer(this.#x);
    const isKnown = regression.leverage(this.#x) <= leverageTrusted;
    return Math.max(0, now + (isKnown ? change : this.#withinLags(change)));
  }

  snapshot(): unknown {
    return this.#regressions.map((regression) => regression.snapshot());
  }

  restore(provided: unknown): void {
    const states = unpackList(provided, this.#regressions.length);
    for (const [i, regression] of this.#regressions.entries()) regression.restore(states[i]);
  }

  /** Limits the change to the range of the counts in the current features, plus random variation. */
  #withinLags(change: number): number {
    let [least, most] = [0, 0];
    for (let k = 0; k < lags.length; k++) {
      const back = -(this.#x[2 + k] as number);
      least = Math.min(least, back);
      most = Math.max(most, back);
    }
    return Math.min(most + chanceOfRoot, Math.max(least - chanceOfRoot, change));
  }

  /** Writes the features of a slot with √count `now` for the i-th horizon. Returns false if one of the lags is missing. */
  #describe(history: History, slot: number, now: number, i: number): boolean {
    const x = this.#x;
    let isComplete = true;
    x[0] = 1;
    x[1] = now;
    for (let k = 0; k < lags.length; k++) {
      const change = now - history.recentRootAt(slot - (lags[k] as number));
      if (Number.isNaN(change)) isComplete = false;
      x[2 + k] = change || 0;
    }
    if (!this.#shape.isSeasonal) return isComplete;
    const { slotsPerDay, horizons } = this.#shape;
    const h = horizons[i] as number;
    const [dayAgo, weekAgo] = [slot - slotsPerDay, slot - daysOfWeek * slotsPerDay];
    const yesterday = history.rootAt(dayAgo);
    // The difference is NaN if either count is missing; `|| 0` replaces it by 0.
    x[2 + lags.length] = history.rootAt(dayAgo + h) - yesterday || 0;
    x[3 + lags.length] = yesterday - now || 0;
    x[4 + lags.length] = history.rootAt(weekAgo + h) - history.rootAt(weekAgo) || 0;
    return isComplete;
  }
}
