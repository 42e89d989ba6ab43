/** The feed of a metric beyond the limits: values are dropped and counted until there is room. */
import type { LoggedValues } from './logged-values.ts';
import type { MetricFeed, MetricGroup } from './metric-group.ts';

/** How to find out that there is room, and where dropped values are counted until then. */
export interface RejectedFeedOptions {
  /** Changes when there may be room again. */
  readonly capacityVersion: () => number;
  readonly retry: () => { readonly group: MetricGroup; readonly metric: number } | null;
  readonly onDropped: (values: number) => void;
}

/** Becomes a proxy of the real feed once there is room, so its holder needs no change. */
export class RejectedFeed implements MetricFeed {
  readonly #options: RejectedFeedOptions;
  #capacityVersion: number;
  #into: MetricFeed | null = null;

  constructor(options: RejectedFeedOptions) {
    this.#options = options;
    this.#capacityVersion = options.capacityVersion();
  }

  add(value: number, times = 1): void {
    const into = this.#found();
    if (into === null) this.#options.onDropped(times);
    else into.add(value, times);
  }

  addAll(values: LoggedValues, factor: number): void {
    const into = this.#found();
    if (into === null) this.#options.onDropped(values.length);
    else into.addAll(values, factor);
  }

  #found(): MetricFeed | null {
    const version = this.#options.capacityVersion();
    if (this.#into !== null || version === this.#capacityVersion) return this.#into;
    this.#capacityVersion = version;
    const found = this.#options.retry();
    return (this.#into = found === null ? null : found.group.feed(found.metric));
  }
}
