/**
 * Asynchronous inference: requests are accepted at once, wait in the queue of their endpoint, and are worked on when there is somebody
 * for them. `outcomes.ts` says why each has exactly one outcome, whatever is killed.
 */
import type { Clock } from '../clock.ts';
import { messageOf, PlatformError } from '../errors.ts';
import type { Events, Log, MetricStore } from '../monitoring/index.ts';
import type { Database, Jobs, QueueState } from '../storage/index.ts';
import { Allowance } from './allowance.ts';
import { type AsyncOrder, type AsyncRequest, inlineBytesMax, queueOf } from './async-request.ts';
import type { Capacity, RunInference } from './inference.ts';
import { AsyncMeasures } from './measures.ts';
import type { Objects } from './objects.ts';
import { Outcomes } from './outcomes.ts';
import { type ConsumerOptions, dropInput, QueueConsumer } from './queue-consumer.ts';
import { type AsyncPage, AsyncRequests } from './requests.ts';

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
  /** The URL that is called for a topic; null where none is known. */
  readonly addressOf: (topic: string) => string | null;
  readonly awsRegion: string;
  /** Of one body that is read into memory, and of all that are at once. */
  readonly bodyBytesMax: number;
  /** Whoever is not heard of so long has lost what it took. */
  readonly leaseMs?: number;
  /** Finished requests are forgotten after so long; what they wrote stays. */
  readonly keptMs?: number;
}

const leaseMsDefault = 15_000;
const keptMsDefault = 7 * 86_400_000;
const lookForQueuesEveryMs = 5000;
/** A request that is submitted waits behind no more than so many that are read or written at the same time. */
const turnsAtOnce = 16;

export class AsyncInference {
  readonly measures: AsyncMeasures;
  readonly #options: AsyncInferenceOptions;
  readonly #requests: AsyncRequests;
  readonly #consumerOptions: ConsumerOptions;
  /** By endpoint in lower case. */
  readonly #consumers = new Map<string, QueueConsumer>();
  #cancelTimer: () => void = () => undefined;
  #looking: Promise<void> = Promise.resolve();
  #isOpen = false;

  constructor(options: AsyncInferenceOptions) {
    this.#options = options;
    this.#requests = new AsyncRequests(options);
    const variants = new Map<string, string>();
    this.measures = new AsyncMeasures({
      series: options.series,
      variantOf: (endpoint) => variants.get(endpoint.toLowerCase()) ?? 'AllTraffic',
    });
    const capacityOf = async (endpoint: string): Promise<Capacity | null> => {
      const capacity = await options.capacityOf(endpoint);
      const [first] = capacity?.variants ?? [];
      if (first !== undefined) variants.set(endpoint.toLowerCase(), first);
      return capacity;
    };
    const onUntold = (request: AsyncRequest, topic: string): void => {
      options.log.warn(
        { id: request.id, topic },
        'no URL is known for a topic: give it one in asyncTopics of config.json, and restart the server',
      );
      this.measures.untold(request);
    };
    this.#consumerOptions = {
      ...options,
      capacityOf,
      requests: this.#requests,
      measures: this.measures,
      outcomes: new Outcomes({ ...options, requests: this.#requests, onUntold }),
      memory: new Allowance(options.bodyBytesMax),
      turns: new Allowance(turnsAtOnce),
      leaseMs: options.leaseMs ?? leaseMsDefault,
    };
  }

  /** Goes on with what an earlier server accepted. */
  async open(): Promise<void> {
    this.#isOpen = true;
    await this.#findQueues();
    this.#later();
  }

  /** What runs is given up, and taken again by the next server. */
  async close(): Promise<void> {
    this.#isOpen = false;
    this.#cancelTimer();
    await this.#looking;
    await Promise.all([...this.#consumers.values()].map((consumer) => consumer.close()));
    this.#consumers.clear();
  }

  /** Resolves when it is accepted: from then on it survives a kill. Throws `too_large` for a body that does not come as an object. */
  async submit(order: AsyncOrder, body: Uint8Array | null): Promise<AsyncRequest> {
    if (body !== null && body.length > inlineBytesMax) {
      const message = `a body of ${body.length} bytes is more than comes with a request (${inlineBytesMax}): put it into a bucket, and say where`;
      throw new PlatformError('too_large', message);
    }
    const request = await this.#requests.accept(order, body);
    this.#consumerOf(order.endpoint);
    return request;
  }

  /** null where there is none. */
  find(id: string): Promise<AsyncRequest | null> {
    return this.#requests.find(id);
  }

  list(page: AsyncPage): Promise<AsyncRequest[]> {
    return this.#requests.list(page);
  }

  /** Throws `not_found`, `wrong_state` where it has its outcome. */
  async cancel(id: string): Promise<AsyncRequest> {
    const cancelled = await this.#consumerOptions.outcomes.cancelled(id);
    await dropInput(this.#options, cancelled);
    return cancelled;
  }

  /** Throws `not_found`, `wrong_state` where it neither failed nor expired. */
  retry(id: string): Promise<AsyncRequest> {
    return this.#requests.retry(id);
  }

  backlog(endpoint: string): Promise<QueueState> {
    return this.#options.jobs.state(queueOf(endpoint));
  }

  /** Endpoints that requests came to since the server started, or that had some then; in lower case. */
  endpoints(): readonly string[] {
    return [...this.#consumers.keys()];
  }

  #consumerOf(endpoint: string): void {
    const key = endpoint.toLowerCase();
    if (!this.#isOpen || this.#consumers.has(key)) return;
    const consumer = new QueueConsumer(endpoint, this.#consumerOptions);
    this.#consumers.set(key, consumer);
    consumer.open();
  }

  #later(): void {
    this.#cancelTimer = this.#options.clock.after(lookForQueuesEveryMs, () => {
      this.#looking = this.#tidy();
      this.#later();
    });
  }

  async #tidy(): Promise<void> {
    const { clock, log, keptMs = keptMsDefault } = this.#options;
    try {
      await this.#findQueues();
      for (const request of await this.#requests.clear(clock.wallMs() - keptMs)) await dropInput(this.#options, request);
    } catch (error) {
      log.error({ error: messageOf(error) }, 'asynchronous requests could not be looked after');
    }
  }

  async #findQueues(): Promise<void> {
    for (const endpoint of await this.#requests.waitingEndpoints()) this.#consumerOf(endpoint);
  }
}
