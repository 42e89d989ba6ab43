/** Looks at the backlogs: tells how large they are, and lets the instances of their endpoints follow them. */
import type { Clock } from '../clock.ts';
import { messageOf } from '../errors.ts';
import { type Log, Measure, type MetricStore, sagemakerNamespace } from '../monitoring/index.ts';
import type { QueueState } from '../storage/index.ts';
import { ageMsMax, decideInstances, objectiveMsDefault } from './decide-instances.ts';
import type { Capacity } from './inference.ts';
import { atOnce } from './queue-consumer.ts';

/** A variant whose number of instances may follow the backlog. */
export interface FollowingVariant {
  readonly name: string;
  readonly wanted: number;
  readonly instancesMin: number;
  readonly instancesMax: number;
  /** Nothing else decides on their number; else the backlog only sees to it that somebody is there at all. */
  readonly isOurs: boolean;
}

export interface WatchedQueue {
  readonly objectiveMs: number | null;
  readonly variants: readonly FollowingVariant[];
}

/** What waits to be worked on. */
export interface WatchedBacklog {
  readonly requests: number;
  /** How old the oldest is, and how old it may be. */
  readonly oldestMs: number;
  readonly mostMs: number;
}

export interface BacklogWatchOptions {
  readonly clock: Clock;
  readonly log: Log;
  readonly series: Pick<MetricStore, 'put'>;
  /** Endpoints that are to be looked at. */
  readonly endpoints: () => Promise<readonly string[]>;
  readonly backlog: (endpoint: string) => Promise<QueueState>;
  readonly capacityOf: (endpoint: string) => Promise<Capacity | null>;
  readonly workMs: (endpoint: string) => number | null;
  /** null where there is no such endpoint. */
  readonly watched: (endpoint: string) => Promise<WatchedQueue | null>;
  readonly scale: (endpoint: string, variant: string, count: number) => Promise<unknown>;
}

const lookEveryMs = 1000;
const tellEveryMs = 10_000;
/** So long after instances were needed they stay. */
const idleMsDefault = 60_000;

export class BacklogWatch {
  readonly #options: BacklogWatchOptions;
  /** By endpoint and variant: what was needed, and when. */
  readonly #needed = new Map<string, { readonly atMs: number; readonly needed: number }[]>();
  readonly #backlogs = new Map<string, WatchedBacklog>();
  #cancel: () => void = () => undefined;
  #looking: Promise<void> = Promise.resolve();
  #toldAtMs = Number.NEGATIVE_INFINITY;

  constructor(options: BacklogWatchOptions) {
    this.#options = options;
  }

  open(): void {
    this.#cancel = this.#options.clock.after(lookEveryMs, () => {
      this.#looking = this.look().finally(() => this.open());
    });
  }

  async close(): Promise<void> {
    this.#cancel();
    await this.#looking;
    this.#cancel();
  }

  /** Of an endpoint, as it was last seen; null where none ever came. */
  backlogOf(endpoint: string): WatchedBacklog | null {
    return this.#backlogs.get(endpoint.toLowerCase()) ?? null;
  }

  /** Once; called by itself each second. */
  async look(): Promise<void> {
    const { clock, endpoints, log } = this.#options;
    const isTelling = clock.nowMs() - this.#toldAtMs >= tellEveryMs;
    if (isTelling) this.#toldAtMs = clock.nowMs();
    for (const endpoint of await endpoints().catch(() => [])) {
      try {
        await this.#lookAt(endpoint, isTelling);
      } catch (error) {
        log.warn({ endpoint, error: messageOf(error) }, 'the backlog of an endpoint could not be looked at');
      }
    }
  }

  async #lookAt(endpoint: string, isTelling: boolean): Promise<void> {
    const { clock, backlog, capacityOf, watched } = this.#options;
    const queue = await watched(endpoint);
    const capacity = await capacityOf(endpoint);
    if (queue === null || capacity === null) return void this.#backlogs.delete(endpoint.toLowerCase());
    const state = await backlog(endpoint);
    const oldestMs = state.oldestAtMs === null ? 0 : Math.max(clock.wallMs() - state.oldestAtMs, 0);
    const objectiveMs = queue.objectiveMs ?? objectiveMsDefault;
    this.#backlogs.set(endpoint.toLowerCase(), { requests: state.backlog, oldestMs, mostMs: ageMsMax(queue.objectiveMs) });
    if (isTelling) this.#tell(capacity, state, oldestMs);
    for (const variant of queue.variants) await this.#scale(capacity, variant, { backlog: state.backlog, oldestMs, objectiveMs });
  }

  async #scale(
    capacity: Capacity,
    variant: FollowingVariant,
    seen: { readonly backlog: number; readonly oldestMs: number; readonly objectiveMs: number },
  ): Promise<void> {
    const { clock, log, scale, workMs } = this.#options;
    const { endpoint } = capacity;
    const { wanted, isOurs } = variant;
    const key = `${endpoint}/${variant.name}`.toLowerCase();
    const nowMs = clock.nowMs();
    // Who looks for the first time takes it that there is a reason for what there is.
    const recent = (this.#needed.get(key) ?? [{ atMs: nowMs, needed: wanted }]).filter(({ atMs }) => atMs > nowMs - idleMsDefault);
    const decided = decideInstances({
      ...seen,
      ...variant,
      workMs: workMs(endpoint),
      concurrency: Math.max(atOnce({ ...capacity, executors: 1 }), 1),
      needed: recent.map(({ needed }) => needed),
    });
    this.#needed.set(key, [...recent, { atMs: nowMs, needed: decided.needed }]);
    const instances = isOurs ? decided.instances : Math.max(wanted, Math.min(decided.instances, 1));
    if (instances === wanted) return;
    log.info({ endpoint, variant: variant.name, from: wanted, to: instances, reason: decided.reason }, 'instances follow the backlog');
    await scale(endpoint, variant.name, instances);
  }

  #tell({ endpoint, instances }: Capacity, { backlog }: QueueState, oldestMs: number): void {
    const place = { namespace: sagemakerNamespace, dimensions: { EndpointName: endpoint } };
    const metrics = [
      ['ApproximateBacklogSize', 'Count', backlog],
      ['ApproximateBacklogSizePerInstance', 'Count', backlog / Math.max(instances, 1)],
      ['HasBacklogWithoutCapacity', 'Count', backlog > 0 && instances === 0 ? 1 : 0],
      ['ApproximateAgeOfOldestRequest', 'Seconds', oldestMs / 1000],
    ] as const;
    for (const [name, unit, value] of metrics) {
      const measure = new Measure();
      measure.add(value);
      this.#options.series.put(place, { name, unit }, this.#options.clock.wallMs(), measure);
    }
  }
}
