/** Of a metric that there was no room for: what comes is lost and counted, until room is made. */
import type { LoggedValues } from './logged-values.ts';
import type { MetricFeed, MetricGroup } from './metric-group.ts';

export interface RefusedFeedOptions {
  /** Changes when there may be room again. */
  readonly room: () => number;
  readonly retry: () => { readonly group: MetricGroup; readonly metric: number } | null;
  readonly lose: (values: number) => void;
}

export class RefusedFeed implements MetricFeed {
  readonly #options: RefusedFeedOptions;
  #room: number;
  #into: MetricFeed | null = null;

  constructor(options: RefusedFeedOptions) {
    this.#options = options;
    this.#room = options.room();
  }

  add(value: number, times = 1): void {
    const into = this.#found();
    if (into === null) this.#options.lose(times);
    else into.add(value, times);
  }

  addAll(values: LoggedValues, factor: number): void {
    const into = this.#found();
    if (into === null) this.#options.lose(values.length);
    else into.addAll(values, factor);
  }

  #found(): MetricFeed | null {
    const room = this.#options.room();
    if (this.#into !== null || room === this.#room) return this.#into;
    this.#room = room;
    const found = this.#options.retry();
    return (this.#into = found === null ? null : found.group.feed(found.metric));
  }
}
