/** Latency quantiles in constant memory: a histogram whose buckets are half a percent wide. */

/** Buckets per doubling of the latency. */
const perOctave = 128;
/** Doublings covered: from a microsecond to about four and a half hours. */
const octaves = 34;
const leastMs = 0.001;

export class Latencies {
  readonly #counts = new Float64Array(perOctave * octaves);
  #total = 0;
  #sumMs = 0;

  add(ms: number): void {
    const place = ms <= leastMs ? 0 : Math.floor(Math.log2(ms / leastMs) * perOctave);
    const index = Math.min(place, this.#counts.length - 1);
    this.#counts[index] = (this.#counts[index] as number) + 1;
    this.#total++;
    this.#sumMs += ms;
  }

  /** Mean in milliseconds; null if there are no latencies. */
  get meanMs(): number | null {
    return this.#total === 0 ? null : this.#sumMs / this.#total;
  }

  /** The latency in milliseconds that the share q (0..1) of requests does not exceed; null if there are none. */
  quantileMs(q: number): number | null {
    if (this.#total === 0) return null;
    let left = Math.max(1, Math.ceil(q * this.#total));
    for (let i = 0; i < this.#counts.length; i++) {
      left -= this.#counts[i] as number;
      if (left <= 0) return Number((leastMs * 2 ** ((i + 0.5) / perOctave)).toPrecision(4));
    }
    return null;
  }
}
