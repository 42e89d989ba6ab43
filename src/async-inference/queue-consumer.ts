/**
 * Works on the requests of one endpoint: takes the oldest under a lease, keeps the lease while they run, and brings each to its outcome.
 * It takes no more than the endpoint's executors can have at once; those go through serving's buffer as any other request, so
 * that compatible ones share batches.
 */
import type { Clock } from '../clock.ts';
import { asPlatformError, messageOf, PlatformError } from '../errors.ts';
import type { Log } from '../monitoring/index.ts';
import type { Jobs, TakenJob } from '../storage/index.ts';
import type { Allowance } from './allowance.ts';
import { type AsyncRequest, queueOf, uriOf } from './async-request.ts';
import type { Capacity, InferenceAnswer, RunInference } from './inference.ts';
import type { AsyncMeasures } from './measures.ts';
import type { Objects, OpenedObject } from './objects.ts';
import { LeaseLost, type Outcomes } from './outcomes.ts';
import type { AsyncRequests, RequestWithBody } from './requests.ts';
import { afterFailure, lossesMax } from './tries.ts';

export interface ConsumerOptions {
  readonly clock: Clock;
  readonly log: Log;
  readonly jobs: Jobs;
  readonly requests: AsyncRequests;
  readonly outcomes: Outcomes;
  readonly objects: Objects;
  /** For bodies that are objects, in bytes. */
  readonly memory: Allowance;
  /** For writing what is kept. */
  readonly turns: Allowance;
  readonly measures: AsyncMeasures;
  /** null where there is no such endpoint any more. */
  readonly capacityOf: (endpoint: string) => Promise<Capacity | null>;
  readonly run: RunInference;
  /** Whoever is not heard of so long has lost what it took. */
  readonly leaseMs: number;
  /** Of a body that is read into memory. */
  readonly bodyBytesMax: number;
}

const lookEveryMs = 1000;
const takenAtOnce = 64;
const gatherMs = 5;
const concurrencyMax = 256;
/** Who is taken for an endpoint that is gone only to be told so. */
const goneAtOnce = 16;

/** Smaller bodies are handed over in memory. */
const streamedFromBytes = 2 ** 20;

interface Body {
  readonly bytes: Buffer;
  readonly contentType: string | null;
  readonly files?: { readonly paths: readonly string[]; readonly bytes: number };
}

interface Serving {
  readonly signal: AbortSignal;
  /** What came with the request. */
  readonly body: Buffer | null;
  readonly takesFiles: boolean;
}

interface Run {
  readonly job: TakenJob;
  readonly abort: AbortController;
  readonly ended: Promise<void>;
}

export class QueueConsumer {
  readonly endpoint: string;
  readonly #options: ConsumerOptions;
  readonly #queue: string;
  readonly #runs = new Map<string, Run>();
  readonly #ends: (() => void)[] = [];
  #looking: Promise<void> | null = null;
  #again = false;
  #isExpiryDue = true;
  #cancelSoon: (() => void) | null = null;
  #isClosed = false;

  constructor(endpoint: string, options: ConsumerOptions) {
    this.endpoint = endpoint;
    this.#options = options;
    this.#queue = queueOf(endpoint);
  }

  open(): void {
    const { jobs, leaseMs } = this.#options;
    this.#ends.push(jobs.onAnnounced(this.#queue, () => this.#lookSoon()));
    this.#every(lookEveryMs, () => {
      this.#isExpiryDue = true;
      this.look();
    });
    this.#every(leaseMs / 3, () => void this.#keepLeases());
    this.look();
  }

  /** What runs is given up and may be taken again at once. */
  async close(): Promise<void> {
    this.#isClosed = true;
    for (const end of this.#ends.splice(0)) end();
    this.#cancelSoon?.();
    await this.#looking;
    const runs = [...this.#runs.values()];
    for (const { abort } of runs) abort.abort();
    await Promise.all(runs.map(({ ended }) => ended));
  }

  /** Takes what may be taken now. */
  look(): void {
    this.#again = true;
    if (this.#looking !== null || this.#isClosed) return;
    this.#looking = this.#work().finally(() => {
      this.#looking = null;
      if (this.#again && !this.#isClosed) this.look();
    });
  }

  async #work(): Promise<void> {
    while (this.#again && !this.#isClosed) {
      this.#again = false;
      try {
        if (this.#isExpiryDue) await this.#expire();
        await this.#take();
      } catch (error) {
        this.#options.log.error({ endpoint: this.endpoint, error: messageOf(error) }, 'the queue of an endpoint could not be worked on');
        return;
      }
    }
  }

  async #take(): Promise<void> {
    const { jobs, requests, leaseMs, capacityOf } = this.#options;
    const capacity = await capacityOf(this.endpoint);
    const most = capacity === null ? goneAtOnce : atOnce(capacity);
    const free = Math.min(most - this.#runs.size, takenAtOnce);
    if (free <= 0) return;
    const taken = await jobs.take(this.#queue, free, leaseMs);
    const found = await requests.withBodies(taken.map(({ id }) => id));
    for (const job of taken) this.#start(job, found.get(job.id), capacity);
    if (taken.length === free) this.#again = true;
  }

  /** Those that come one after the other are taken together. */
  #lookSoon(): void {
    this.#cancelSoon ??= this.#options.clock.after(gatherMs, () => {
      this.#cancelSoon = null;
      this.look();
    });
  }

  async #expire(): Promise<void> {
    this.#isExpiryDue = false;
    const { jobs, leaseMs, requests, outcomes, measures } = this.#options;
    for (const job of await jobs.expired(this.#queue, takenAtOnce, leaseMs)) {
      const request = await requests.find(job.id);
      if (request === null) continue;
      const waited = Math.round((this.#options.clock.wallMs() - request.createdAtMs) / 1000);
      const why = request.reason === null ? 'nobody was free to work on it' : `its last try failed: ${request.reason}`;
      const reason = `it expired: after ${waited} s, of ${Math.round(request.ttlMs / 1000)} s to live, ${why}`;
      await outcomes.failed(job, request, { state: 'expired', code: 'deadline_exceeded', reason }).catch(unlessLost);
      measures.expired(request);
    }
  }

  #start(job: TakenJob, found: RequestWithBody | undefined, capacity: Capacity | null): void {
    const abort = new AbortController();
    const ended = this.#run(job, found, capacity, abort.signal)
      .catch((error: unknown) => {
        this.#options.log.error({ id: job.id, endpoint: this.endpoint, error: messageOf(error) }, 'an outcome could not be written yet');
      })
      .finally(() => {
        this.#runs.delete(job.id);
        if (!this.#isClosed) this.#lookSoon();
      });
    this.#runs.set(job.id, { job, abort, ended });
  }

  async #run(job: TakenJob, found: RequestWithBody | undefined, capacity: Capacity | null, signal: AbortSignal): Promise<void> {
    const { jobs, requests, measures, clock } = this.#options;
    if (found?.request.state !== 'queued') return requests.dropJob(job.id);
    const { request, body } = found;
    const startedAtMs = clock.wallMs();
    try {
      if (capacity === null) throw new PlatformError('not_found', `endpoint ${request.endpoint} was deleted before it was worked on`);
      const losses = job.attempts - 1 - request.failures - request.troubles;
      if (losses > lossesMax) throw new PlatformError('invalid_request', `the server ended ${losses} times while it was worked on`);
      await this.#serve(job, request, { signal, body, takesFiles: capacity.takesFiles });
    } catch (error) {
      if (error instanceof LeaseLost) return;
      if (signal.aborted) return void (await jobs.retry(job, 0));
      await this.#failed(job, request, asPlatformError(error));
    } finally {
      measures.worked(request, startedAtMs, clock.wallMs());
    }
  }

  async #serve(job: TakenJob, request: AsyncRequest, { signal, body: inline, takesFiles }: Serving): Promise<void> {
    const { run, outcomes, measures, clock } = this.#options;
    const { endpoint, id, contentType, accept, customAttributes, inferenceId, timeoutMs } = request;
    const { body, release } = await this.#bodyOf(request, inline, takesFiles);
    let answer: InferenceAnswer;
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
      // Pieces that a process is still making may take their time: nobody waits for them in turn.
      if (answer.body instanceof Uint8Array) await this.#inTurn(() => outcomes.succeeded(job, request, answer));
      else await outcomes.succeeded(job, request, answer);
    } catch (error) {
      if (error instanceof LeaseLost || error instanceof PlatformError) throw error;
      measures.uploadFailed(request, answer.variant);
      const message = `the answer could not be written to ${uriOf(request.output)}: ${messageOf(error)}`;
      throw new PlatformError(isRefusal(error) ? 'internal' : 'unavailable', message, { cause: error });
    }
    measures.succeeded(request, answer.variant, clock.nowMs() - writtenFromMs);
    await dropInput(this.#options, request);
  }

  /** Held, in memory or in files, until it is released. */
  async #bodyOf(request: AsyncRequest, bytes: Buffer | null, takesFiles: boolean): Promise<{ body: Body; release: () => void }> {
    const { objects, measures, clock } = this.#options;
    const { input } = request;
    if (input === null) {
      if (bytes === null) throw new PlatformError('internal', 'the body that came with the request is not there any more');
      return { body: { bytes, contentType: null }, release: () => undefined };
    }
    const fromMs = clock.nowMs();
    try {
      const object = await objects.open(input.bucket, input.key);
      if (object === null)
        throw new PlatformError('not_found', `the input ${uriOf(input)} is not there: it never was, or was deleted meanwhile`);
      const { contentType, files: paths, bytes: length } = object;
      if (takesFiles && paths !== undefined && length > streamedFromBytes) {
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

  /** Throws `too_large`. */
  async #inMemory(object: OpenedObject): Promise<{ readonly bytes: Buffer; readonly release: () => void }> {
    const { memory, bodyBytesMax } = this.#options;
    if (object.bytes > bodyBytesMax) {
      object.close();
      const limit = `at most ${bodyBytesMax} are read into memory for a model that is no process`;
      throw new PlatformError(
        'too_large',
        `the input has ${object.bytes} bytes, and ${limit}: send it in parts, or raise --async-body-limit`,
      );
    }
    const release = await memory.take(object.bytes);
    try {
      const pieces: Buffer[] = [];
      for await (const piece of object.stream() as AsyncIterable<Buffer>) pieces.push(piece);
      return { bytes: Buffer.concat(pieces), release };
    } catch (error) {
      release();
      throw error;
    }
  }

  async #failed(job: TakenJob, request: AsyncRequest, error: PlatformError): Promise<void> {
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
    const tries = job.attempts > 1 ? `after ${job.attempts} tries: ` : '';
    await outcomes.failed(job, request, { state: 'failed', code, reason: `${tries}${reason}` }).catch(unlessLost);
    measures.failed(request);
  }

  async #inTurn<T>(run: () => Promise<T>): Promise<T> {
    const release = await this.#options.turns.take(1);
    try {
      return await run();
    } finally {
      release();
    }
  }

  async #keepLeases(): Promise<void> {
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
      log.warn({ endpoint: this.endpoint, error: messageOf(error) }, 'leases could not be extended'); // the outcomes will tell
    }
  }

  #every(ms: number, run: () => void): void {
    let cancel = (): void => undefined;
    const later = (): void => {
      cancel = this.#options.clock.after(ms, () => {
        run();
        later();
      });
    };
    later();
    this.#ends.push(() => cancel());
  }
}

/** How many requests may be under way at once: one batch that runs and one that gathers for each executor, unless somebody said how many. */
export function atOnce({ executors, batchRows, concurrency }: Capacity): number {
  const each = concurrency ?? 2 * Math.max(batchRows, 1);
  return Math.min(executors * each, concurrencyMax);
}

/** The body that was kept for this request alone; never throws. What a kill leaves goes when the request is forgotten. */
export async function dropInput({ objects, log }: Pick<ConsumerOptions, 'objects' | 'log'>, request: AsyncRequest): Promise<void> {
  const { id, input, ownsInput = false } = request;
  if (input === null || !ownsInput) return;
  await objects
    .delete(input.bucket, input.key)
    .catch((error: unknown) => log.warn({ id, error: messageOf(error) }, 'a body could not be removed'));
}

/** Whoever keeps the objects says no (there is no such bucket), rather than that it cannot at present (the disk is full). */
function isRefusal(error: unknown): boolean {
  return error instanceof Error && 'httpStatus' in error && Number(error.httpStatus) < 500;
}

function unlessLost(error: unknown): void {
  if (!(error instanceof LeaseLost)) throw error;
}
