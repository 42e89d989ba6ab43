/**
 * Takes the values of one metric where each request brings some: the buckets that come up are an array, since a map would cost ten times
 * as much. Once a second it is emptied; who gets nothing for that long holds no memory.
 */
import { Buckets } from './buckets.ts';
import { type LoggedValues, roundingMax } from './logged-values.ts';
import { Measure, type Measured } from './measured.ts';
import { bucketOf, bucketsPerOctave, Sketch, smallest } from './sketch.ts';

/** From 1e-6 up to some 1e10: a microsecond in seconds, hours in microseconds. */
const firstBucket = bucketOf(1e-6);
const bucketCount = bucketOf(1e10) - firstBucket;

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
  /** What is beyond the array. */
  #rest: Measure | null = null;

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

  /** All of these, each times a factor. What changes is held in local variables, which takes half the time of one by one. */
  addAll({ values, logs, length }: LoggedValues, factor: number): void {
    const buckets = (this.#buckets ??= new Uint32Array(bucketCount));
    const shift = Math.log2(factor) * bucketsPerOctave - roundingMax;
    let [sum, min, max, low, high, zeros, count] = [this.#sum, this.#min, this.#max, this.#low, this.#high, this.#zeros, this.#count];
    for (let i = 0; i < length; i++) {
      const value = (values[i] as number) * factor;
      const bucket = value < smallest ? -1 : Math.ceil((logs[i] as number) * bucketsPerOctave + shift) - firstBucket;
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

  /** What came since the last time; null where nothing did. */
  take(): Measured | null {
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

  /** Many come again and again (1 and 0 above all), and a logarithm costs more than all the rest. */
  #bucketOf(value: number): number {
    if (value === this.#lastValue) return this.#lastBucket;
    this.#lastValue = value;
    this.#lastBucket = value < smallest ? -1 : bucketOf(value) - firstBucket;
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
