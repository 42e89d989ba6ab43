/**
 * A mergeable sketch of a distribution: values counted in buckets whose bounds grow by a constant factor, so that any quantile is off by at
 * most 0.9 percent of itself, however many sketches were merged (DDSketch: Masson, Rim, Lee, VLDB 2019, section 2.2).
 */
import { Buckets } from './buckets.ts';
import { roundingMax } from './logged-values.ts';

/** Largest relative error of a quantile. */
const accuracy = 0.009;
const gamma = (1 + accuracy) / (1 - accuracy);
/** Buckets for each doubling of a value. */
export const bucketsPerOctave = 1 / Math.log2(gamma);
/** Below, a value counts as zero; nothing that is measured is smaller and matters. */
export const smallest = 1e-9;

export class Sketch {
  readonly #positive: Buckets;
  /** By their size. */
  readonly #negative: Buckets;
  #zeros: number;
  #count: number;

  /** Takes the buckets over. */
  constructor(positive: Buckets = new Buckets(), negative: Buckets = new Buckets(), zeros = 0) {
    this.#positive = positive;
    this.#negative = negative;
    this.#zeros = zeros;
    this.#count = zeros + positive.total + negative.total;
  }

  get count(): number {
    return this.#count;
  }

  /** Counts a finite value so many times. */
  add(value: number, times = 1): void {
    this.#count += times;
    if (value >= smallest) this.#positive.add(bucketOf(value), times);
    else if (value <= -smallest) this.#negative.add(bucketOf(-value), times);
    else this.#zeros += times;
  }

  merge(other: Sketch): void {
    this.#positive.addAll(other.#positive);
    this.#negative.addAll(other.#negative);
    this.#zeros += other.#zeros;
    this.#count += other.#count;
  }

  /** The smallest value that at least this share of all do not exceed; null where nothing was counted. */
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

  /** How many of them do not exceed a bound of at least 0, as far as the buckets tell. */
  countUpTo(bound: number): number {
    let within = this.#zeros + this.#negative.total;
    const last = bound < smallest ? Number.NEGATIVE_INFINITY : bucketOf(bound);
    const { numbers, times } = this.#positive;
    for (let i = 0; i < numbers.length && (numbers[i] as number) <= last; i++) within += times[i] as number;
    return within;
  }

  /** Those of positive and of negative values, and how many are zero. */
  buckets(): { readonly positive: Buckets; readonly negative: Buckets; readonly zeros: number } {
    return { positive: this.#positive, negative: this.#negative, zeros: this.#zeros };
  }
}

/** Bucket i holds (gamma^(i-1), gamma^i]. */
export function bucketOf(value: number): number {
  return Math.ceil(Math.log2(value) * bucketsPerOctave - roundingMax);
}

/** What is at most `accuracy` of itself away from all that the bucket holds. */
function valueOf(bucket: number): number {
  return (2 * 2 ** (bucket / bucketsPerOctave)) / (gamma + 1);
}
