/**
 * The buckets of Prometheus's native histograms: bucket i holds (2^((i-1)/128), 2^(i/128)], so a quantile is off by half a percent at most. A list
 * from the lowest that came up to the highest: an observation is an addition to one place of it.
 */

import { type LoggedValues, roundingMax } from '../series/logged-values.ts';

/** Of Prometheus: a factor of 2^(2^-7) from bound to bound. */
export const nativeSchema = 7;
const perOctave = 2 ** nativeSchema;
/** At most this is nothing. */
export const zeroThreshold = 1e-9;

export class NativeBuckets {
  zeros = 0;
  /** Bucket number of the first place; whole octaves. */
  #first = 0;
  #counts = new Float64Array();

  /** All of these, each times a factor. */
  observeAll({ values, logs, length }: LoggedValues, factor: number): void {
    const shift = Math.log2(factor) * perOctave - roundingMax;
    for (let i = 0; i < length; i++) {
      if (!((values[i] as number) * factor > zeroThreshold)) {
        this.zeros++;
        continue;
      }
      const bucket = Math.ceil((logs[i] as number) * perOctave + shift);
      if (!(bucket >= this.#first && bucket < this.#first + this.#counts.length)) this.#widen(bucket);
      const place = bucket - this.#first;
      this.#counts[place] = (this.#counts[place] as number) + 1;
    }
  }

  /** Those that anything came to, rising. */
  filled(): { readonly bucket: number; readonly count: number }[] {
    const filled: { bucket: number; count: number }[] = [];
    for (let place = 0; place < this.#counts.length; place++) {
      const count = this.#counts[place] as number;
      if (count > 0) filled.push({ bucket: this.#first + place, count });
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
