/**
 * A sample of the rows of the last hour: twelve spans of five minutes, each a reservoir. Memory is bounded at any load (Vitter,
 * Random Sampling with a Reservoir, ACM TOMS 11, 1985, algorithm R).
 */
import type { Random } from '../../random.ts';

interface Span {
  readonly index: number;
  /** By row. */
  readonly rows: (readonly number[])[];
  rowCount: number;
}

/** Old rows leave the window in spans of this length. */
export const spanMs = 300_000;
const spansMax = 12;
/** An hour. */
export const windowMs = spanMs * spansMax;
/** Per span; fewer if rows are long. */
const rowsMax = 500;
const valuesMax = 131_072;

/** Of rows with the same features. */
export class DriftWindow {
  /** Identifies the set of features, see `FeatureRows`. */
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

  /** Offers a row, which is read only if it is sampled. `atMs` must not decrease by more than a span. */
  offer(atMs: number, read: () => readonly number[]): void {
    if (this.names.length === 0) return;
    const span = this.#spanAt(atMs);
    span.rowCount++;
    if (span.rows.length < this.#rowsMax) {
      span.rows.push(read());
      return;
    }
    const slot = Math.floor(this.#random.next() * span.rowCount);
    if (slot < this.#rowsMax) span.rows[slot] = read();
  }

  /** Sampled rows of the last hour, from each span in proportion to its traffic. */
  sample(atMs: number): (readonly number[])[] {
    const oldest = Math.floor(atMs / spanMs) - spansMax;
    const spans = this.#spans.filter(({ index }) => index > oldest);
    const share = Math.min(1, ...spans.map(({ rows, rowCount }) => rows.length / rowCount));
    return spans.flatMap(({ rows, rowCount }) => rows.slice(0, Math.round(rowCount * share)));
  }

  /** Number of rows in the last hour, sampled or not. */
  rowCount(atMs: number): number {
    const oldest = Math.floor(atMs / spanMs) - spansMax;
    return this.#spans.reduce((sum, { index, rowCount }) => (index > oldest ? sum + rowCount : sum), 0);
  }

  #spanAt(atMs: number): Span {
    const index = Math.floor(atMs / spanMs);
    const last = this.#spans.at(-1);
    if (last !== undefined && index <= last.index) return last;
    const span = { index, rows: [], rowCount: 0 };
    this.#spans = [...this.#spans.filter((each) => each.index > index - spansMax), span];
    return span;
  }
}
