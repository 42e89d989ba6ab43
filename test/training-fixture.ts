/** Training jobs with real tasks, tables, logs and buckets, in a directory of their own. Only the inspection of models is made up. */
import assert from 'node:assert/strict';
import { chmodSync, existsSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { Access } from '../src/access/index.ts';
import { S3Store } from '../src/aws/index.ts';
import { type Clock, SystemClock } from '../src/clock.ts';
import { Closers } from '../src/closers.ts';
import { CostHistory, defaultPrices, Ledger } from '../src/costs/index.ts';
import type { PythonEnvironments } from '../src/environments/index.ts';
import { PlatformError } from '../src/errors.ts';
import { LogGroups, openLogs } from '../src/logs/index.ts';
import { MetricStore } from '../src/metrics/index.ts';
import { isolationSettings, LocalProvider, type Tasks } from '../src/providers/index.ts';
import { SystemRandom } from '../src/random.ts';
import { FileObjectStore } from '../src/storage/index.ts';
import { readTar } from '../src/tar/index.ts';
import { ThreadPool } from '../src/threads/index.ts';
import {
  type OpenTrainingDeps,
  openTraining,
  openTuning,
  type Training,
  type TrainingJob,
  type TrainingSpec,
  type Tuning,
  trainingDefaults,
} from '../src/training/index.ts';
import { type ControlPlane, openControlPlane } from './control-plane.ts';

interface TrainingFixtureOptions {
  /** That of an earlier one, to continue with its jobs. */
  readonly directory?: string;
  readonly cores?: number;
  /** Of isolation; default none. */
  readonly mode?: string;
  readonly config?: Readonly<Record<string, unknown>>;
  readonly artifactLimitBytes?: number;
  readonly tuningJobsMax?: number;
  /** Default: those of a provider of its own. */
  readonly tasks?: Tasks;
  /** Default: that of the machine. */
  readonly clock?: Clock;
  /** Captured calls with labels; default none. */
  readonly labelled?: OpenTrainingDeps['labelled'];
}

const noLabelled: OpenTrainingDeps['labelled'] = {
  expect: (endpoint) => assert.fail(`there is no ${endpoint}`),
  rows: () => assert.fail('there are no captured calls'),
};
const onFailure = (error: unknown): void => assert.fail(`a write failed: ${String(error)}`);

export function bucketsOf({ db, clock, directory }: ControlPlane, log: ControlPlane['log']): S3Store {
  return new S3Store({ db, files: new FileObjectStore(join(directory, 'buckets')), clock, log });
}

export class TrainingFixture {
  readonly training: Training;
  readonly tuning: Tuning;
  readonly control: ControlPlane;
  readonly buckets: S3Store;
  readonly provider: LocalProvider;
  readonly ledger: Ledger;
  readonly costs: CostHistory;
  /** Tests replace its functions. */
  readonly environments: Pick<PythonEnvironments, 'expectNamed' | 'resolve'>;
  readonly access: Access;
  readonly threads: ThreadPool;
  readonly #closers: Closers;

  private constructor(
    parts: Pick<
      TrainingFixture,
      'training' | 'tuning' | 'access' | 'threads' | 'control' | 'buckets' | 'provider' | 'ledger' | 'costs' | 'environments'
    >,
    closers: Closers,
  ) {
    this.training = parts.training;
    this.tuning = parts.tuning;
    this.access = parts.access;
    this.threads = parts.threads;
    this.control = parts.control;
    this.buckets = parts.buckets;
    this.provider = parts.provider;
    this.ledger = parts.ledger;
    this.costs = parts.costs;
    this.environments = parts.environments;
    this.#closers = closers;
  }

  static async open({
    directory,
    cores = 4,
    mode = 'none',
    config = {},
    artifactLimitBytes = 2 ** 30,
    tuningJobsMax = 100,
    labelled = noLabelled,
    tasks,
    clock = new SystemClock(),
  }: TrainingFixtureOptions = {}): Promise<TrainingFixture> {
    const closers = new Closers();
    const control = await openControlPlane({ clock, ...(directory === undefined ? {} : { directory }) });
    const { db, objects, registry, events, audit } = control;
    chmodSync(control.directory, 0o711);
    const log = openLogs(null, 'silent').platform;
    const isolation = isolationSettings({ mode });
    const provider = new LocalProvider({ clock, log, stateDirectory: control.directory, warmWorkers: 0, isolation });
    await provider.open();
    closers.add(provider);
    const series = new MetricStore({ db, clock, onFailure });
    await series.open();
    closers.add(series);
    const logGroups = new LogGroups({ db, clock, files: [], onFailure });
    await logGroups.open();
    closers.add(logGroups);
    const threads = closers.add(new ThreadPool({ clock, threadsMax: 1 }));
    const buckets = bucketsOf(control, log);
    if ((await buckets.bucket('team')) === null) await buckets.createBucket('team');
    const ledger = new Ledger(clock);
    const costs = closers.add(new CostHistory({ db, clock, ledger, onFailure }));
    costs.open();
    const environments = {
      expectNamed: async (name: string): Promise<void> => {
        if (name !== 'system') throw new PlatformError('invalid_request', `there is no environment '${name}': expected system`);
      },
      resolve: async () => ({ key: null, python: '/usr/bin/python3', folder: null, paths: ['/usr/bin'], version: '3' }),
    };
    const access = Access.open(join(control.directory, 'keys.json'), clock);
    const parts = {
      db,
      access,
      clock,
      logGroups,
      series,
      threads,
      objects,
      registry,
      events,
      audit,
      provider: { isolation: provider.isolation, list: () => provider.list(), tasks: tasks ?? provider.tasks },
      environments,
      ledger,
      costs,
      cores,
    };
    const training = await openTraining(
      {
        training: { stopGrace: '2s', ...config },
        host: '127.0.0.1',
        awsRegion: 'us-east-1',
        awsAccount: '000000000000',
        artifactLimitBytes,
      },
      { ...parts, logs: { platform: log }, directory: { path: control.directory }, prices: defaultPrices, s3: buckets, labelled },
      closers,
    );
    training.serve('http://127.0.0.1:1');
    const tuning = openTuning(
      { ...parts, logs: { platform: log }, training, random: new SystemRandom(), unfinishedMax: tuningJobsMax },
      closers,
    );
    tuning.serve();
    return new TrainingFixture({ training, tuning, access, threads, control, buckets, provider, ledger, costs, environments }, closers);
  }

  get directory(): string {
    return this.control.directory;
  }

  /** Closes the server; the next one continues in its directory. */
  async close(): Promise<void> {
    await this.#closers.close();
    await this.control.database.close();
  }

  async end(): Promise<void> {
    await this.close();
    rmSync(this.directory, { recursive: true, force: true, maxRetries: 5 }); // a process of it may still write while it ends
  }

  /** A job of /bin/sh; `ML` is where the script finds /opt/ml. */
  spec(name: string, script: string, more: Partial<TrainingSpec> = {}): TrainingSpec {
    const output = { bucket: 'team', prefix: 'out', isPacked: true };
    const command = ['/bin/sh', '-c', `ML=/opt/ml; ${script}`];
    return { ...trainingDefaults, name, command, output, ...more };
  }

  run(name: string, script: string, more: Partial<TrainingSpec> = {}): Promise<TrainingJob> {
    return this.runSpec(this.spec(name, script, more));
  }

  async runSpec(spec: TrainingSpec): Promise<TrainingJob> {
    await this.training.create(spec, 'tester');
    return this.over(spec.name);
  }

  over(name: string): Promise<TrainingJob> {
    return this.until(name, ({ status }) => ['Completed', 'Failed', 'Stopped'].includes(status));
  }

  /** Resolves when the job is as wanted. */
  async until(name: string, isWanted: (job: TrainingJob) => boolean): Promise<TrainingJob> {
    for (;;) {
      // Waits before it reads, so that no change falls between.
      const changed = this.training.changed(name, AbortSignal.timeout(500));
      const job = await this.training.get(name);
      if (isWanted(job)) return job;
      await changed;
    }
  }

  /** Resolves when the job has printed a line. */
  async printed(name: string, text: string): Promise<void> {
    for (;;) {
      if ((await this.lines(name)).some((line) => line.includes(text))) return;
      await this.training.changed(name, AbortSignal.timeout(50));
    }
  }

  async lines(name: string): Promise<string[]> {
    const all: string[] = [];
    for (let after: string | null = null; ; ) {
      const { lines, next } = await this.training.output(name, { after, limit: 10_000 });
      all.push(...lines.map(({ text }) => text));
      if (lines.length === 0) return all;
      after = next;
    }
  }

  async put(key: string, content: string | Uint8Array): Promise<void> {
    await this.buckets.put('team', key, typeof content === 'string' ? Buffer.from(content) : content);
  }

  async read(key: string): Promise<Buffer | null> {
    const object = await this.buckets.open('team', key);
    if (object === null) return null;
    const chunks: Buffer[] = [];
    for await (const chunk of object.stream()) chunks.push(chunk as Buffer);
    return Buffer.concat(chunks);
  }

  /** What a job was charged, US dollars, by this server and earlier ones. */
  async chargedUsd(name: string): Promise<number> {
    const lines = await this.costs.list({ endpoint: `training:${name}`, fromMs: 0, toMs: Date.now() + 1, by: 'total' });
    return lines.reduce((sum, { totalUsd }) => sum + totalUsd, 0);
  }

  /** Contents by path of a tar.gz in the bucket. */
  async archive(key: string): Promise<Record<string, string>> {
    const packed = await this.read(key);
    assert(packed !== null, `there is no ${key}`);
    const files: Record<string, string> = {};
    async function* source(): AsyncGenerator<Uint8Array> {
      yield gunzipSync(packed as Buffer);
    }
    for await (const { path, content } of readTar(source())) {
      const chunks: Buffer[] = [];
      for await (const chunk of content) chunks.push(chunk);
      files[path] = Buffer.concat(chunks).toString();
    }
    return files;
  }

  async kinds(): Promise<string[]> {
    return (await this.control.events.since(0, 1000)).map(({ kind }) => kind).filter((kind) => kind.startsWith('training.'));
  }

  hasFolder(name: string): boolean {
    return existsSync(join(this.directory, 'training', name));
  }
}
