/**
 * Buckets of Prometheus's native histograms: bucket i holds (2^((i-1)/128), 2^(i/128)], so a quantile is off by at most 0.5 %. Stored as an
 * array from the lowest to the highest used bucket: an observation is one addition.
 */

import { type LoggedValues, roundingMax } from '../series/logged-values.ts';

/** Prometheus's schema number: bounds grow by a factor of 2^(2^-7). */
export const nativeSchema = 7;
const perOctave = 2 ** nativeSchema;
/** Values up to this count as zero. */
export const zeroThreshold = 1e-9;

/** Grows by whole octaves. Values that are 0 are counted apart, because they have no logarithm. */
export class NativeBuckets {
  zeros = 0;
  /** Bucket number of the first array element; a multiple of an octave. */
  #first = 0;
  #counts = new Float64Array();

  /** Observes all values, each multiplied by `factor`. */
  observeAll({ values, logs, length }: LoggedValues, factor: number): void {
    const shift = Math.log2(factor) * perOctave - roundingMax;
    for (let i = 0; i < length; i++) {
      if (!((values[i] as number) * factor > zeroThreshold)) {
        this.zeros++;
        continue;
      }
      const bucket = Math.ceil((logs[i] as number) * perOctave + shift);
      if (!(bucket >= this.#first && bucket < this.#first + this.#counts.length)) this.#widen(bucket);
      const index = bucket - this.#first;
      this.#counts[index] = (this.#counts[index] as number) + 1;
    }
  }

  /** Non-empty buckets, ascending. */
  filled(): { readonly bucket: number; readonly count: number }[] {
    const filled: { bucket: number; count: number }[] = [];
    for (let index = 0; index < this.#counts.length; index++) {
      const count = this.#counts[index] as number;
      if (count > 0) filled.push({ bucket: this.#first + index, count });
    }
    return filled;
  }

  #widen(bucket: number): void {
    const octave = Math.floor(bucket / perOctave) * perOctave;
    const isFirst = this.#counts.length === 0;
    const first = isFirst ? octave : Math.min(octave, this.#first);
    const end = isFirst ? octave + perOctave : Math.max(octave + perOctave, this.#first + this.#counts.length);
    const wider = new Float64Array(end - first);
    if (!isFirst) wider.set(this.#counts, this.#first - first);
    this.#first = first;
    this.#counts = wider;
  }
}
