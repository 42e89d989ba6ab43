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

/** Counts by bucket, of values of one sign. What was read sorted stays so until something is added: most is only looked at. */
class Buckets {
  #counts: Map<number, number> | null;
  #sorted: readonly Bucket[] | null;

  constructor(sorted: readonly Bucket[] = []) {
    this.#counts = sorted.length === 0 ? new Map() : null;
    this.#sorted = sorted;
  }

  add(bucket: number, times: number): void {
    this.#counts ??= new Map(this.#sorted);
    this.#sorted = null;
    this.#counts.set(bucket, (this.#counts.get(bucket) ?? 0) + times);
    if (this.#counts.size > bucketsMax) this.#joinSmallest(this.#counts);
  }

  addAll(other: Buckets): void {
    for (const [bucket, times] of other.#counts ?? other.#sorted ?? []) this.add(bucket, times);
  }

  /** Rising. */
  get sorted(): readonly Bucket[] {
    this.#sorted ??= rising([...(this.#counts ?? [])]);
    return this.#sorted;
  }

  #joinSmallest(counts: Map<number, number>): void {
    const [first, second] = rising([...counts]);
    assert(first !== undefined && second !== undefined);
    counts.set(second[0], second[1] + first[1]);
    counts.delete(first[0]);
  }
}

type Bucket = [bucket: number, times: number];

export class Sketch {
  readonly #positive: Buckets;
  /** By their size. */
  readonly #negative: Buckets;
  #zeros = 0;
  #count = 0;

  constructor(positive: readonly Bucket[] = [], negative: readonly Bucket[] = []) {
    this.#positive = new Buckets(positive);
    this.#negative = new Buckets(negative);
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
    for (const [bucket, times] of this.#negative.sorted.toReversed()) {
      rank -= times;
      if (rank <= 0) return -valueOf(bucket);
    }
    rank -= this.#zeros;
    if (rank <= 0) return 0;
    const { sorted } = this.#positive;
    for (const [bucket, times] of sorted) {
      rank -= times;
      if (rank <= 0) return valueOf(bucket);
    }
    const last = sorted.at(-1);
    return last === undefined ? 0 : valueOf(last[0]);
  }

  /** How many of them do not exceed a bound of at least 0, as far as the buckets tell. */
  countUpTo(bound: number): number {
    let within = this.#zeros;
    for (const [, times] of this.#negative.sorted) within += times;
    const last = bound < smallest ? Number.NEGATIVE_INFINITY : bucketOf(bound);
    for (const [bucket, times] of this.#positive.sorted) if (bucket <= last) within += times;
    return within;
  }

  /** Those of positive and of negative values, rising, and how many are zero. */
  buckets(): { positive: readonly Bucket[]; negative: readonly Bucket[]; zeros: number } {
    return { positive: this.#positive.sorted, negative: this.#negative.sorted, zeros: this.#zeros };
  }

  /** Takes the buckets over, which rise. */
  static of({ positive, negative, zeros }: ReturnType<Sketch['buckets']>): Sketch {
    const sketch = new Sketch(positive, negative);
    sketch.#zeros = zeros;
    sketch.#count = zeros;
    for (const buckets of [positive, negative]) for (const [, times] of buckets) sketch.#count += times;
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

function rising(buckets: Bucket[]): Bucket[] {
  // What one second brought comes sorted, and is most of what is asked for.
  let last = Number.NEGATIVE_INFINITY;
  for (const [bucket] of buckets) {
    if (bucket <= last) return buckets.sort(([a], [b]) => a - b);
    last = bucket;
  }
  return buckets;
}
