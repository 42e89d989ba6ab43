/**
 * A mergeable sketch of a distribution: values counted in buckets whose bounds grow by a constant factor, so that the relative error of any
 * quantile is at most 0.9 percent, also after any number of merges (DDSketch: Masson, Rim, Lee, VLDB 2019, section 2.2).
 */
import { Buckets } from './buckets.ts';
import { roundingMax } from './logged-values.ts';

/** Largest relative error of a quantile. */
const accuracy = 0.009;
const gamma = (1 + accuracy) / (1 - accuracy);
/** Buckets for each doubling of a value. */
export const bucketsPerOctave = 1 / Math.log2(gamma);
/** Smaller values count as zero; no measured value of interest is smaller. */
export const smallestValue = 1e-9;

/** Exact in count and sign; quantiles are within 0.9 percent of a value that was counted. */
export class Sketch {
  readonly #positive: Buckets;
  /** By absolute value. */
  readonly #negative: Buckets;
  #zeros: number;
  #count: number;

  /** Takes ownership of the buckets. */
  constructor(positive: Buckets = new Buckets(), negative: Buckets = new Buckets(), zeros = 0) {
    this.#positive = positive;
    this.#negative = negative;
    this.#zeros = zeros;
    this.#count = zeros + positive.total + negative.total;
  }

  get count(): number {
    return this.#count;
  }

  /** Counts a finite value `times` times. */
  add(value: number, times = 1): void {
    this.#count += times;
    if (value >= smallestValue) this.#positive.add(sketchBucketOf(value), times);
    else if (value <= -smallestValue) this.#negative.add(sketchBucketOf(-value), times);
    else this.#zeros += times;
  }

  merge(other: Sketch): void {
    this.#positive.addAll(other.#positive);
    this.#negative.addAll(other.#negative);
    this.#zeros += other.#zeros;
    this.#count += other.#count;
  }

  /** The smallest value that at least `share` of all values do not exceed; null if empty. */
  quantile(share: number): number | null {
    if (this.#count === 0) return null;
    let rank = Math.max(1, Math.ceil(share * this.#count - 1e-9));
    const { numbers: negative, times: negativeTimes } = this.#negative;
    for (let i = negative.length - 1; i >= 0; i--) {
      rank -= negativeTimes[i] as number;
      if (rank <= 0) return -valueOf(negative[i] as number);
    }
    rank -= this.#zeros;
    if (rank <= 0) return 0;
    const { numbers, times } = this.#positive;
    for (let i = 0; i < numbers.length; i++) {
      rank -= times[i] as number;
      if (rank <= 0) return valueOf(numbers[i] as number);
    }
    const last = numbers.at(-1);
    return last === undefined ? 0 : valueOf(last);
  }

  /** Number of values up to `bound` (at least 0), to the accuracy of the buckets. */
  countUpTo(bound: number): number {
    let within = this.#zeros + this.#negative.total;
    const last = bound < smallestValue ? Number.NEGATIVE_INFINITY : sketchBucketOf(bound);
    const { numbers, times } = this.#positive;
    for (let i = 0; i < numbers.length && (numbers[i] as number) <= last; i++) within += times[i] as number;
    return within;
  }

  /** Buckets of positive and negative values, and the number of zeros. */
  buckets(): { readonly positive: Buckets; readonly negative: Buckets; readonly zeros: number } {
    return { positive: this.#positive, negative: this.#negative, zeros: this.#zeros };
  }
}

/** Bucket i holds (gamma^(i-1), gamma^i]. */
export function sketchBucketOf(value: number): number {
  return Math.ceil(Math.log2(value) * bucketsPerOctave - roundingMax);
}

/** The value with a relative error of at most `accuracy` for every value in the bucket. */
function valueOf(bucket: number): number {
  return (2 * 2 ** (bucket / bucketsPerOctave)) / (gamma + 1);
}
