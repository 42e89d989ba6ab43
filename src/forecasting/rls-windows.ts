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
import { unpackList } from './packing.ts';
import { RecursiveLeastSquares } from './recursive-least-squares.ts';
import type { ForecasterShape, PointModel } from './tracked-forecaster.ts';

const windows = [2, 4, 8, 12, 20, 40, 80, 160] as const;
const featuresOfSeasons = 6;
/** Slots before the first training and the first forecast by the model. */
const warmUpSlots = 60;
const daysOfWeek = 7;
const cyclesAveraged = 6;
/** Days after which an observation has the weight 1/e. */
const daysLearned = 2.315;
/** Above this leverage, the uncertainty of w exceeds the noise of the load. */
const leverageTrusted = 1;
/** Random variation of a root: twice its standard deviation, which for Poisson counts is 1/2 at any rate. */
const chanceOfRoot = 1;

/** The point model for short slots. */
export class RlsWindowsModel implements PointModel {
  readonly #shape: ForecasterShape;
  /** One regression per horizon. */
  readonly #regressions: readonly RecursiveLeastSquares[];
  /** Buffer for the current features. */
  readonly #x: Float64Array;

  constructor(shape: ForecasterShape) {
    const size = 2 + windows.length + (shape.isSeasonal ? featuresOfSeasons : 0);
    const forgetting = 1 - 1 / (daysLearned * shape.slotsPerDay);
    this.#shape = shape;
    this.#regressions = shape.horizons.map(() => new RecursiveLeastSquares(size, Math.max(forgetting, 0.98)));
    this.#x = new Float64Array(size);
  }

  /** For each horizon h, learns from the change of the last h slots what it should have predicted h slots ago. */
  train(history: History): void {
    const { slot } = history;
    for (let i = 0; i < this.#regressions.length; i++) {
      const origin = slot - (this.#shape.horizons[i] as number);
      if (history.age(origin) < warmUpSlots) continue;
      const before = history.rootAt(origin);
      if (Number.isNaN(before)) continue;
      this.#describe(history, origin, before, i);
      (this.#regressions[i] as RecursiveLeastSquares).train(this.#x, history.lastRoot - before);
    }
  }

  /** The current root plus the predicted change. If the inputs are unlike those of the training, the change is limited to what was seen. */
  rootAhead(history: History, i: number): number {
    const { slot } = history;
    const now = history.recentRootAt(slot);
    if (history.age(slot) < warmUpSlots || history.isStale || Number.isNaN(now)) return Number.NaN;
    this.#describe(history, slot, now, i);
    const regression = this.#regressions[i] as RecursiveLeastSquares;
    const change = regression.answer(this.#x);
    const isKnown = regression.leverage(this.#x) <= leverageTrusted;
    return Math.max(0, now + (isKnown ? change : this.#withinWindows(change)));
  }

  snapshot(): unknown {
    return this.#regressions.map((regression) => regression.snapshot());
  }

  restore(provided: unknown): void {
    const states = unpackList(provided, this.#regressions.length);
    for (const [i, regression] of this.#regressions.entries()) regression.restore(states[i]);
  }

  /** Limits the change to the range of the means in the current features, plus random variation. */
  #withinWindows(change: number): number {
    let [least, most] = [0, 0];
    for (let k = 0; k < windows.length; k++) {
      const back = -(this.#x[2 + k] as number);
      least = Math.min(least, back);
      most = Math.max(most, back);
    }
    return Math.min(most + chanceOfRoot, Math.max(least - chanceOfRoot, change));
  }

  /** Writes the features of a slot with √count `now` for the i-th horizon. */
  #describe(history: History, slot: number, now: number, i: number): void {
    const x = this.#x;
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
    if (!this.#shape.isSeasonal) return;
    const { slotsPerDay: day, horizons } = this.#shape;
    const h = horizons[i] as number;
    const at = 2 + windows.length;
    const hour = day % 24 === 0 ? day / 24 : 0;
    this.#describeChange(at, history, slot, h, day, 1);
    this.#describeChange(at + 1, history, slot, h, day, daysOfWeek);
    this.#describeLevel(at + 2, history, slot, now);
    this.#describeChange(at + 3, history, slot, h, daysOfWeek * day, 1);
    this.#describeChange(at + 4, history, slot, h, hour, cyclesAveraged);
    this.#describeChange(at + 5, history, slot, h, 2 * hour, cyclesAveraged);
  }

  /** Feature `at`: the mean change within h slots, one to `cycles` periods ago; 0 if it is unknown or not over yet. */
  #describeChange(at: number, history: History, slot: number, h: number, period: number, cycles: number): void {
    this.#x[at] = 0;
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
    if (known > 0) this.#x[at] = sum / known;
  }

  /** Feature `at`: the mean root at this time of the last seven days, relative to the current one; 0 if it is unknown. */
  #describeLevel(at: number, history: History, slot: number, now: number): void {
    let sum = 0;
    let known = 0;
    for (let cycle = 1; cycle <= daysOfWeek; cycle++) {
      const root = history.rootAt(slot - cycle * this.#shape.slotsPerDay);
      if (Number.isNaN(root)) continue;
      sum += root;
      known++;
    }
    this.#x[at] = known === 0 ? 0 : sum / known - now;
  }
}
