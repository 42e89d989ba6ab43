/** Metrics with common dimensions, of an endpoint's variant for example. Stored rows refer to metrics by number. */
import { HotMeasure } from './hot-measure.ts';
import type { LoggedValues } from './logged-values.ts';
import type { Measured } from './measured.ts';

/** Namespace and dimensions, as in CloudWatch. */
export interface MetricKey {
  /** `AWS/SageMaker` */
  readonly namespace: string;
  /** `{EndpointName: 'digits', VariantName: 'AllTraffic'}` */
  readonly dimensions: Readonly<Record<string, string>>;
}

/** A metric within its group. The same name with two units is two metrics. */
export interface MetricName {
  readonly name: string;
  /** `Microseconds`, `Count`, `None`. */
  readonly unit: string;
}

/** Accepts values of one metric. */
export interface MetricFeed {
  add(value: number, times?: number): void;
  /** Adds all values, each multiplied by `factor`. */
  addAll(values: LoggedValues, factor: number): void;
}

/** Metrics are only ever added to a group: rows refer to them by position. */
export class MetricGroup {
  readonly id: number;
  readonly metricKey: MetricKey;
  /** Measured by the server, not put by a client. */
  readonly isOwn: boolean;
  readonly metrics: MetricName[];
  /** Time of the last stored value, epoch milliseconds. */
  lastAtMs: number;
  /** Has changes not stored in the database. */
  isChanged: boolean;
  /** A feed exists, which can add values at any time. */
  isHeld = false;
  /** Counts towards the limit. The server's own groups count while held or recently fed; released groups retain their history. */
  countsTowardsLimit: boolean;
  /** Values since the last `take`, by metric number. */
  readonly #current = new Map<number, HotMeasure>();

  constructor(id: number, metricKey: MetricKey, metrics: readonly MetricName[] = [], lastAtMs = 0) {
    this.id = id;
    this.metricKey = metricKey;
    this.isOwn = isReservedNamespace(metricKey.namespace);
    this.metrics = [...metrics];
    this.lastAtMs = lastAtMs;
    this.isChanged = metrics.length === 0;
    this.countsTowardsLimit = !this.isOwn;
  }

  /** The number of a metric; null if unknown. */
  numberOf(name: string, unit: string): number | null {
    const index = this.metrics.findIndex((metric) => metric.name === name && metric.unit === unit);
    return index === -1 ? null : index;
  }

  /** Numbers of all metrics of that name; of all units if none is given. */
  numbersOf(name: string, unit: string | undefined): number[] {
    return this.metrics.flatMap((metric, number) => (metric.name === name && (unit === undefined || metric.unit === unit) ? [number] : []));
  }

  /** Adds a metric and returns its number. */
  addMetric(metric: MetricName): number {
    this.isChanged = true;
    return this.metrics.push(metric) - 1;
  }

  feed(metric: number): MetricFeed {
    this.isHeld = true;
    return this.#hot(metric);
  }

  /** Adds one value without holding the group. */
  add(metric: number, value: number): void {
    this.#hot(metric).add(value);
  }

  /** Values since the last call; null if there are none. */
  take(): ReadonlyMap<number, Measured> | null {
    const taken = new Map<number, Measured>();
    for (const [metric, hot] of this.#current) {
      const measured = hot.drain();
      if (measured !== null) taken.set(metric, measured);
    }
    if (taken.size > 0) return taken;
    if (!this.countsTowardsLimit) this.#current.clear(); // no feed refers to them
    return null;
  }

  #hot(metric: number): HotMeasure {
    let hot = this.#current.get(metric);
    if (hot === undefined) this.#current.set(metric, (hot = new HotMeasure()));
    return hot;
  }
}

/** Equal for equal keys, in any order of dimensions. */
export function formatMetricKey({ namespace, dimensions }: MetricKey): string {
  return JSON.stringify([namespace, ...Object.entries(dimensions).sort(([a], [b]) => (a < b ? -1 : 1))]);
}

/** Whether only the server can measure in the namespace, not clients. */
export function isReservedNamespace(namespace: string): boolean {
  return /^(?:AWS\/|\/aws\/|Penstock$)/.test(namespace);
}
