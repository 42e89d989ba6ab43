/** Spans in memory that still grow or wait to be written. Bounded: if nothing can be written, the oldest are dropped. */
import { Measure, type Measured } from './measured.ts';
import type { SpanResolution } from './metric-rows.ts';

/** A span of one group. `record` has a measure by the number of the metric. */
export interface OpenSpan {
  readonly group: number;
  readonly resolution: SpanResolution;
  /** Epoch seconds. */
  readonly at: number;
  readonly record: Map<number, Measure>;
  isDirty: boolean;
  /** The database can hold a part of it. */
  isPart: boolean;
}

const spansMaxDefault = 100_000;

/** One span for each group, resolution and start. */
export class OpenSpans {
  readonly #spans = new Map<string, OpenSpan>();
  #dropped = 0;
  readonly #spansMax: number;

  constructor(spansMax: number = spansMaxDefault) {
    this.#spansMax = spansMax;
  }

  /** Number of dropped spans. */
  get dropped(): number {
    return this.#dropped;
  }

  /** Returns the span, created if missing. `isPart` is evaluated only for a new one. */
  open({ group, resolution, at }: Pick<OpenSpan, 'group' | 'resolution' | 'at'>, isPart: () => boolean): OpenSpan {
    const key = `${resolution}/${at}/${group}`;
    let span = this.#spans.get(key);
    if (span !== undefined) return span;
    span = { group, resolution, at, record: new Map(), isDirty: false, isPart: isPart() };
    this.#spans.set(key, span);
    if (this.#spans.size > this.#spansMax) this.#removeOldest();
    return span;
  }

  dirty(): OpenSpan[] {
    return [...this.#spans.values()].filter(({ isDirty }) => isDirty);
  }

  /** Spans of a group that start at or after `from` and before `to`, epoch seconds. */
  of(group: number, resolution: SpanResolution, { from, to }: { readonly from: number; readonly to: number }): OpenSpan[] {
    return [...this.#spans.values()].filter(
      (each) => each.group === group && each.resolution === resolution && each.at >= from && each.at < to,
    );
  }

  /** Discards spans that are over and written. */
  discard(second: number): void {
    for (const [key, { at, resolution, isDirty }] of this.#spans) if (!isDirty && at + resolution < second) this.#spans.delete(key);
  }

  #removeOldest(): void {
    const [oldest] = this.#spans.keys();
    if (oldest !== undefined) this.#spans.delete(oldest);
    this.#dropped++;
  }
}

/** `isGiven`: the caller does not use `measured` afterwards, so it need not be copied. */
export function addToSpan(span: OpenSpan, measured: ReadonlyMap<number, Measured>, isGiven: boolean): void {
  for (const [metric, each] of measured) {
    let measure = span.record.get(metric);
    if (measure === undefined && isGiven && each instanceof Measure) {
      span.record.set(metric, each);
      continue;
    }
    if (measure === undefined) span.record.set(metric, (measure = new Measure()));
    measure.merge(each);
  }
}

/** A copy, since the span still grows. */
export function recordOf({ record }: OpenSpan): Map<number, Measure> {
  return new Map([...record].map(([metric, each]) => [metric, copied(each)]));
}

function copied(measured: Measured): Measure {
  const copy = new Measure();
  copy.merge(measured);
  return copy;
}
