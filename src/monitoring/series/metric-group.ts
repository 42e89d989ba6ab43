/** What one place measures: an endpoint's variant, say. Its metrics have numbers, by which rows know them. */
import { HotMeasure } from './hot-measure.ts';
import type { LoggedValues } from './logged-values.ts';
import type { Measured } from './measured.ts';

/** Of whom, in CloudWatch's words. */
export interface MetricPlace {
  /** `AWS/SageMaker` */
  readonly namespace: string;
  /** `{EndpointName: 'digits', VariantName: 'AllTraffic'}` */
  readonly dimensions: Readonly<Record<string, string>>;
}

export interface MetricName {
  readonly name: string;
  /** `Microseconds`, `Count`, `None`. */
  readonly unit: string;
}

/** Takes the values of one metric. */
export interface MetricFeed {
  add(value: number, times?: number): void;
  /** All of these, each times a factor. */
  addAll(values: LoggedValues, factor: number): void;
}

export class MetricGroup {
  readonly id: number;
  readonly place: MetricPlace;
  /** What is measured here, not put by a caller. */
  readonly isOwn: boolean;
  readonly metrics: MetricName[];
  /** Epoch milliseconds of the last value that was kept. */
  lastAtMs: number;
  /** Its row in the database says less than this. */
  isChanged: boolean;
  /** Somebody may feed it at any time. */
  isHeld = false;
  /** It counts among those that there may be. One of ours does while it is held, or was fed lately: its history stays when it no longer does. */
  takesRoom: boolean;
  /** By number of the metric: what came since it was last taken. */
  readonly #current = new Map<number, HotMeasure>();

  constructor(id: number, place: MetricPlace, metrics: readonly MetricName[] = [], lastAtMs = 0) {
    this.id = id;
    this.place = place;
    this.isOwn = isOwnNamespace(place.namespace);
    this.metrics = [...metrics];
    this.lastAtMs = lastAtMs;
    this.isChanged = metrics.length === 0;
    this.takesRoom = !this.isOwn;
  }

  /** The number of a metric; null where it has none. */
  numberOf(name: string, unit: string): number | null {
    const index = this.metrics.findIndex((metric) => metric.name === name && metric.unit === unit);
    return index === -1 ? null : index;
  }

  /** Of all metrics of that name, whatever their units, where none is given. */
  numbersOf(name: string, unit: string | undefined): number[] {
    return this.metrics.flatMap((metric, number) => (metric.name === name && (unit === undefined || metric.unit === unit) ? [number] : []));
  }

  /** Gives it one. */
  addMetric(metric: MetricName): number {
    this.isChanged = true;
    return this.metrics.push(metric) - 1;
  }

  feed(metric: number): MetricFeed {
    this.isHeld = true;
    return this.#hot(metric);
  }

  /** Holds on to nothing. */
  add(metric: number, value: number): void {
    this.#hot(metric).add(value);
  }

  /** What came since the last time; null where nothing did. */
  take(): ReadonlyMap<number, Measured> | null {
    const taken = new Map<number, Measured>();
    for (const [metric, hot] of this.#current) {
      const measured = hot.take();
      if (measured !== null) taken.set(metric, measured);
    }
    if (taken.size > 0) return taken;
    if (!this.takesRoom) this.#current.clear(); // nobody holds on to them any more
    return null;
  }

  #hot(metric: number): HotMeasure {
    let hot = this.#current.get(metric);
    if (hot === undefined) this.#current.set(metric, (hot = new HotMeasure()));
    return hot;
  }
}

/** The same for the same place, whatever the order of its dimensions. */
export function keyOfPlace({ namespace, dimensions }: MetricPlace): string {
  return JSON.stringify([namespace, ...Object.entries(dimensions).sort(([a], [b]) => (a < b ? -1 : 1))]);
}

/** Whether what is measured under it is measured here, never put by a caller. */
export function isOwnNamespace(namespace: string): boolean {
  return /^(?:AWS\/|\/aws\/|Penstock$)/.test(namespace);
}
