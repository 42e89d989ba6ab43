/**
 * The distribution of a forecast's errors, given the forecast. A load that switches between two rates has errors of one sign after a low
 * forecast and of both signs after a high one; quantiles over all forecasts mix them. Residuals r = √count - √m are counted in a histogram
 * for each of some ranges of √m, and old ones fade:
 *
 *   z = (√m - mean of √m) / mean deviation,   -2 to 2 in steps of 1/2
 *   u = r / s, s = max(1/2, mean |r|),        -6 to 6 in steps of 1/4; 1/2 is the standard deviation of the root of a Poisson count
 *   P(u | z): the two nearest histograms in z, interpolated, and all of them together with the weight of ten residuals
 *
 * Each residual is divided between the two nearest steps of u and of z, so that steps do not bias the mean.
 */
import { quantileGrid } from './forecaster.ts';
import { packFloats, unpackFloats, unpackInteger, unpackNumber, unpackObject } from './packing.ts';
import { rootQuantiles } from './quantile-tracker.ts';

const zMost = 2;
const zSteps = 9;
const uMost = 6;
const uSteps = 49;
const uWidth = (2 * uMost) / (uSteps - 1);
const residualsOfAll = 10;
const scaleMin = 0.5;
/** Gains of the means that define z and s: slow, because earlier residuals keep the steps that they were counted in. */
const gainMin = 0.0005;
const gainOutside = 0.01;
/** The weight of a new residual grows instead of old ones fading one by one, up to this limit. */
const weightMax = 1e6;

/** One per horizon. It follows the errors of any point model. */
export class ConditionalQuantiles {
  #forecastMean = 0;
  #forecastDeviation = 0;
  #residualMean = 0;
  #residualsSeen = 0;
  #weight = 1;
  readonly #growth: number;
  readonly #counts = new Float32Array(zSteps * uSteps);

  /** `memorySlots`: number of slots after which a residual has the weight 1/e. */
  constructor(memorySlots: number) {
    this.#growth = Math.exp(1 / memorySlots);
  }

  get residualsSeen(): number {
    return this.#residualsSeen;
  }

  /** Records √count - √m of a forecast m = rootMean², when its slot has ended. */
  record(residual: number, rootMean: number): void {
    this.#residualsSeen++;
    const gain = Math.max(gainMin, 1 / this.#residualsSeen);
    const size = Math.abs(residual);
    this.#forecastMean += gain * (rootMean - this.#forecastMean);
    this.#forecastDeviation += gain * (Math.abs(rootMean - this.#forecastMean) - this.#forecastDeviation);
    this.#residualMean += Math.max(gain, size > (uMost / 2) * this.#scale ? gainOutside : 0) * (size - this.#residualMean);
    this.#weight *= this.#growth;
    if (this.#weight > weightMax) this.#rescale();
    const z = this.#zStep(rootMean);
    const u = within(residual / this.#scale, uMost, uSteps);
    const zLow = Math.floor(z);
    const uLow = Math.floor(u);
    this.#add(zLow, uLow, (1 - z + zLow) * (1 - u + uLow));
    this.#add(zLow, uLow + 1, (1 - z + zLow) * (u - uLow));
    this.#add(zLow + 1, uLow, (z - zLow) * (1 - u + uLow));
    this.#add(zLow + 1, uLow + 1, (z - zLow) * (u - uLow));
  }

  /** Counts at each τ of the grid around the forecast m = rootMean²; non-decreasing. */
  around(rootMean: number): number[] {
    return rootQuantiles(this.#offsets(rootMean), rootMean, this.#residualsSeen);
  }

  snapshot(): Readonly<Record<string, unknown>> {
    return {
      residualsSeen: this.#residualsSeen,
      forecastMean: this.#forecastMean,
      forecastDeviation: this.#forecastDeviation,
      residualMean: this.#residualMean,
      weight: this.#weight,
      counts: packFloats(this.#counts),
    };
  }

  /** Restores the distribution from a snapshot. Throws `invalid_request`. */
  static restored(memorySlots: number, provided: unknown): ConditionalQuantiles {
    const state = unpackObject(provided);
    const restored = new ConditionalQuantiles(memorySlots);
    restored.#residualsSeen = unpackInteger(state['residualsSeen'], 0);
    restored.#forecastMean = unpackNumber(state['forecastMean']);
    restored.#forecastDeviation = unpackNumber(state['forecastDeviation']);
    restored.#residualMean = unpackNumber(state['residualMean']);
    restored.#weight = unpackNumber(state['weight']);
    unpackFloats(state['counts'], restored.#counts);
    return restored;
  }

  get #scale(): number {
    return Math.max(scaleMin, this.#residualMean);
  }

  #zStep(rootMean: number): number {
    return within((rootMean - this.#forecastMean) / (1e-9 + this.#forecastDeviation), zMost, zSteps);
  }

  #add(z: number, u: number, share: number): void {
    if (share > 0) this.#counts[z * uSteps + u] = (this.#counts[z * uSteps + u] as number) + share * this.#weight;
  }

  #rescale(): void {
    for (let i = 0; i < this.#counts.length; i++) this.#counts[i] = (this.#counts[i] as number) / this.#weight;
    this.#weight = 1;
  }

  /** √count - √m at each τ, ascending; 0 before the first residual. */
  #offsets(rootMean: number): number[] {
    const counts = this.#counts;
    const mixed = new Float64Array(uSteps);
    let total = 0;
    for (let z = 0; z < zSteps; z++) for (let u = 0; u < uSteps; u++) mixed[u] = (mixed[u] as number) + (counts[z * uSteps + u] as number);
    for (const count of mixed) total += count;
    if (total === 0) return quantileGrid.map(() => 0);
    const z = this.#zStep(rootMean);
    const low = Math.floor(z);
    const high = Math.min(low + 1, zSteps - 1);
    const prior = (residualsOfAll * this.#weight) / total;
    let sum = 0;
    for (let u = 0; u < uSteps; u++) {
      const here = (1 - z + low) * (counts[low * uSteps + u] as number) + (z - low) * (counts[high * uSteps + u] as number);
      mixed[u] = here + prior * (mixed[u] as number);
      sum += mixed[u] as number;
    }
    let [u, below] = [0, 0];
    return quantileGrid.map((tau) => {
      while (u < uSteps - 1 && below + (mixed[u] as number) < tau * sum) below += mixed[u++] as number;
      const part = (mixed[u] as number) > 0 ? Math.min(1, (tau * sum - below) / (mixed[u] as number)) : 0;
      return (-uMost + (u - 0.5 + part) * uWidth) * this.#scale;
    });
  }
}

/** The place of a value on `steps` steps from -most to most. */
function within(value: number, most: number, steps: number): number {
  return ((Math.min(most, Math.max(-most, value)) + most) * (steps - 1)) / (2 * most);
}
