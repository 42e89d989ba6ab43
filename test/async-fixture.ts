/** Asynchronous inference with a real database and real buckets, in virtual time, with servers that can be killed and paused. */
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { type Delivery, deliveriesQueue } from '../src/alerts/index.ts';
import {
  AsyncInference,
  type AsyncRequest,
  type AsyncSubmission,
  type Capacity,
  type InferenceInput,
  type InferenceOutput,
} from '../src/async-inference/index.ts';
import { S3Store } from '../src/aws/index.ts';
import { type Clock, VirtualClock } from '../src/clock.ts';
import { PlatformError } from '../src/errors.ts';
import { openLogs } from '../src/logs/index.ts';
import { MetricStore } from '../src/metrics/index.ts';
import { Events } from '../src/records/index.ts';
import { FileObjectStore, Jobs, type OpenDatabase } from '../src/storage/index.ts';

export const leaseMs = 15_000;
export const topics: Readonly<Record<string, string>> = { 'arn:aws:sns:us-east-1:000000000000:done': 'https://example.org/done' };

export type Script = (order: InferenceInput) => Promise<InferenceOutput>;

export const answered: Script = async ({ body }) => ({
  contentType: 'text/plain',
  body: Buffer.from(`<${body.toString()}>`),
  variant: 'v',
});

/** A server on the same database; after a kill it does nothing any more. */
export interface AsyncServer {
  readonly async: AsyncInference;
  kill(): void;
  /** Stops its timers, so it sends no sign of life. */
  pause(): void;
  resume(): void;
}

const never = new Promise<never>(() => undefined);

export class AsyncFixture {
  readonly clock = new VirtualClock(Date.UTC(2026, 10, 24));
  readonly s3: S3Store;
  readonly jobs: Jobs;
  readonly events: Events;
  readonly series: MetricStore;
  /** The behaviour of the model. */
  script: Script = answered;
  capacity: Omit<Capacity, 'endpoint' | 'variants'> | null = {
    executors: 1,
    instances: 1,
    batchRows: 4,
    acceptsFiles: false,
    concurrency: null,
  };
  /** Called before an object is put. */
  beforePut: () => Promise<void> = async () => undefined;
  bodyBytesMax = 1_000_000;
  retentionMs = 7 * 86_400_000;
  readonly #opened: OpenDatabase;
  readonly #directory = mkdtempSync(join(tmpdir(), 'penstock-async-'));

  private constructor(opened: OpenDatabase) {
    this.#opened = opened;
    const { db, dialect } = opened;
    const { clock } = this;
    this.s3 = new S3Store({ db, files: new FileObjectStore(this.#directory), clock, log: openLogs(null, 'silent').platform });
    this.jobs = new Jobs({ db, dialect, clock, time: 'process' });
    this.events = new Events(db, clock);
    this.series = new MetricStore({ db, clock, onFailure: (error) => assert.fail(String(error)) });
  }

  static async open(opened: OpenDatabase): Promise<AsyncFixture> {
    const fixture = new AsyncFixture(opened);
    for (const bucket of ['ins', 'outs', 'fails']) await fixture.s3.createBucket(`b-${bucket}`);
    return fixture;
  }

  async close(): Promise<void> {
    await this.#opened.close();
    rmSync(this.#directory, { recursive: true, force: true });
  }

  async start(): Promise<AsyncServer> {
    let state: 'runs' | 'paused' | 'dead' = 'runs';
    let missed: (() => void)[] = [];
    const { clock: real, s3 } = this;
    const alive = <T>(value: T): T | Promise<never> => (state === 'dead' ? never : value);
    const clock: Clock = {
      nowMs: () => real.nowMs(),
      wallMs: () => real.wallMs(),
      after: (ms, run) =>
        real.after(ms, () => {
          if (state === 'runs') run();
          else if (state === 'paused') missed.push(run);
        }),
    };
    const { db, dialect } = this.#opened;
    const async = new AsyncInference({
      db,
      clock,
      log: openLogs(null, 'silent').platform,
      // Its own event bus: it does not receive notifications of other servers.
      jobs: new Jobs({ db, dialect, clock, time: 'process' }),
      events: this.events,
      series: this.series,
      objects: {
        open: async (bucket, key) => alive(await s3.open(bucket, key)),
        delete: async (bucket, key) => alive(await s3.delete(bucket, key)),
        put: async (bucket, key, source, options) => {
          await alive(this.beforePut());
          return alive(await s3.put(bucket, key, source, options));
        },
      },
      capacityOf: async (endpoint) => alive(this.capacity === null ? null : { endpoint, variants: ['v'], ...this.capacity }),
      run: async (order) => alive(await this.script(order)),
      addressOf: (topic) => topics[topic] ?? null,
      awsRegion: 'us-east-1',
      bodyBytesMax: this.bodyBytesMax,
      retentionMs: this.retentionMs,
      leaseMs,
    });
    await async.open();
    return {
      async,
      kill: () => (state = 'dead'),
      pause: () => (state = 'paused'),
      resume: () => {
        state = 'runs';
        for (const run of missed) run();
        missed = [];
      },
    };
  }

  /** Hangs until the timeout. */
  readonly hangs: Script = ({ timeoutMs }) =>
    new Promise((_, reject) => this.clock.after(timeoutMs, () => reject(new PlatformError('deadline_exceeded', 'it hangs'))));

  order(more: Partial<AsyncSubmission> = {}): AsyncSubmission {
    const id = randomUUID();
    return {
      id,
      inferenceId: id,
      endpoint: 'digits',
      input: null,
      contentType: 'text/plain',
      accept: null,
      customAttributes: null,
      output: { bucket: 'b-outs', key: `${id}.out` },
      failure: { bucket: 'b-fails', key: `${id}-error.out` },
      timeoutMs: 60_000,
      ttlMs: 21_600_000,
      notified: null,
      ...more,
    };
  }

  /** Runs pending work and advances the time until the condition is met. */
  async until(what: string, isMet: () => Promise<boolean> | boolean, stepMs = 250): Promise<void> {
    for (let i = 0; i < 4000; i++) {
      if (await isMet()) return;
      await new Promise((resolve) => setImmediate(resolve));
      if (i % 5 === 4) this.clock.advance(stepMs);
    }
    assert.fail(`timed out waiting until ${what}`);
  }

  /** Waits until each request has its outcome. */
  async finished(server: AsyncServer, ids: readonly string[]): Promise<AsyncRequest[]> {
    const found: AsyncRequest[] = [];
    await this.until('all are finished', async () => {
      found.length = 0;
      for (const id of ids) {
        const request = await server.async.find(id);
        assert(request !== null);
        if (request.state === 'queued') return false;
        found.push(request);
      }
      return true;
    });
    return found;
  }

  async read(bucket: string, key: string): Promise<string | null> {
    const object = await this.s3.open(bucket, key);
    return object === null ? null : text(object.stream());
  }

  /** Number of notifications per id. */
  async notifications(): Promise<Map<string, number>> {
    const counts = new Map<string, number>();
    for (const { kind, detail } of await this.events.since(0, 100_000)) {
      if (!kind.startsWith('async.')) continue;
      const { id } = detail as { id: string };
      counts.set(id, (counts.get(id) ?? 0) + 1);
    }
    return counts;
  }

  async deliveries(): Promise<Record<string, unknown>[]> {
    const taken = await this.jobs.lease(deliveriesQueue, 100, 1000);
    for (const { id } of taken) await this.jobs.cancel(this.#opened.db, id);
    return taken.map(({ payload }) => {
      const { target, body } = payload as Delivery;
      return { url: target.arn, ...(JSON.parse(body) as Record<string, unknown>) };
    });
  }
}
