/**
 * A sample of the rows of the last hour: twelve spans of five minutes, each a reservoir, so that what is old goes and memory is bounded
 * whatever comes (Vitter, Random Sampling with a Reservoir, ACM TOMS 11, 1985, algorithm R).
 */
import type { Random } from '../../random.ts';

interface Span {
  readonly index: number;
  /** By row. */
  readonly rows: (readonly number[])[];
  seen: number;
}

export const spanMs = 300_000;
const spansKept = 12;
export const windowMs = spanMs * spansKept;
/** Of a span; fewer where rows are long. */
const rowsMax = 500;
const valuesMax = 131_072;

export class DriftWindow {
  /** Of whose rows it is: see `FeatureRows`. */
  readonly key: string;
  readonly names: readonly string[];
  readonly #random: Random;
  readonly #rowsMax: number;
  #spans: Span[] = [];

  constructor(key: string, names: readonly string[], random: Random) {
    this.key = key;
    this.names = names;
    this.#random = random;
    this.#rowsMax = Math.max(50, Math.min(rowsMax, Math.floor(valuesMax / Math.max(names.length, 1))));
  }

  /** Another row came; it is read only where it is kept. `atMs` never goes back by more than a span. */
  offer(atMs: number, read: () => readonly number[]): void {
    if (this.names.length === 0) return;
    const span = this.#spanAt(atMs);
    span.seen++;
    if (span.rows.length < this.#rowsMax) {
      span.rows.push(read());
      return;
    }
    const place = Math.floor(this.#random.next() * span.seen);
    if (place < this.#rowsMax) span.rows[place] = read();
  }

  /** Rows of the last hour, from each span as many as its share of all that came. */
  sample(atMs: number): (readonly number[])[] {
    const oldest = Math.floor(atMs / spanMs) - spansKept;
    const spans = this.#spans.filter(({ index }) => index > oldest);
    const share = Math.min(1, ...spans.map(({ rows, seen }) => rows.length / seen));
    return spans.flatMap(({ rows, seen }) => rows.slice(0, Math.round(seen * share)));
  }

  /** How many rows came in the last hour, kept or not. */
  seen(atMs: number): number {
    const oldest = Math.floor(atMs / spanMs) - spansKept;
    return this.#spans.reduce((sum, { index, seen }) => (index > oldest ? sum + seen : sum), 0);
  }

  #spanAt(atMs: number): Span {
    const index = Math.floor(atMs / spanMs);
    const last = this.#spans.at(-1);
    if (last !== undefined && index <= last.index) return last;
    const span = { index, rows: [], seen: 0 };
    this.#spans = [...this.#spans.filter((each) => each.index > index - spansKept), span];
    return span;
  }
}
