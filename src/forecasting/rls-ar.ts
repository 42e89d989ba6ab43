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
import type { RlsFeatures } from './rls-model.ts';
import type { ForecasterShape } from './tracked-forecaster.ts';

const lags = [1, 2, 3, 5, 10, 20, 40] as const;
const featuresOfSeasons = 3;
const daysOfWeek = 7;

/** The features of an autoregression over lags. */
export class RlsArFeatures implements RlsFeatures {
  readonly size: number;
  readonly pastCount = lags.length;
  readonly #shape: ForecasterShape;

  constructor(shape: ForecasterShape) {
    this.size = 2 + lags.length + (shape.isSeasonal ? featuresOfSeasons : 0);
    this.#shape = shape;
  }

  /** Returns false if one of the lags is missing. */
  describe(x: Float64Array, history: History, slot: number, now: number, i: number): boolean {
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
