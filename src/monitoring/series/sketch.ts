/**
 * A mergeable sketch of a distribution: values counted in buckets whose bounds grow by a constant factor, so that any quantile is off by at
 * most 0.9 percent of itself, however many sketches were merged (DDSketch: Masson, Rim, Lee, VLDB 2019, section 2.2).
 */
import assert from 'node:assert/strict';

/** Largest relative error of a quantile. */
const accuracy = 0.009;
const gamma = (1 + accuracy) / (1 - accuracy);
const perLog = 1 / Math.log(gamma);
/** Below, a value counts as zero; nothing that is measured is smaller and matters. */
export const smallest = 1e-9;
/** More buckets than this are no distribution but an attack: the smallest values are counted together then. */
const bucketsMax = 2048;

export class Sketch {
  /** By bucket; negative values have their own. */
  readonly #positive = new Map<number, number>();
  readonly #negative = new Map<number, number>();
  #zeros = 0;
  #count = 0;

  get count(): number {
    return this.#count;
  }

  /** Counts a finite value so many times. */
  add(value: number, times = 1): void {
    this.#count += times;
    if (value >= smallest) count(this.#positive, bucketOf(value), times);
    else if (value <= -smallest) count(this.#negative, bucketOf(-value), times);
    else this.#zeros += times;
  }

  merge(other: Sketch): void {
    for (const [bucket, times] of other.#positive) count(this.#positive, bucket, times);
    for (const [bucket, times] of other.#negative) count(this.#negative, bucket, times);
    this.#zeros += other.#zeros;
    this.#count += other.#count;
  }

  /** The smallest value that at least this share of all do not exceed; null where nothing was counted. */
  quantile(share: number): number | null {
    if (this.#count === 0) return null;
    let rank = Math.max(1, Math.ceil(share * this.#count - 1e-9));
    for (const bucket of [...this.#negative.keys()].sort((a, b) => b - a)) {
      rank -= this.#negative.get(bucket) as number;
      if (rank <= 0) return -valueOf(bucket);
    }
    rank -= this.#zeros;
    if (rank <= 0) return 0;
    const buckets = [...this.#positive.keys()].sort((a, b) => a - b);
    for (const bucket of buckets) {
      rank -= this.#positive.get(bucket) as number;
      if (rank <= 0) return valueOf(bucket);
    }
    return valueOf(buckets.at(-1) as number);
  }

  /** How many of them do not exceed a bound of at least 0, as far as the buckets tell. */
  countUpTo(bound: number): number {
    let within = this.#zeros;
    for (const times of this.#negative.values()) within += times;
    const last = bound < smallest ? Number.NEGATIVE_INFINITY : bucketOf(bound);
    for (const [bucket, times] of this.#positive) if (bucket <= last) within += times;
    return within;
  }

  /** `[bucket, count]` of positive and of negative values, rising, and how many are zero. */
  buckets(): { positive: [number, number][]; negative: [number, number][]; zeros: number } {
    return { positive: sorted(this.#positive), negative: sorted(this.#negative), zeros: this.#zeros };
  }

  static of({ positive, negative, zeros }: ReturnType<Sketch['buckets']>): Sketch {
    const sketch = new Sketch();
    for (const [bucket, times] of positive) sketch.#positive.set(bucket, times);
    for (const [bucket, times] of negative) sketch.#negative.set(bucket, times);
    sketch.#zeros = zeros;
    sketch.#count = zeros + [...positive, ...negative].reduce((sum, [, times]) => sum + times, 0);
    return sketch;
  }
}

/** Bucket i holds (gamma^(i-1), gamma^i]. */
export function bucketOf(value: number): number {
  return Math.ceil(Math.log(value) * perLog);
}

/** What is at most `accuracy` of itself away from all that the bucket holds. */
function valueOf(bucket: number): number {
  return (2 * Math.exp(bucket / perLog)) / (gamma + 1);
}

function sorted(buckets: ReadonlyMap<number, number>): [number, number][] {
  const all = [...buckets];
  // What one second brought comes sorted, and is most of what is asked for.
  return all.every(([bucket], i) => i === 0 || bucket > (all[i - 1] as [number, number])[0]) ? all : all.sort(([a], [b]) => a - b);
}

function count(buckets: Map<number, number>, bucket: number, times: number): void {
  buckets.set(bucket, (buckets.get(bucket) ?? 0) + times);
  if (buckets.size <= bucketsMax) return;
  const [first, second] = [...buckets.keys()].sort((a, b) => a - b);
  assert(first !== undefined && second !== undefined);
  buckets.set(second, (buckets.get(second) as number) + (buckets.get(first) as number));
  buckets.delete(first);
}
