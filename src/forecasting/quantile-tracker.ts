/**
 * The quantiles of a forecast's error, followed online without a model of the errors (adaptive conformal prediction: Gibbs and
 * Candès, 2021; with a step that follows the scale of the errors). Residuals are r = √count - √m.
 *
 *   s <- .98 s + .02 |r|            s₀ = 1, updated before η
 *   η  = .15 s + 1e-6
 *   q_τ <- q_τ + η (τ - 1{r <= q_τ})   q₀ = 0
 *
 * In the long run the share τ of all residuals lies at or below q_τ for any residuals: the steps up and down must cancel.
 */
import { quantileGrid } from './forecaster.ts';
import { packFloats, unpackFloats, unpackInteger, unpackNumber, unpackObject } from './packing.ts';

const scaleMemory = 0.98;
const stepPerScale = 0.15;
const stepMin = 1e-6;
/**
 * With fewer residuals the quantiles are at least as wide as a prior: the root of a Poisson count has a standard deviation of
 * 1/2, and the rate itself is assumed to vary by half of it.
 */
export const residualsForTrust = 60;

/** z_τ with P(Z <= z_τ) = τ for a standard normal Z, at each τ of the grid. */
const normalQuantiles: readonly number[] = [
  -1.6448536269514722, -1.2815515655446004, -0.8416212335729143, -0.5244005127080407, -0.2533471031357997, 0, 0.2533471031357997,
  0.5244005127080407, 0.8416212335729143, 1.2815515655446004, 1.6448536269514722, 2.3263478740408408,
];

/** One per horizon. It follows the errors of any point model. */
export class QuantileTracker {
  #scale = 1;
  #residualsSeen = 0;
  #offsets = new Float64Array(quantileGrid.length);

  get residualsSeen(): number {
    return this.#residualsSeen;
  }

  /** Records √count - √forecast. Called once per forecast, when its slot has ended. */
  record(residual: number): void {
    this.#scale = scaleMemory * this.#scale + (1 - scaleMemory) * Math.abs(residual);
    const step = stepPerScale * this.#scale + stepMin;
    for (let k = 0; k < quantileGrid.length; k++) {
      const offset = this.#offsets[k] as number;
      this.#offsets[k] = offset + step * ((quantileGrid[k] as number) - (residual <= offset ? 1 : 0));
    }
    this.#residualsSeen++;
  }

  /** Counts at each τ of the grid around the forecast m = rootMean²; non-decreasing. */
  around(rootMean: number): number[] {
    return rootQuantiles(Array.from(this.#offsets.toSorted()), rootMean, this.#residualsSeen);
  }

  snapshot(): Readonly<Record<string, unknown>> {
    return { residualsSeen: this.#residualsSeen, scale: this.#scale, offsets: packFloats(this.#offsets) };
  }

  /** Restores the tracker from a snapshot. Throws `invalid_request`. */
  static restored(provided: unknown): QuantileTracker {
    const state = unpackObject(provided);
    const tracker = new QuantileTracker();
    tracker.#residualsSeen = unpackInteger(state['residualsSeen'], 0);
    tracker.#scale = unpackNumber(state['scale']);
    tracker.#offsets = unpackFloats(state['offsets'], new Float64Array(quantileGrid.length));
    return tracker;
  }
}

/** Counts at the offsets from √m, which ascend with τ. With few residuals they are at least as wide as the prior. */
export function rootQuantiles(offsets: readonly number[], rootMean: number, residualsSeen: number): number[] {
  const isYoung = residualsSeen < residualsForTrust;
  const spread = Math.max(0.5, 0.25 * rootMean);
  return offsets.map((offset, k) => {
    const prior = (normalQuantiles[k] as number) * spread;
    // Takes the wider of prior and tracked quantile on either side of the median.
    const widened = prior < 0 ? Math.min(offset, prior) : prior > 0 ? Math.max(offset, prior) : offset;
    return Math.max(0, rootMean + (isYoung ? widened : offset)) ** 2;
  });
}
