/**
 * Online autoregression over windows: for each horizon h a linear model of the change of y = √count after h slots, learned by
 * recursive least squares as counts arrive. For slots of some seconds, whose counts are mostly noise: means over windows of many
 * lengths keep what is slow apart from what is quick, and the regression weighs them (the heterogeneous autoregression of Corsi,
 * Journal of Financial Econometrics 7(2), 2009, with more windows).
 *
 *   m = max(0, y_t + wᵀx)²,   and at t, with the x of t-h:   target y_t - y_{t-h}
 *
 * The features x at t: 1; y_t; y_t - mean of y over the last 2, 4, 8, 12, 20, 40, 80, 160 slots. With seasons, c_P(k) is the change
 * from t-kP to t-kP+h: yesterday's c, the mean c of the last seven days, their mean level at t minus y_t, last week's c, and the mean c
 * of the last six hours and of the last six times two hours, because jobs and clients are scheduled by the hour. What is unknown is 0.
 */
import type { History } from './history.ts';
import type { RlsFeatures } from './rls-model.ts';
import type { ForecasterShape } from './tracked-forecaster.ts';

const windows = [2, 4, 8, 12, 20, 40, 80, 160] as const;
const featuresOfSeasons = 6;
const daysOfWeek = 7;
const cyclesAveraged = 6;
/** Days after which an observation has the weight 1/e. */
const daysLearned = 2.315;

/** The features of an autoregression over windows, for short slots. */
export class RlsWindowsFeatures implements RlsFeatures {
  readonly size: number;
  readonly pastCount = windows.length;
  readonly forgetting: number;
  readonly #shape: ForecasterShape;

  constructor(shape: ForecasterShape) {
    this.size = 2 + windows.length + (shape.isSeasonal ? featuresOfSeasons : 0);
    this.forgetting = Math.max(1 - 1 / (daysLearned * shape.slotsPerDay), 0.98);
    this.#shape = shape;
  }

  describe(x: Float64Array, history: History, slot: number, now: number, i: number): boolean {
    x[0] = 1;
    x[1] = now;
    let sum = 0;
    let known = 0;
    let back = 0;
    for (let k = 0; k < windows.length; k++) {
      for (; back < (windows[k] as number); back++) {
        const root = history.rootAt(slot - back);
        if (Number.isNaN(root)) continue;
        sum += root;
        known++;
      }
      x[2 + k] = known === 0 ? 0 : now - sum / known;
    }
    if (!this.#shape.isSeasonal) return true;
    const { slotsPerDay: day, horizons } = this.#shape;
    const h = horizons[i] as number;
    const at = 2 + windows.length;
    const hour = day % 24 === 0 ? day / 24 : 0;
    this.#describeChange(x, at, history, slot, h, day, 1);
    this.#describeChange(x, at + 1, history, slot, h, day, daysOfWeek);
    this.#describeLevel(x, at + 2, history, slot, now);
    this.#describeChange(x, at + 3, history, slot, h, daysOfWeek * day, 1);
    this.#describeChange(x, at + 4, history, slot, h, hour, cyclesAveraged);
    this.#describeChange(x, at + 5, history, slot, h, 2 * hour, cyclesAveraged);
    return true;
  }

  /** Feature `at`: the mean change within h slots, one to `cycles` periods ago; 0 if it is unknown or not over yet. */
  #describeChange(x: Float64Array, at: number, history: History, slot: number, h: number, period: number, cycles: number): void {
    x[at] = 0;
    if (period <= h) return;
    let sum = 0;
    let known = 0;
    for (let cycle = 1; cycle <= cycles; cycle++) {
      const from = slot - cycle * period;
      const change = history.rootAt(from + h) - history.rootAt(from);
      if (Number.isNaN(change)) continue;
      sum += change;
      known++;
    }
    if (known > 0) x[at] = sum / known;
  }

  /** Feature `at`: the mean root at this time of the last seven days, relative to the current one; 0 if it is unknown. */
  #describeLevel(x: Float64Array, at: number, history: History, slot: number, now: number): void {
    let sum = 0;
    let known = 0;
    for (let cycle = 1; cycle <= daysOfWeek; cycle++) {
      const root = history.rootAt(slot - cycle * this.#shape.slotsPerDay);
      if (Number.isNaN(root)) continue;
      sum += root;
      known++;
    }
    x[at] = known === 0 ? 0 : sum / known - now;
  }
}
