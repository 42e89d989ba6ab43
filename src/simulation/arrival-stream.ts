/** The arrivals to come, one after the other, with a look ahead for whoever knows the future. Holds what it has looked at, no more. */
export class ArrivalStream {
  readonly #source: Iterator<Float64Array>;
  /** The current chunk first. */
  readonly #chunks: Float64Array[] = [];
  #current: Float64Array = new Float64Array(0);
  #place = 0;
  #nextMs = Number.POSITIVE_INFINITY;

  constructor(source: Iterator<Float64Array>) {
    this.#source = source;
    this.#advance();
  }

  /** When the next one comes; infinite when all have come. */
  get nextMs(): number {
    return this.#nextMs;
  }

  /** It has come. */
  take(): void {
    this.#place++;
    if (this.#place < this.#current.length) this.#nextMs = this.#current[this.#place] as number;
    else this.#advance();
  }

  /** How many come in each of the next so many seconds. */
  countsPerSecond(fromMs: number, seconds: number): number[] {
    const counts = new Array<number>(seconds).fill(0);
    const untilMs = fromMs + seconds * 1000;
    for (let i = 0; ; i++) {
      const chunk = i === 0 ? this.#current : (this.#chunks[i - 1] ?? this.#read());
      if (chunk === null) return counts;
      for (let k = i === 0 ? this.#place : 0; k < chunk.length; k++) {
        const ms = chunk[k] as number;
        if (ms >= untilMs) return counts;
        const second = Math.floor((ms - fromMs) / 1000);
        if (second >= 0) counts[second] = (counts[second] as number) + 1;
      }
    }
  }

  #advance(): void {
    this.#place = 0;
    const next = this.#chunks.shift() ?? this.#fetch();
    this.#current = next ?? new Float64Array(0);
    this.#nextMs = next === null ? Number.POSITIVE_INFINITY : (next[0] as number);
  }

  #read(): Float64Array | null {
    const chunk = this.#fetch();
    if (chunk !== null) this.#chunks.push(chunk);
    return chunk;
  }

  /** The next chunk with anything in it. */
  #fetch(): Float64Array | null {
    for (;;) {
      const next = this.#source.next();
      if (next.done === true) return null;
      if (next.value.length > 0) return next.value;
    }
  }
}
