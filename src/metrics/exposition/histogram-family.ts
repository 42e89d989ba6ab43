/**
 * A labelled histogram with classic buckets for the text format and native buckets for scrapers that accept them. prom-client supports only
 * classic buckets, at ten times the cost of an observation.
 */
import { type LoggedValues, logged } from '../series/logged-values.ts';
import { NativeBuckets } from './native-buckets.ts';

/** Label values by name. Their order is that of the object. */
export type Labels = Readonly<Record<string, string>>;

/** What all children of a family share. */
export interface HistogramNames {
  readonly name: string;
  readonly help: string;
  /** Upper bounds, ascending; larger values are counted as well. */
  readonly bounds: readonly number[];
}

const one = new Float64Array(1);
const logOfOne = new Float64Array(1);

/** The series of one set of labels. */
export class HistogramChild {
  readonly labels: Labels;
  readonly native = new NativeBuckets();
  count = 0;
  sum = 0;
  readonly #bounds: readonly number[];
  /** Count per bound, excluding those of the previous bound. */
  readonly #counts: Float64Array;

  constructor(labels: Labels, bounds: readonly number[]) {
    this.labels = labels;
    this.#bounds = bounds;
    this.#counts = new Float64Array(bounds.length);
  }

  observe(value: number): void {
    one[0] = value;
    this.observeAll(logged(one, 1, logOfOne), 1);
  }

  /** Observes all values, each multiplied by `factor`. */
  observeAll(logged: LoggedValues, factor: number): void {
    const { values, length } = logged;
    const [bounds, counts] = [this.#bounds, this.#counts];
    let { sum } = this;
    for (let i = 0; i < length; i++) {
      const value = (values[i] as number) * factor;
      sum += value;
      let bucket = 0;
      while (bucket < counts.length && value > (bounds[bucket] as number)) bucket++;
      if (bucket < counts.length) counts[bucket] = (counts[bucket] as number) + 1;
    }
    this.sum = sum;
    this.count += length;
    this.native.observeAll(logged, factor);
  }

  /** Cumulative count by bound. */
  cumulative(): { readonly bound: number; readonly count: number }[] {
    let count = 0;
    return this.#bounds.map((bound, i) => ({ bound, count: (count += this.#counts[i] as number) }));
  }
}

/** Children are created once and held by their observers, so that an observation needs no lookup. */
export class HistogramFamily {
  readonly names: HistogramNames;
  readonly #children = new Map<string, HistogramChild>();

  constructor(names: HistogramNames) {
    this.names = names;
  }

  /** Returns the same child for the same labels. */
  child(labels: Labels): HistogramChild {
    const key = keyOf(labels);
    let child = this.#children.get(key);
    if (child === undefined) this.#children.set(key, (child = new HistogramChild(labels, this.names.bounds)));
    return child;
  }

  remove(labels: Labels): void {
    this.#children.delete(keyOf(labels));
  }

  get children(): readonly HistogramChild[] {
    return [...this.#children.values()];
  }

  /** Prometheus text format. */
  text(): string {
    const { name, help } = this.names;
    const lines = [`# HELP ${name} ${help}`, `# TYPE ${name} histogram`];
    for (const child of this.children) {
      const labels = Object.entries(child.labels).map(([key, value]) => `${key}="${escaped(value)}"`);
      for (const { bound, count } of child.cumulative()) lines.push(`${name}_bucket{${[`le="${bound}"`, ...labels].join(',')}} ${count}`);
      lines.push(`${name}_bucket{${['le="+Inf"', ...labels].join(',')}} ${child.count}`);
      lines.push(`${name}_sum{${labels.join(',')}} ${child.sum}`, `${name}_count{${labels.join(',')}} ${child.count}`);
    }
    return lines.join('\n');
  }
}

function keyOf(labels: Labels): string {
  return JSON.stringify(Object.entries(labels).sort(([one], [other]) => (one < other ? -1 : 1)));
}

function escaped(value: string): string {
  return value.replaceAll('\\', '\\\\').replaceAll('\n', '\\n').replaceAll('"', '\\"');
}
