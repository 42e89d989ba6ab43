/**
 * Counts values of one metric at request rate. Buckets are an array, since a map would cost ten times as much. Drained once a second; an
 * idle measure holds no memory.
 */
import { Buckets } from './buckets.ts';
import { type LoggedValues, roundingMax } from './logged-values.ts';
import { Measure, type Measured } from './measured.ts';
import { bucketsPerOctave, Sketch, sketchBucketOf, smallestValue } from './sketch.ts';

/** From 1e-6 to about 1e10: a microsecond in seconds, hours in microseconds. */
const firstBucket = sketchBucketOf(1e-6);
const bucketCount = sketchBucketOf(1e10) - firstBucket;

/** Range and sums of one metric within a second. */
export class HotMeasure {
  #buckets: Uint32Array | null = null;
  #low = bucketCount;
  #high = -1;
  #zeros = 0;
  #count = 0;
  #sum = 0;
  #min = Number.POSITIVE_INFINITY;
  #max = Number.NEGATIVE_INFINITY;
  #lastValue = 0;
  #lastBucket = -1;
  /** Values outside the range of the array. */
  #rest: Measure | null = null;

  /** Values within the usual range are counted in an array by bucket, which is faster than a sorted list; others go to the rest. */
  add(value: number, times = 1): void {
    const bucket = this.#bucketOf(value);
    if (value !== 0 && !(bucket >= 0 && bucket < bucketCount)) return this.#addRest(value, times);
    this.#count += times;
    this.#sum += value * times;
    if (value < this.#min) this.#min = value;
    if (value > this.#max) this.#max = value;
    if (bucket < 0) {
      this.#zeros += times;
      return;
    }
    this.#buckets ??= new Uint32Array(bucketCount);
    this.#buckets[bucket] = (this.#buckets[bucket] as number) + times;
    if (bucket < this.#low) this.#low = bucket;
    if (bucket > this.#high) this.#high = bucket;
  }

  /** Adds all values, each multiplied by `factor`. State is held in local variables, which halves the time. */
  addAll({ values, logs, length }: LoggedValues, factor: number): void {
    const buckets = (this.#buckets ??= new Uint32Array(bucketCount));
    const shift = Math.log2(factor) * bucketsPerOctave - roundingMax;
    let [sum, min, max, low, high, zeros, count] = [this.#sum, this.#min, this.#max, this.#low, this.#high, this.#zeros, this.#count];
    for (let i = 0; i < length; i++) {
      const value = (values[i] as number) * factor;
      const bucket = value < smallestValue ? -1 : Math.ceil((logs[i] as number) * bucketsPerOctave + shift) - firstBucket;
      if (bucket >= 0 && bucket < bucketCount) {
        buckets[bucket] = (buckets[bucket] as number) + 1;
        if (bucket < low) low = bucket;
        if (bucket > high) high = bucket;
      } else if (value === 0) zeros++;
      else {
        this.#addRest(value, 1);
        continue;
      }
      count++;
      sum += value;
      if (value < min) min = value;
      if (value > max) max = value;
    }
    [this.#sum, this.#min, this.#max, this.#low, this.#high, this.#zeros, this.#count] = [sum, min, max, low, high, zeros, count];
  }

  /** Values since the last drain; null if there are none. */
  drain(): Measured | null {
    if (this.#count === 0 && this.#rest === null) {
      this.#buckets = null;
      return null;
    }
    const taken = new Measure(new Sketch(this.#counted(), new Buckets(), this.#zeros));
    taken.count = this.#count;
    taken.sum = this.#sum;
    taken.min = this.#min;
    taken.max = this.#max;
    if (this.#rest !== null) taken.merge(this.#rest);
    this.#rest = null;
    this.#count = this.#sum = this.#zeros = 0;
    this.#min = Number.POSITIVE_INFINITY;
    this.#max = Number.NEGATIVE_INFINITY;
    return taken;
  }

  /** Caches the last value's bucket: many values repeat (above all 1 and 0), and a logarithm costs more than the rest. */
  #bucketOf(value: number): number {
    if (value === this.#lastValue) return this.#lastBucket;
    this.#lastValue = value;
    this.#lastBucket = value < smallestValue ? -1 : sketchBucketOf(value) - firstBucket;
    return this.#lastBucket;
  }

  #counted(): Buckets {
    const numbers: number[] = [];
    const counts: number[] = [];
    const buckets = this.#buckets;
    for (let bucket = this.#low; bucket <= this.#high; bucket++) {
      const times = buckets?.[bucket] ?? 0;
      if (times === 0) continue;
      numbers.push(bucket + firstBucket);
      counts.push(times);
    }
    buckets?.fill(0, this.#low, this.#high + 1);
    this.#low = bucketCount;
    this.#high = -1;
    return new Buckets(numbers, counts);
  }

  #addRest(value: number, times: number): void {
    if (!Number.isFinite(value)) return;
    this.#rest ??= new Measure();
    this.#rest.add(value, times);
  }
}
