/**
 * Online autoregression: for each horizon h a linear model of how y = √count will have changed h slots on, learnt by recursive
 * least squares as the counts come in. There is no training job: it starts after an hour, and follows the load from then on.
 *
 *   m = max(0, y_t + wᵀx)²,   and at t, with the x of t-h:   target y_t - y_{t-h}
 *
 * The features x at t: 1; y_t; y_t - y_{t-l} for l = 1, 2, 3, 5, 10, 20, 40; with seasons of S slots a day also
 * y[t+h-S] - y[t-S] (how it went on yesterday), y[t-S] - y_t, y[t+h-7S] - y[t-7S] (how it went on a week ago); these are 0 while
 * there is nothing to remember. A count that is missing is stood in for by the last of the five before it; where there is none, nothing is
 * learnt from that slot, and a forecast takes the change for 0.
 *
 * A load that was even for an hour and then jumps gives an x that lies far from all that was learnt from. What wᵀx makes of it is the noise
 * of that hour, many times as large: of a jump from 57 to 580 it made 48,000. So where x lies that far (xᵀPx above 1), the forecast goes
 * no further than the counts that it looks at, and what chance alone adds to them. Nothing of what is learnt changes.
 */
import type { History } from './history.ts';
import { unpackList } from './packing.ts';
import { RecursiveLeastSquares } from './recursive-least-squares.ts';
import type { ForecasterShape, PointModel } from './tracked-forecaster.ts';

const lags = [1, 2, 3, 5, 10, 20, 40] as const;
const featuresOfSeasons = 3;
/** Slots before the first that is learnt from, and the first forecast of its own. */
const warmUpSlots = 60;
const daysOfWeek = 7;
/** From here on it is rather what is not known of w than the noise of the load that makes an answer wrong. */
const leverageTrusted = 1;
/** Twice the standard deviation of the root of a count, which is 1/2 whatever the rate (of Poisson). */
const chanceOfRoot = 1;

export class RlsArModel implements PointModel {
  readonly #shape: ForecasterShape;
  /** One for each horizon. */
  readonly #regressions: readonly RecursiveLeastSquares[];
  /** The features at hand. */
  readonly #x: Float64Array;

  constructor(shape: ForecasterShape) {
    const size = 2 + lags.length + (shape.isSeasonal ? featuresOfSeasons : 0);
    this.#shape = shape;
    this.#regressions = shape.horizons.map(() => new RecursiveLeastSquares(size));
    this.#x = new Float64Array(size);
  }

  learn(history: History): void {
    const { slot } = history;
    for (let i = 0; i < this.#regressions.length; i++) {
      const origin = slot - (this.#shape.horizons[i] as number);
      if (history.age(origin) < warmUpSlots) continue;
      const before = history.rootAt(origin);
      if (Number.isNaN(before) || !this.#describe(history, origin, before, i)) continue;
      (this.#regressions[i] as RecursiveLeastSquares).learn(this.#x, history.lastRoot - before);
    }
  }

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

  restore(given: unknown): void {
    const states = unpackList(given, this.#regressions.length);
    for (const [i, regression] of this.#regressions.entries()) regression.restore(states[i]);
  }

  /** The change that leads no further than the counts that the features at hand tell of. */
  #withinLags(change: number): number {
    let [least, most] = [0, 0];
    for (let k = 0; k < lags.length; k++) {
      const back = -(this.#x[2 + k] as number);
      least = Math.min(least, back);
      most = Math.max(most, back);
    }
    return Math.min(most + chanceOfRoot, Math.max(least - chanceOfRoot, change));
  }

  /** Writes the features of a slot with √count `now` for the i-th horizon; false where one of the lags is missing. */
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
    // NaN, where one of both is missing, becomes 0.
    x[2 + lags.length] = history.rootAt(dayAgo + h) - yesterday || 0;
    x[3 + lags.length] = yesterday - now || 0;
    x[4 + lags.length] = history.rootAt(weekAgo + h) - history.rootAt(weekAgo) || 0;
    return isComplete;
  }
}
