/** Observes the backlog of each asynchronous endpoint: reported as metrics, and an input of scaling. */

import { type Clock, Loop } from '../clock.ts';
import { messageOf } from '../errors.ts';
import type { Log } from '../logs/index.ts';
import { Measure, type MetricStore, sagemakerNamespace } from '../metrics/index.ts';
import { nameKey } from '../names.ts';
import type { QueueState } from '../storage/index.ts';
import type { Capacity } from './inference.ts';
import { concurrencyLimit } from './queue-consumer.ts';

/** What an endpoint expects of its queue. */
export interface WatchedQueue {
  readonly objectiveMs: number | null;
  /** Variants whose instances follow the backlog because nothing else scales them. */
  readonly followers: readonly string[];
}

/** The last observed backlog. */
export interface WatchedBacklog {
  readonly requests: number;
  /** Age of the oldest request, and its limit. */
  readonly oldestMs: number;
  readonly maxMs: number;
  /** Target time from submission to completion. */
  readonly objectiveMs: number;
  /** Processing time of a request; null if unknown. */
  readonly workMs: number | null;
  /** Concurrent requests per instance. */
  readonly concurrency: number;
  readonly followers: readonly string[];
}

/** Where backlogs are read from and reported to. */
export interface BacklogMonitorOptions {
  readonly clock: Clock;
  readonly log: Log;
  readonly series: Pick<MetricStore, 'put'>;
  /** Endpoints to poll. */
  readonly endpoints: () => Promise<readonly string[]>;
  readonly backlog: (endpoint: string) => Promise<QueueState>;
  readonly capacityOf: (endpoint: string) => Promise<Capacity | null>;
  readonly workMs: (endpoint: string) => number | null;
  /** Null if the endpoint does not exist. */
  readonly watched: (endpoint: string) => Promise<WatchedQueue | null>;
}

const pollEveryMs = 1000;
const reportEveryMs = 10_000;
/** Target time for endpoints without an objective. */
const objectiveMsDefault = 60_000;

/** Holds the last observation of each queue in memory. */
export class BacklogMonitor {
  readonly #options: BacklogMonitorOptions;
  readonly #backlogs = new Map<string, WatchedBacklog>();
  readonly #loop: Loop;
  #reportedAtMs = Number.NEGATIVE_INFINITY;

  constructor(options: BacklogMonitorOptions) {
    this.#options = options;
    const onFailure = (error: unknown): void => options.log.warn({ error: messageOf(error) }, 'failed to poll the backlogs');
    this.#loop = new Loop({ clock: options.clock, everyMs: pollEveryMs, run: () => this.poll(), onFailure });
  }

  open(): void {
    this.#loop.open();
  }

  close(): Promise<void> {
    return this.#loop.close();
  }

  /** The last observed backlog of an endpoint; null if it never had one. */
  backlogOf(endpoint: string): WatchedBacklog | null {
    return this.#backlogs.get(nameKey(endpoint)) ?? null;
  }

  /** Polls all endpoints once; runs every second. */
  async poll(): Promise<void> {
    const { clock, endpoints, log } = this.#options;
    const isReporting = clock.nowMs() - this.#reportedAtMs >= reportEveryMs;
    if (isReporting) this.#reportedAtMs = clock.nowMs();
    for (const endpoint of await endpoints().catch(() => [])) {
      try {
        await this.#pollEndpoint(endpoint, isReporting);
      } catch (error) {
        log.warn({ endpoint, error: messageOf(error) }, 'failed to poll the backlog of an endpoint');
      }
    }
  }

  async #pollEndpoint(endpoint: string, isReporting: boolean): Promise<void> {
    const { clock, backlog, capacityOf, watched, workMs } = this.#options;
    const queue = await watched(endpoint);
    const capacity = await capacityOf(endpoint);
    if (queue === null || capacity === null) return void this.#backlogs.delete(nameKey(endpoint));
    const state = await backlog(endpoint);
    const oldestMs = state.oldestAtMs === null ? 0 : Math.max(clock.wallMs() - state.oldestAtMs, 0);
    this.#backlogs.set(nameKey(endpoint), {
      requests: state.backlog,
      oldestMs,
      maxMs: ageMsMax(queue.objectiveMs),
      objectiveMs: queue.objectiveMs ?? objectiveMsDefault,
      workMs: workMs(endpoint),
      concurrency: Math.max(concurrencyLimit({ ...capacity, executors: 1 }), 1),
      followers: queue.followers,
    });
    if (isReporting) this.#report(capacity, state, oldestMs);
  }

  #report({ endpoint, instances }: Capacity, { backlog }: QueueState, oldestMs: number): void {
    const metricKey = { namespace: sagemakerNamespace, dimensions: { EndpointName: endpoint } };
    const metrics = [
      ['ApproximateBacklogSize', 'Count', backlog],
      ['ApproximateBacklogSizePerInstance', 'Count', backlog / Math.max(instances, 1)],
      ['HasBacklogWithoutCapacity', 'Count', backlog > 0 && instances === 0 ? 1 : 0],
      ['ApproximateAgeOfOldestRequest', 'Seconds', oldestMs / 1000],
    ] as const;
    for (const [name, unit, value] of metrics) {
      const measure = new Measure();
      measure.add(value);
      this.#options.series.put(metricKey, { name, unit }, this.#options.clock.wallMs(), measure);
    }
  }
}

/**
 * Age limit of a queued request before an alarm fires, ms. A latency objective for real-time calls, such as 50 ms, does not
 * apply to asynchronous requests; one above the default does.
 */
export function ageMsMax(objectiveMs: number | null): number {
  return Math.max(objectiveMs ?? 0, objectiveMsDefault);
}
