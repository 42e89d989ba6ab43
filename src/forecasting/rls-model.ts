/**
 * A linear model of the change of √count for each horizon, learned by recursive least squares as counts arrive. What it learns from is
 * given: lags (`rls-ar.ts`) or windows (`rls-windows.ts`).
 */
import type { History } from './history.ts';
import { unpackList } from './packing.ts';
import { RecursiveLeastSquares } from './recursive-least-squares.ts';
import type { ForecasterShape, PointModel } from './tracked-forecaster.ts';

/** Slots before the first training and the first forecast by the model. */
const warmUpSlots = 60;
/** Above this leverage, the uncertainty of the weights exceeds the noise of the load. */
const leverageTrusted = 1;
/** Random variation of a root: twice its standard deviation, which for Poisson counts is 1/2 at any rate. */
const chanceOfRoot = 1;

/** The inputs of the regressions: 1; √count; √count less `pastCount` values of the past; and any others. */
export interface RlsFeatures {
  readonly size: number;
  readonly pastCount: number;
  /** Weight of an observation after one more slot. Default: that of `RecursiveLeastSquares`. */
  readonly forgetting?: number;
  /** Writes to `x` the features of a slot with √count `now` for the i-th horizon. Returns false if nothing can be learned from them. */
  describe(x: Float64Array, history: History, slot: number, now: number, i: number): boolean;
}

/** The point model of both forecasters. */
export class RlsModel implements PointModel {
  readonly #shape: ForecasterShape;
  readonly #features: RlsFeatures;
  /** One regression per horizon. */
  readonly #regressions: readonly RecursiveLeastSquares[];
  /** Buffer for the current features. */
  readonly #x: Float64Array;

  constructor(shape: ForecasterShape, features: RlsFeatures) {
    const { size, forgetting } = features;
    this.#shape = shape;
    this.#features = features;
    this.#regressions = shape.horizons.map(() => new RecursiveLeastSquares(size, forgetting));
    this.#x = new Float64Array(size);
  }

  /** For each horizon h, learns from the change of the last h slots what it should have predicted h slots ago. */
  train(history: History): void {
    const { slot } = history;
    for (let i = 0; i < this.#regressions.length; i++) {
      const origin = slot - (this.#shape.horizons[i] as number);
      if (history.age(origin) < warmUpSlots) continue;
      const before = history.rootAt(origin);
      if (Number.isNaN(before) || !this.#features.describe(this.#x, history, origin, before, i)) continue;
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
    this.#features.describe(this.#x, history, slot, now, i);
    const regression = this.#regressions[i] as RecursiveLeastSquares;
    const change = regression.answer(this.#x);
    const isKnown = regression.leverage(this.#x) <= leverageTrusted;
    return Math.max(0, now + (isKnown ? change : this.#withinPast(change)));
  }

  snapshot(): unknown {
    return this.#regressions.map((regression) => regression.snapshot());
  }

  restore(provided: unknown): void {
    const states = unpackList(provided, this.#regressions.length);
    for (const [i, regression] of this.#regressions.entries()) regression.restore(states[i]);
  }

  /** Limits the change to the range of the past values in the current features, plus random variation. */
  #withinPast(change: number): number {
    let [least, most] = [0, 0];
    for (let k = 0; k < this.#features.pastCount; k++) {
      const back = -(this.#x[2 + k] as number);
      least = Math.min(least, back);
      most = Math.max(most, back);
    }
    return Math.min(most + chanceOfRoot, Math.max(least - chanceOfRoot, change));
  }
}
