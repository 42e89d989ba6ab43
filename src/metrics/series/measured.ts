/** A metric over a time span: CloudWatch's statistic set, and the distribution for percentiles. */
import { Sketch } from './sketch.ts';

/** Two of them merge exactly, so any span can be summed from shorter ones. */
export interface Measured {
  readonly count: number;
  readonly sum: number;
  readonly min: number;
  readonly max: number;
  readonly sketch: Sketch;
}

/** A mutable measure. */
export class Measure implements Measured {
  count = 0;
  sum = 0;
  min = Number.POSITIVE_INFINITY;
  max = Number.NEGATIVE_INFINITY;
  readonly sketch: Sketch;

  /** Takes ownership of `sketch`. */
  constructor(sketch: Sketch = new Sketch()) {
    this.sketch = sketch;
  }

  add(value: number, times = 1): void {
    this.count += times;
    this.sum += value * times;
    if (value < this.min) this.min = value;
    if (value > this.max) this.max = value;
    this.sketch.add(value, times);
  }

  /** Adds values of which only the statistic set is known: the distribution is approximated by minimum, maximum and mean. */
  addSet({ count, sum, min, max }: Pick<Measured, 'count' | 'sum' | 'min' | 'max'>): void {
    if (count <= 0) return;
    this.count += count;
    this.sum += sum;
    this.min = Math.min(this.min, min);
    this.max = Math.max(this.max, max);
    const ends = count >= 2 ? 1 : 0;
    if (ends === 1) {
      this.sketch.add(min, 1);
      this.sketch.add(max, 1);
    }
    const rest = count - 2 * ends;
    if (rest > 0) this.sketch.add(ends === 1 ? (sum - min - max) / rest : sum / count, rest);
  }

  merge({ count, sum, min, max, sketch }: Measured): void {
    this.count += count;
    this.sum += sum;
    this.min = Math.min(this.min, min);
    this.max = Math.max(this.max, max);
    this.sketch.merge(sketch);
  }
}

/** `percentile` is 0 to 100. The result is within min and max; null without values. */
export function percentileOf({ sketch, min, max }: Measured, percentile: number): number | null {
  const value = sketch.quantile(percentile / 100);
  return value === null ? null : Math.min(Math.max(value, min), max);
}

/** Measures of several spans combined; their distributions are merged on demand. */
export class CombinedMeasure implements Measured {
  count = 0;
  sum = 0;
  min = Number.POSITIVE_INFINITY;
  max = Number.NEGATIVE_INFINITY;
  /** Most have a single part: charts at the finest stored resolution. */
  #first: Measured | null = null;
  #others: Measured[] | null = null;
  #sketch: Sketch | null = null;

  /** The distribution is combined only when a percentile is requested. */
  add(part: Measured): void {
    this.count += part.count;
    this.sum += part.sum;
    this.min = Math.min(this.min, part.min);
    this.max = Math.max(this.max, part.max);
    if (this.#first === null) this.#first = part;
    else (this.#others ??= []).push(part);
    this.#sketch = null;
  }

  get sketch(): Sketch {
    if (this.#first !== null && this.#others === null) return this.#first.sketch;
    if (this.#sketch === null) {
      this.#sketch = new Sketch();
      if (this.#first !== null) this.#sketch.merge(this.#first.sketch);
      for (const { sketch } of this.#others ?? []) this.#sketch.merge(sketch);
    }
    return this.#sketch;
  }
}
