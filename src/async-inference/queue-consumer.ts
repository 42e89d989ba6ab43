/**
 * Processes the queue of one endpoint: leases the oldest jobs, renews the leases while they run, and records their outcomes.
 * It leases no more than the endpoint's executors can run concurrently. Requests pass through the buffer of serving like any
 * others, so compatible ones share batches.
 */
import type { Clock } from '../clock.ts';
import { asPlatformError, messageOf, PlatformError } from '../errors.ts';
import type { Log } from '../logs/index.ts';
import type { Jobs, LeasedJob } from '../storage/index.ts';
import { type AsyncRequest, formatObjectUri, queueOf } from './async-request.ts';
import type { Capacity, InferenceOutput, RunInference } from './inference.ts';
import type { AsyncMeasures } from './measures.ts';
import type { Objects, OpenedObject } from './objects.ts';
import { LeaseLost, type Outcomes } from './request-outcomes.ts';
import type { AsyncRequests, RequestWithBody } from './requests.ts';
import { afterFailure, workerLossesMax } from './retry-policy.ts';
import type { Semaphore } from './semaphore.ts';

export interface ConsumerOptions {
  readonly clock: Clock;
  readonly log: Log;
  readonly jobs: Jobs;
  readonly requests: AsyncRequests;
  readonly outcomes: Outcomes;
  readonly objects: Objects;
  /** Limits the memory of bodies read from objects, in bytes. */
  readonly memory: Semaphore;
  /** Limits concurrent output writes. */
  readonly turns: Semaphore;
  readonly measures: AsyncMeasures;
  /** Null if the endpoint was deleted. */
  readonly capacityOf: (endpoint: string) => Promise<Capacity | null>;
  readonly run: RunInference;
  /** Duration of a job lease. It expires unless its holder renews it. */
  readonly leaseMs: number;
  /** Limit of a body in memory. */
  readonly bodyBytesMax: number;
}

const pollEveryMs = 1000;
const claimedAtOnce = 64;
const gatherMs = 5;
const concurrencyMax = 256;
/** Jobs leased at once for a deleted endpoint. They are only leased to record their failure. */
const orphansAtOnce = 16;

/** Bodies smaller than this are passed in memory instead of as files. */
const streamedFromBytes = 2 ** 20;

interface Body {
  readonly bytes: Buffer;
  readonly contentType: string | null;
  readonly files?: { readonly paths: readonly string[]; readonly bytes: number };
}

interface Serving {
  readonly signal: AbortSignal;
  /** The inline body. */
  readonly body: Buffer | null;
  readonly acceptsFiles: boolean;
}

interface Run {
  readonly job: LeasedJob;
  readonly abort: AbortController;
  readonly ended: Promise<void>;
}

/** Renews its leases three times per lease, so one late renewal loses no job. */
export class QueueConsumer {
  readonly endpoint: string;
  readonly #options: ConsumerOptions;
  readonly #queue: string;
  readonly #runs = new Map<string, Run>();
  readonly #ends: (() => void)[] = [];
  #polling: Promise<void> | null = null;
  #again = false;
  #isExpiryDue = true;
  #cancelPoll: (() => void) | null = null;
  #isClosed = false;

  constructor(endpoint: string, options: ConsumerOptions) {
    this.endpoint = endpoint;
    this.#options = options;
    this.#queue = queueOf(endpoint);
  }

  /**
   * Announcements make it fast; the polls find retries that are due and requests that have expired. Leases are renewed three times within
   * their duration.
   */
  open(): void {
    const { jobs, leaseMs } = this.#options;
    this.#ends.push(jobs.onAnnounced(this.#queue, () => this.#pollSoon()));
    this.#every(pollEveryMs, () => {
      this.#isExpiryDue = true;
      this.poll();
    });
    this.#every(leaseMs / 3, () => void this.#renewLeases());
    this.poll();
  }

  /** Aborts running requests; their jobs can be leased again at once. */
  async close(): Promise<void> {
    this.#isClosed = true;
    for (const end of this.#ends.splice(0)) end();
    this.#cancelPoll?.();
    await this.#polling;
    const runs = [...this.#runs.values()];
    for (const { abort } of runs) abort.abort();
    await Promise.all(runs.map(({ ended }) => ended));
  }

  /** Leases available jobs. */
  poll(): void {
    this.#again = true;
    if (this.#polling !== null || this.#isClosed) return;
    this.#polling = this.#work().finally(() => {
      this.#polling = null;
      if (this.#again && !this.#isClosed) this.poll();
    });
  }

  async #work(): Promise<void> {
    while (this.#again && !this.#isClosed) {
      this.#again = false;
      try {
        if (this.#isExpiryDue) await this.#expire();
        await this.#claimJobs();
      } catch (error) {
        this.#options.log.error({ endpoint: this.endpoint, error: messageOf(error) }, 'failed to process the queue of an endpoint');
        return;
      }
    }
  }

  async #claimJobs(): Promise<void> {
    const { jobs, requests, leaseMs, capacityOf } = this.#options;
    const capacity = await capacityOf(this.endpoint);
    const limit = capacity === null ? orphansAtOnce : concurrencyLimit(capacity);
    const free = Math.min(limit - this.#runs.size, claimedAtOnce);
    if (free <= 0) return;
    const taken = await jobs.lease(this.#queue, free, leaseMs);
    const found = await requests.withBodies(taken.map(({ id }) => id));
    for (const job of taken) this.#start(job, found.get(job.id), capacity);
    if (taken.length === free) this.#again = true;
  }

  /** Waits briefly, so that requests arriving in short succession are leased together. */
  #pollSoon(): void {
    this.#cancelPoll ??= this.#options.clock.after(gatherMs, () => {
      this.#cancelPoll = null;
      this.poll();
    });
  }

  async #expire(): Promise<void> {
    this.#isExpiryDue = false;
    const { jobs, leaseMs, requests, outcomes, measures } = this.#options;
    for (const job of await jobs.expired(this.#queue, claimedAtOnce, leaseMs)) {
      const request = await requests.find(job.id);
      if (request === null) continue;
      const waited = Math.round((this.#options.clock.wallMs() - request.createdAtMs) / 1000);
      const why = request.reason === null ? 'no executor was available' : `the last attempt failed: ${request.reason}`;
      const reason = `expired after ${waited} s (time to live ${Math.round(request.ttlMs / 1000)} s): ${why}`;
      await outcomes.failed(job, request, { state: 'expired', code: 'deadline_exceeded', reason }).catch(unlessLost);
      measures.expired(request);
    }
  }

  #start(job: LeasedJob, found: RequestWithBody | undefined, capacity: Capacity | null): void {
    const abort = new AbortController();
    const ended = this.#run(job, found, capacity, abort.signal)
      .catch((error: unknown) => {
        this.#options.log.error(
          { id: job.id, endpoint: this.endpoint, error: messageOf(error) },
          'failed to write an outcome; it will be retried',
        );
      })
      .finally(() => {
        this.#runs.delete(job.id);
        if (!this.#isClosed) this.#pollSoon();
      });
    this.#runs.set(job.id, { job, abort, ended });
  }

  async #run(job: LeasedJob, found: RequestWithBody | undefined, capacity: Capacity | null, signal: AbortSignal): Promise<void> {
    const { jobs, requests, measures, clock } = this.#options;
    if (found?.request.state !== 'queued') return requests.dropJob(job.id);
    const { request, body } = found;
    const startedAtMs = clock.wallMs();
    try {
      if (capacity === null) throw new PlatformError('not_found', `endpoint ${request.endpoint} was deleted before the request ran`);
      const losses = job.attempts - 1 - request.failures - request.troubles;
      if (losses > workerLossesMax)
        throw new PlatformError('invalid_request', `the server ended ${losses} times while the request was running`);
      await this.#serve(job, request, { signal, body, acceptsFiles: capacity.acceptsFiles });
    } catch (error) {
      if (error instanceof LeaseLost) return;
      if (signal.aborted) return void (await jobs.retry(job, 0));
      await this.#failed(job, request, asPlatformError(error));
    } finally {
      measures.worked(request, startedAtMs, clock.wallMs());
    }
  }

  async #serve(job: LeasedJob, request: AsyncRequest, { signal, body: inline, acceptsFiles }: Serving): Promise<void> {
    const { run, outcomes, measures, clock } = this.#options;
    const { endpoint, id, contentType, accept, customAttributes, inferenceId, timeoutMs } = request;
    const { body, release } = await this.#bodyOf(request, inline, acceptsFiles);
    let answer: InferenceOutput;
    let writtenFromMs: number;
    try {
      const order = { endpoint, requestId: id, contentType: body.contentType, accept, customAttributes, inferenceId, timeoutMs, signal };
      const files = body.files === undefined ? {} : { files: body.files };
      answer = await run({ ...order, contentType: contentType ?? body.contentType, body: body.bytes, ...files });
      writtenFromMs = clock.nowMs();
    } finally {
      release();
    }
    try {
      // Streamed responses can take long, so they hold no write slot.
      if (answer.body instanceof Uint8Array) await this.#inTurn(() => outcomes.succeeded(job, request, answer));
      else await outcomes.succeeded(job, request, answer);
    } catch (error) {
      if (error instanceof LeaseLost || error instanceof PlatformError) throw error;
      measures.uploadFailed(request, answer.variant);
      const message = `failed to write the output to ${formatObjectUri(request.output)}: ${messageOf(error)}`;
      throw new PlatformError(isRefusal(error) ? 'internal' : 'unavailable', message, { cause: error });
    }
    measures.succeeded(request, answer.variant, clock.nowMs() - writtenFromMs);
    await dropInput(this.#options, request);
  }

  /** The body, in memory or as files, held until `release`. */
  async #bodyOf(request: AsyncRequest, bytes: Buffer | null, takesFiles: boolean): Promise<{ body: Body; release: () => void }> {
    const { objects, measures, clock } = this.#options;
    const { input } = request;
    if (input === null) {
      if (bytes === null) throw new PlatformError('internal', 'the inline body no longer exists');
      return { body: { bytes, contentType: null }, release: () => undefined };
    }
    const fromMs = clock.nowMs();
    try {
      const object = await objects.open(input.bucket, input.key);
      if (object === null)
        throw new PlatformError('not_found', `the input ${formatObjectUri(input)} does not exist: it was never written, or was deleted`);
      // A response may reveal its input, so inputs of other callers must not be readable through a model.
      if (object.headers?.origin === 'input' && !request.ownsInput) {
        object.close();
        throw new PlatformError(
          'forbidden',
          `the input ${formatObjectUri(input)} belongs to other calls: send your own body, or put an object`,
        );
      }
      const { contentType, bytes: length } = object;
      if (takesFiles && object.files !== undefined && length > streamedFromBytes) {
        const paths = await object.files().catch((error: unknown) => {
          object.close();
          throw error;
        });
        return { body: { bytes: Buffer.alloc(0), contentType, files: { paths, bytes: length } }, release: () => object.close() };
      }
      const held = await this.#inMemory(object);
      measures.downloaded(request, clock.nowMs() - fromMs);
      return { body: { bytes: held.bytes, contentType }, release: held.release };
    } catch (error) {
      measures.downloadFailed(request);
      throw error;
    }
  }

  /** Reads the object into memory. Throws `too_large`. */
  async #inMemory(object: OpenedObject): Promise<{ readonly bytes: Buffer; readonly release: () => void }> {
    const { memory, bodyBytesMax } = this.#options;
    if (object.bytes > bodyBytesMax) {
      object.close();
      const limit = `expected at most ${bodyBytesMax}, the memory limit for models other than processes`;
      throw new PlatformError('too_large', `the input has ${object.bytes} bytes: ${limit}. Send it in parts, or raise --async-body-limit`);
    }
    const release = await memory.acquire(object.bytes);
    try {
      const pieces: Buffer[] = [];
      for await (const piece of object.stream() as AsyncIterable<Buffer>) pieces.push(piece);
      return { bytes: Buffer.concat(pieces), release };
    } catch (error) {
      release();
      throw error;
    }
  }

  async #failed(job: LeasedJob, request: AsyncRequest, error: PlatformError): Promise<void> {
    const { jobs, requests, outcomes, measures } = this.#options;
    const { code, message, hint } = error;
    const reason = hint === undefined ? message : `${message}; ${hint}`;
    const after = afterFailure(code, request);
    if (after.kind === 'again') {
      const { failures, troubles } = request;
      await requests.tried(request.id, {
        failures: failures + (after.counts ? 1 : 0),
        troubles: troubles + (after.counts ? 0 : 1),
        reason,
      });
      await jobs.retry(job, after.afterMs);
      return;
    }
    const tries = job.attempts > 1 ? `after ${job.attempts} attempts: ` : '';
    await outcomes.failed(job, request, { state: 'failed', code, reason: `${tries}${reason}` }).catch(unlessLost);
    measures.failed(request);
  }

  async #inTurn<T>(run: () => Promise<T>): Promise<T> {
    const release = await this.#options.turns.acquire(1);
    try {
      return await run();
    } finally {
      release();
    }
  }

  async #renewLeases(): Promise<void> {
    const { jobs, leaseMs, log } = this.#options;
    if (this.#runs.size === 0) return;
    const runs = new Map(this.#runs);
    try {
      const lost = await jobs.extend(
        [...runs.values()].map(({ job }) => job),
        leaseMs,
      );
      for (const { id } of lost) runs.get(id)?.abort.abort();
    } catch (error) {
      log.warn({ endpoint: this.endpoint, error: messageOf(error) }, 'failed to renew leases'); // a lost lease is detected when the outcome is written
    }
  }

  #every(ms: number, run: () => void): void {
    let cancel = (): void => undefined;
    const schedule = (): void => {
      cancel = this.#options.clock.after(ms, () => {
        run();
        schedule();
      });
    };
    schedule();
    this.#ends.push(() => cancel());
  }
}

/** Concurrent requests of an endpoint. Default: one running and one forming batch per executor. */
export function concurrencyLimit({ executors, batchRows, concurrency }: Capacity): number {
  const each = concurrency ?? 2 * Math.max(batchRows, 1);
  return Math.min(executors * each, concurrencyMax);
}

/** Deletes the input object created for this request; never throws. After a crash, it is deleted at the end of the retention. */
export async function dropInput({ objects, log }: Pick<ConsumerOptions, 'objects' | 'log'>, request: AsyncRequest): Promise<void> {
  const { id, input, ownsInput = false } = request;
  if (input === null || !ownsInput) return;
  await objects
    .delete(input.bucket, input.key)
    .catch((error: unknown) => log.warn({ id, error: messageOf(error) }, 'failed to delete the body of a request'));
}

/**
 * Whether the object storage rejected the write (for example, the bucket is unknown), as opposed to a temporary error (for example, the
 * disk is full).
 */
function isRefusal(error: unknown): boolean {
  return error instanceof Error && 'httpStatus' in error && Number(error.httpStatus) < 500;
}

function unlessLost(error: unknown): void {
  if (!(error instanceof LeaseLost)) throw error;
}
