/**
 * Asynchronous inference: requests are accepted at once, wait in the queue of their endpoint, and are processed when there
 * is capacity. `request-outcomes.ts` explains why each has exactly one outcome, even after a crash.
 */

import { type Clock, Loop } from '../clock.ts';
import { messageOf, PlatformError } from '../errors.ts';
import type { Log } from '../logs/index.ts';
import type { MetricStore } from '../metrics/index.ts';
import { nameKey } from '../names.ts';
import type { Events } from '../records/index.ts';
import type { Database, Jobs, QueueState } from '../storage/index.ts';
import { type AsyncRequest, type AsyncSubmission, inlineBytesMax, queueOf } from './async-request.ts';
import type { Capacity, RunInference } from './inference.ts';
import { AsyncMeasures } from './measures.ts';
import type { Objects } from './objects.ts';
import { type ConsumerOptions, dropInput, QueueConsumer } from './queue-consumer.ts';
import { Outcomes } from './request-outcomes.ts';
import { type AsyncPage, AsyncRequests } from './requests.ts';
import { Semaphore } from './semaphore.ts';

/** Collaborators. Decoding and encoding are those of the APIs, passed in as `run`. */
export interface AsyncInferenceOptions {
  readonly db: Database;
  readonly clock: Clock;
  readonly log: Log;
  readonly jobs: Jobs;
  readonly events: Pick<Events, 'record' | 'publish'>;
  readonly series: Pick<MetricStore, 'feed'>;
  readonly objects: Objects;
  readonly capacityOf: (endpoint: string) => Promise<Capacity | null>;
  readonly run: RunInference;
  /** The URL of a topic; null if unknown. */
  readonly addressOf: (topic: string) => string | null;
  readonly awsRegion: string;
  /** Limit of one body in memory, and of all bodies in memory together. */
  readonly bodyBytesMax: number;
  /** Duration of a job lease. It expires unless its holder renews it. */
  readonly leaseMs?: number;
  /** How long finished requests are retained. Their outputs are not deleted. */
  readonly retentionMs?: number;
}

const leaseMsDefault = 15_000;
const retentionMsDefault = 7 * 86_400_000;
const discoverQueuesEveryMs = 5000;
/** Limit of concurrent output writes, so that a submission never waits behind many of them. */
const turnsAtOnce = 16;

/** One consumer per endpoint with a queue. */
export class AsyncInference {
  readonly measures: AsyncMeasures;
  readonly #options: AsyncInferenceOptions;
  readonly #requests: AsyncRequests;
  readonly #consumerOptions: ConsumerOptions;
  /** By endpoint in lower case. */
  readonly #consumers = new Map<string, QueueConsumer>();
  readonly #loop: Loop;
  #isOpen = false;

  constructor(options: AsyncInferenceOptions) {
    this.#options = options;
    this.#loop = new Loop({
      clock: options.clock,
      everyMs: discoverQueuesEveryMs,
      run: () => this.#maintain(),
      onFailure: (error) => options.log.error({ error: messageOf(error) }, 'maintenance of asynchronous requests failed'),
    });
    this.#requests = new AsyncRequests(options);
    const variants = new Map<string, string>();
    this.measures = new AsyncMeasures({
      series: options.series,
      variantOf: (endpoint) => variants.get(nameKey(endpoint)) ?? 'AllTraffic',
    });
    const capacityOf = async (endpoint: string): Promise<Capacity | null> => {
      const capacity = await options.capacityOf(endpoint);
      const [first] = capacity?.variants ?? [];
      if (first !== undefined) variants.set(nameKey(endpoint), first);
      return capacity;
    };
    const onNotificationFailure = (request: AsyncRequest, topic: string): void => {
      options.log.warn(
        { id: request.id, topic },
        'no URL is configured for a topic: set it in asyncTopics of config.json and restart the server',
      );
      this.measures.unreported(request);
    };
    this.#consumerOptions = {
      ...options,
      capacityOf,
      requests: this.#requests,
      measures: this.measures,
      outcomes: new Outcomes({ ...options, requests: this.#requests, onNotificationFailure }),
      memory: new Semaphore(options.bodyBytesMax),
      turns: new Semaphore(turnsAtOnce),
      leaseMs: options.leaseMs ?? leaseMsDefault,
    };
  }

  /** Resumes requests accepted by an earlier server. */
  async open(): Promise<void> {
    this.#isOpen = true;
    await this.#findQueues();
    this.#loop.open();
  }

  /** Aborts running requests; the next server runs them again. */
  async close(): Promise<void> {
    this.#isOpen = false;
    await this.#loop.close();
    await Promise.all([...this.#consumers.values()].map((consumer) => consumer.close()));
    this.#consumers.clear();
  }

  /** Resolves when the request is durable. Throws `too_large` for an inline body above the limit. */
  async submit(order: AsyncSubmission, body: Uint8Array | null): Promise<AsyncRequest> {
    if (body !== null && body.length > inlineBytesMax) {
      const message = `the inline body is too large: expected at most ${inlineBytesMax} bytes, got ${body.length}. Put it into a bucket and send its location`;
      throw new PlatformError('too_large', message);
    }
    const request = await this.#requests.accept(order, body);
    this.#consumerOf(order.endpoint);
    return request;
  }

  /** The request, or null if it does not exist. */
  find(id: string): Promise<AsyncRequest | null> {
    return this.#requests.find(id);
  }

  list(page: AsyncPage): Promise<AsyncRequest[]> {
    return this.#requests.list(page);
  }

  /** Throws `not_found`, `wrong_state` if the request has an outcome. */
  async cancel(id: string): Promise<AsyncRequest> {
    const cancelled = await this.#consumerOptions.outcomes.cancelled(id);
    await dropInput(this.#options, cancelled);
    return cancelled;
  }

  /** Throws `not_found`, `wrong_state` if the request neither failed nor expired. */
  retry(id: string): Promise<AsyncRequest> {
    return this.#requests.retry(id);
  }

  backlog(endpoint: string): Promise<QueueState> {
    return this.#options.jobs.state(queueOf(endpoint));
  }

  /** Endpoints that had requests when the server started or later, in lower case. */
  endpoints(): readonly string[] {
    return [...this.#consumers.keys()];
  }

  #consumerOf(endpoint: string): void {
    const key = nameKey(endpoint);
    if (!this.#isOpen || this.#consumers.has(key)) return;
    const consumer = new QueueConsumer(endpoint, this.#consumerOptions);
    this.#consumers.set(key, consumer);
    consumer.open();
  }

  async #maintain(): Promise<void> {
    const { clock, retentionMs = retentionMsDefault } = this.#options;
    await this.#findQueues();
    for (const request of await this.#requests.clear(clock.wallMs() - retentionMs)) await dropInput(this.#options, request);
  }

  async #findQueues(): Promise<void> {
    for (const endpoint of await this.#requests.waitingEndpoints()) this.#consumerOf(endpoint);
  }
}
