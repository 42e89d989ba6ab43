/** Future arrivals in order; the oracle policy can look ahead. Only the chunks that were looked at are in memory. */
export class ArrivalStream {
  readonly #source: Iterator<Float64Array>;
  /** The current chunk comes first. */
  readonly #chunks: Float64Array[] = [];
  #current: Float64Array = new Float64Array(0);
  #position = 0;
  #nextMs = Number.POSITIVE_INFINITY;

  constructor(source: Iterator<Float64Array>) {
    this.#source = source;
    this.#advance();
  }

  /** Time of the next arrival; infinite after the last one. */
  get nextMs(): number {
    return this.#nextMs;
  }

  /** Removes the next arrival. */
  take(): void {
    this.#position++;
    if (this.#position < this.#current.length) this.#nextMs = this.#current[this.#position] as number;
    else this.#advance();
  }

  /** Number of arrivals in each of the next `seconds`. */
  countsPerSecond(fromMs: number, seconds: number): number[] {
    const counts = new Array<number>(seconds).fill(0);
    const untilMs = fromMs + seconds * 1000;
    for (let i = 0; ; i++) {
      const chunk = i === 0 ? this.#current : (this.#chunks[i - 1] ?? this.#read());
      if (chunk === null) return counts;
      for (let k = i === 0 ? this.#position : 0; k < chunk.length; k++) {
        const ms = chunk[k] as number;
        if (ms >= untilMs) return counts;
        const second = Math.floor((ms - fromMs) / 1000);
        if (second >= 0) counts[second] = (counts[second] as number) + 1;
      }
    }
  }

  #advance(): void {
    this.#position = 0;
    const next = this.#chunks.shift() ?? this.#fetch();
    this.#current = next ?? new Float64Array(0);
    this.#nextMs = next === null ? Number.POSITIVE_INFINITY : (next[0] as number);
  }

  #read(): Float64Array | null {
    const chunk = this.#fetch();
    if (chunk !== null) this.#chunks.push(chunk);
    return chunk;
  }

  /** The next non-empty chunk. */
  #fetch(): Float64Array | null {
    for (;;) {
      const next = this.#source.next();
      if (next.done === true) return null;
      if (next.value.length > 0) return next.value;
    }
  }
}
