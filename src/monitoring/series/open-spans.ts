/** Spans that still grow, or wait to be written: in memory, and bounded. Where nothing can be written the oldest are given up. */
import { Measure, type Measured } from './measured.ts';
import type { Resolution } from './metric-rows.ts';

export interface OpenSpan {
  readonly group: number;
  readonly resolution: Resolution;
  /** Epoch seconds. */
  readonly at: number;
  readonly record: Map<number, Measure>;
  isDirty: boolean;
  /** The database may hold a part of it. */
  isPart: boolean;
}

const spansMax = 100_000;

export class OpenSpans {
  readonly #spans = new Map<string, OpenSpan>();
  #dropped = 0;

  /** Spans that were given up. */
  get dropped(): number {
    return this.#dropped;
  }

  /** The one that begins there; `isPart` is asked where it has to be begun. */
  open({ group, resolution, at }: Pick<OpenSpan, 'group' | 'resolution' | 'at'>, isPart: () => boolean): OpenSpan {
    const key = `${resolution}/${at}/${group}`;
    let span = this.#spans.get(key);
    if (span !== undefined) return span;
    span = { group, resolution, at, record: new Map(), isDirty: false, isPart: isPart() };
    this.#spans.set(key, span);
    if (this.#spans.size > spansMax) this.#forgetOldest();
    return span;
  }

  dirty(): OpenSpan[] {
    return [...this.#spans.values()].filter(({ isDirty }) => isDirty);
  }

  /** Of a group, those that begin from `from` on and before `to`: epoch seconds. */
  of(group: number, resolution: Resolution, { from, to }: { readonly from: number; readonly to: number }): OpenSpan[] {
    return [...this.#spans.values()].filter(
      (each) => each.group === group && each.resolution === resolution && each.at >= from && each.at < to,
    );
  }

  /** Lets go of what is written and over. */
  forget(second: number): void {
    for (const [key, { at, resolution, isDirty }] of this.#spans) if (!isDirty && at + resolution < second) this.#spans.delete(key);
  }

  #forgetOldest(): void {
    const [oldest] = this.#spans.keys();
    if (oldest !== undefined) this.#spans.delete(oldest);
    this.#dropped++;
  }
}

/** `isGiven`: nobody else holds on to what was measured, which need not be copied then. */
export function addTo(span: OpenSpan, measured: ReadonlyMap<number, Measured>, isGiven: boolean): void {
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

/** As it is now, since it grows. */
export function recordOf({ record }: OpenSpan): Map<number, Measure> {
  return new Map([...record].map(([metric, each]) => [metric, copied(each)]));
}

function copied(measured: Measured): Measure {
  const copy = new Measure();
  copy.merge(measured);
  return copy;
}
