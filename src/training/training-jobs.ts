/** All training and processing jobs of a server: created, stopped and deleted here, run by `JobQueue`, and read through `JobReader`. */
import type { Readable } from 'node:stream';
import { messageOf, PlatformError } from '../errors.ts';
import type { Audit, AuditAction, Events } from '../records/index.ts';
import type { Registry } from '../registry/index.ts';
import type { Transaction } from '../storage/index.ts';
import { checkMetricsTask } from './attempts/match-metrics.ts';
import { jobKindOf, jobLogGroup, jobNameOf } from './job-kind.ts';
import { JobQueue, type JobQueueDeps } from './job-queue.ts';
import { JobReader, type JobReaderDeps } from './job-reader.ts';
import { maskedHyperparameters } from './lineage.ts';
import { newProgress, type TrainingProgress } from './rows.ts';
import { SourceStore, type SourceStoreDeps } from './source-store.ts';
import { checkTrainingSpec, type TrainingSpec } from './spec.ts';
import { isOver } from './status.ts';
import {
  type AddedSource,
  type NewTrainingJob,
  type Training,
  type TrainingJob,
  type TrainingJobFilter,
  type TrainingMetricValue,
  type TrainingOutputPage,
  trainingLogStream,
} from './training-job.ts';

export interface TrainingJobsDeps extends Omit<JobQueueDeps, 'logGroups' | 'series'>, JobReaderDeps {
  readonly audit: Pick<Audit, 'record'>;
  readonly events: Pick<Events, 'publish'>;
  readonly files: Registry['files'];
  readonly objects: SourceStoreDeps['objects'];
  /** Throws `forbidden`, `unsupported` if jobs may not run here, or not for this caller. */
  readonly checkAllowed: (who: string) => void;
  /** Throws `invalid_request` if there is no such environment or instance type. */
  readonly checkPlace: (spec: TrainingSpec, who: string) => Promise<void>;
  /** Jobs that wait or run. */
  readonly jobsMax: number;
  /** Deletes the uploads of a deleted job that nothing else uses. Never throws. */
  readonly releaseUploads: (spec: Pick<TrainingSpec, 'channels'>) => Promise<void>;
}

export class TrainingJobs implements Training {
  readonly #deps: TrainingJobsDeps;
  readonly #sources: SourceStore;
  readonly #queue: JobQueue;
  readonly #reader: JobReader;
  #url: string | null = null;

  constructor(deps: TrainingJobsDeps) {
    this.#deps = deps;
    this.#sources = new SourceStore(deps);
    this.#queue = new JobQueue(deps);
    this.#reader = new JobReader(deps);
  }

  /** Finds the jobs of the previous server. */
  open(): Promise<void> {
    return this.#queue.open();
  }

  /** The address of the server; null before `serve`. */
  get url(): string | null {
    return this.#url;
  }

  /** Starts jobs from now on, because the server can now answer their calls. */
  serve(url: string): void {
    this.#url = url;
    this.#queue.start();
  }

  /** Stops running tasks, with time for a checkpoint. The next server continues their jobs. */
  async close(): Promise<void> {
    await this.#queue.close();
    await this.#sources.close();
  }

  addSource(archive: Readable): Promise<AddedSource> {
    return this.#sources.add(archive);
  }

  /**
   * Stores the job with its audit record and its event in one transaction. It starts when cores are free. Throws the errors of `check`, or
   * `already_exists`.
   */
  async create(spec: TrainingSpec, who: string, { document, hook }: NewTrainingJob = {}): Promise<TrainingJob> {
    const { rows, clock, states } = this.#deps;
    await this.check(spec, who);
    const nowMs = clock.wallMs();
    const stored = { spec, document: document ?? null, createdBy: who };
    const progress = newProgress(nowMs);
    const event = await rows.transact(async (tx) => {
      await this.#checkRoom(tx);
      await rows.add(tx, stored, progress, nowMs);
      await hook?.(tx);
      await this.#audit(tx, who, 'Create', spec.name, auditDetail(spec));
      return states.recordEvent(tx, { spec, progress });
    });
    // The job is stored, so nothing may throw from here on: the caller would delete its data, and only the next server would start it.
    this.#queue.add(spec, nowMs);
    if (event !== null) this.#deps.events.publish(event);
    await this.releaseSource(spec);
    return this.#reader.viewOf({ ...stored, progress, version: null, createdAtMs: nowMs, updatedAtMs: nowMs });
  }

  async check(spec: TrainingSpec, who: string): Promise<void> {
    checkTrainingSpec(spec);
    this.#deps.checkAllowed(who);
    await this.#checkUsable(spec, who);
  }

  async releaseSource({ source }: Pick<TrainingSpec, 'source'>): Promise<void> {
    if (source === null) return;
    await this.#sources.release(source.sha256).catch((error: unknown) => {
      this.#deps.log.warn({ source: source.sha256, error: messageOf(error) }, 'failed to release the source of a training job');
    });
  }

  releaseUploads(spec: Pick<TrainingSpec, 'channels'>): Promise<void> {
    return this.#deps.releaseUploads(spec);
  }

  async nextName(group: string): Promise<string> {
    const prefix = `${group.slice(0, 50)}-`;
    const numbers = (await this.#deps.rows.namesLike(prefix))
      .map((name) => name.slice(prefix.length))
      .filter((rest) => /^[1-9]\d{0,8}$/.test(rest));
    return `${prefix}${Math.max(0, ...numbers.map(Number)) + 1}`;
  }

  find(name: string): Promise<TrainingJob | null> {
    return this.#reader.find(name);
  }

  get(name: string): Promise<TrainingJob> {
    return this.#reader.get(name);
  }

  list(filter: TrainingJobFilter): Promise<readonly TrainingJob[]> {
    return this.#reader.list(filter);
  }

  output(name: string, page: { readonly after?: string | null; readonly limit: number }): Promise<TrainingOutputPage> {
    return this.#reader.output(name, page);
  }

  metrics(name: string): Promise<readonly TrainingMetricValue[]> {
    return this.#reader.metrics(name);
  }

  reports(name: string, metric: string): Promise<readonly number[]> {
    return this.#reader.reports(name, metric);
  }

  /** Requests the end and returns; the job has time to write its model. Throws `not_found`, or `wrong_state` if it is over. */
  async stop(name: string, who: string): Promise<TrainingJob> {
    const { spec, progress } = await this.#reader.stored(name);
    if (isOver(progress.status)) throw overAlready(spec, progress);
    if (progress.status !== 'Stopping') {
      const alongside = (tx: Transaction): Promise<void> => this.#audit(tx, who, 'Stop', spec.name, {});
      await this.#queue.stop(spec.name, 'user', alongside);
    }
    return this.get(name);
  }

  /** Deletes the row first, since the rest only removes what no row refers to any more. Throws `wrong_state` for a job that is not over. */
  async delete(name: string, who: string): Promise<void> {
    const { rows, logGroups, log } = this.#deps;
    const stored = await this.#reader.stored(name);
    const { spec, progress } = stored;
    if (!isOver(progress.status)) throw new PlatformError('wrong_state', `The ${jobTextOf(spec)} is ${progress.status}: stop it first.`);
    await this.#queue.ended(name);
    await rows.transact(async (tx) => {
      await rows.remove(tx, name);
      await this.#audit(tx, who, 'Delete', spec.name, {});
    });
    this.#deps.states.announce(name);
    if (spec.source !== null) await this.#deps.files.discard(spec.source.sha256);
    await this.releaseUploads(spec);
    await logGroups.deleteStream(jobLogGroup(spec.name), trainingLogStream(this.#reader.viewOf(stored))).catch((error: unknown) => {
      if (error instanceof PlatformError && error.code === 'not_found') return;
      log.warn({ job: name, error: messageOf(error) }, 'failed to delete the log of a training job');
    });
  }

  async setDocument(name: string, document: Readonly<Record<string, unknown>>, who: string): Promise<void> {
    const { rows, clock } = this.#deps;
    const stored = await this.#reader.stored(name);
    await rows.transact(async (tx) => {
      await rows.writeDocument(tx, { ...stored, document }, clock.wallMs());
      await this.#audit(tx, who, 'Update', stored.spec.name, {});
    });
  }

  async changed(name: string, signal: AbortSignal): Promise<void> {
    // Listens before it reads, so no change is missed.
    const cancel = new AbortController();
    const waiting = this.#deps.states.changed(name, AbortSignal.any([signal, cancel.signal]));
    // Callers read the job while this waits, so a rejection would be unhandled, and end the server; the next read reports the same.
    const stored = await this.#deps.rows.find(name).catch(() => null);
    if (stored === null || isOver(stored.progress.status)) cancel.abort();
    await waiting;
  }

  async #checkUsable(spec: TrainingSpec, who: string): Promise<void> {
    const { buckets, threads } = this.#deps;
    await this.#deps.checkPlace(spec, who);
    const outputs = jobKindOf(spec.name) === 'processing' ? spec.outputs : [spec.output];
    for (const bucket of new Set([...outputs, ...(spec.checkpoints === null ? [] : [spec.checkpoints])].map(({ bucket: name }) => name))) {
      if ((await buckets.bucket(bucket)) === null)
        throw new PlatformError('not_found', `there is no bucket '${bucket}': create it, or name another in the output`);
    }
    if (spec.entry !== null && spec.source !== null) await this.#sources.checkEntry(spec.source.sha256, spec.entry);
    if (spec.metrics.length === 0) return;
    const [problem] = await threads.run(checkMetricsTask, spec.metrics, { bytes: 0 });
    if (problem !== undefined) throw new PlatformError('invalid_request', problem);
  }

  async #checkRoom(tx: Transaction): Promise<void> {
    const { rows, jobsMax } = this.#deps;
    const count = await rows.countUnfinished(tx);
    if (count < jobsMax) return;
    const what = `The account-level service limit 'training jobs queued' is ${jobsMax}`;
    throw new PlatformError('overloaded', `${what}, with current utilization of ${count} and a request delta of 1.`);
  }

  async #audit(
    tx: Transaction,
    who: string,
    verb: 'Create' | 'Stop' | 'Delete' | 'Update',
    id: string,
    detail: Readonly<Record<string, unknown>>,
  ): Promise<void> {
    // The document of a processing job cannot be changed.
    const action: AuditAction = jobKindOf(id) === 'processing' && verb !== 'Update' ? `${verb}ProcessingJob` : `${verb}TrainingJob`;
    await this.#deps.audit.record(tx, { who, action, target: jobNameOf(id), outcome: 'ok', detail });
  }
}

function auditDetail({ instanceType, environment, hyperparameters, environmentVariables, group }: TrainingSpec): Record<string, unknown> {
  const variables = Object.fromEntries(Object.keys(environmentVariables).map((name) => [name, '***'] as const));
  return { instanceType, environment, group, hyperparameters: maskedHyperparameters(hyperparameters), environmentVariables: variables };
}

function overAlready({ name }: TrainingSpec, { status }: TrainingProgress): PlatformError {
  return new PlatformError('wrong_state', `The request was rejected because the ${jobKindOf(name)} job is in status ${status}.`);
}

function jobTextOf({ name }: TrainingSpec): string {
  return `${jobKindOf(name)} job ${jobNameOf(name)}`;
}
