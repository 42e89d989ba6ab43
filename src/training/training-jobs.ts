/** All training jobs of a server: created, started when cores are free, stopped, deleted, and continued after a restart. */
import type { Readable } from 'node:stream';
import { Loop } from '../clock.ts';
import { messageOf, PlatformError } from '../errors.ts';
import type { LogGroups } from '../logs/index.ts';
import type { MetricStore } from '../metrics/index.ts';
import { nameKey } from '../names.ts';
import type { TaskAddress, TaskRequest } from '../providers/index.ts';
import type { Audit, AuditAction, Events } from '../records/index.ts';
import type { Registry } from '../registry/index.ts';
import type { Transaction } from '../storage/index.ts';
import { requirementsOfTask, taskAddressOf } from './attempts/attempt-place.ts';
import { checkMetricsTask } from './attempts/match-metrics.ts';
import { thinned } from './attempts/output-metrics.ts';
import { TrainingRun } from './attempts/run.ts';
import type { RunDeps } from './attempts/run-deps.ts';
import { decideCapacity, type RunningJob, type WaitingJob } from './capacity.ts';
import { jobKindOf, jobLogGroup, jobNameOf } from './job-kind.ts';
import { maskedHyperparameters } from './lineage.ts';
import { newProgress, type StoredTraining, type TrainingProgress } from './rows.ts';
import { SourceStore, type SourceStoreDeps } from './source-store.ts';
import { checkTrainingSpec, type TrainingSpec } from './spec.ts';
import { instanceMs, isOver, type StopCause, stoppedStep, trainingSteps, wholeSeconds } from './status.ts';
import {
  type AddedSource,
  type NewTrainingJob,
  type Training,
  type TrainingJob,
  type TrainingJobFilter,
  type TrainingMetricValue,
  type TrainingOutputPage,
  trainingLogStream,
  trainingMetricsNamespace,
} from './training-job.ts';

export interface TrainingJobsDeps extends Omit<RunDeps, 'logGroups' | 'series'> {
  readonly audit: Pick<Audit, 'record'>;
  readonly events: Pick<Events, 'publish'>;
  readonly logGroups: LogGroups;
  readonly series: MetricStore;
  readonly files: Registry['files'];
  readonly objects: SourceStoreDeps['objects'];
  readonly cores: number;
  /** Cores that serving keeps busy. */
  readonly servingCores: () => number;
  /** Called each second. */
  readonly observe: () => void;
  /** Throws `forbidden`, `unsupported` if jobs may not run here, or not for this caller. */
  readonly checkAllowed: (who: string) => void;
  /** Throws `invalid_request` if there is no such environment or instance type. */
  readonly checkPlace: (spec: TrainingSpec, who: string) => Promise<void>;
  /** Jobs that wait or run. */
  readonly jobsMax: number;
  /** Holds the folders of all jobs. */
  readonly folder: string;
  /** Deletes the uploads of a deleted job that nothing else uses. Never throws. */
  readonly releaseUploads: (spec: Pick<TrainingSpec, 'channels'>) => Promise<void>;
}

/** What is held of a job while it waits or runs. Its spec can have half a megabyte, so it is read when it is needed. */
interface QueuedJob extends WaitingJob {
  readonly maxWaitMs: number | null;
  /** Null if its instance type is not known. */
  readonly needs: Omit<TaskRequest, 'id' | 'folder'> | null;
}

interface Running {
  readonly run: TrainingRun;
  readonly job: QueuedJob;
  readonly ended: Promise<void>;
}

interface Waiting {
  readonly job: QueuedJob;
  /** The job has started: it continues at once, regardless of the capacity. */
  readonly isBegun: boolean;
  /** Of its current attempt, as far as it has begun. */
  readonly host?: string | null;
  /** The last stored message about what it waits for. */
  shown?: string;
}

const tickMs = 1000;
const metricPointsMax = 10_000;
const minuteMs = 60_000;
const reportsMax = 100_000;

/** Decides once a second which jobs start; jobs themselves run as `TrainingRun`. */
export class TrainingJobs implements Training {
  readonly #deps: TrainingJobsDeps;
  readonly #sources: SourceStore;
  readonly #running = new Map<string, Running>();
  readonly #waiting = new Map<string, Waiting>();
  readonly #ticks: Loop;
  #url: string | null = null;
  #isClosed = false;

  constructor(deps: TrainingJobsDeps) {
    this.#deps = deps;
    this.#sources = new SourceStore(deps);
    const onFailure = (error: unknown): void => deps.log.warn({ error: messageOf(error) }, 'failed to check the training jobs, will retry');
    this.#ticks = new Loop({ clock: deps.clock, everyMs: tickMs, run: () => this.#tick(), onFailure });
  }

  /** Finds the jobs of the previous server. */
  async open(): Promise<void> {
    const needed: TaskAddress[] = [];
    for await (const stored of this.#deps.rows.unfinished()) {
      const { spec, progress, createdAtMs } = stored;
      const isBegun = progress.status === 'Stopping' || ['Downloading', 'Training', 'Uploading'].includes(progress.secondaryStatus);
      needed.push(taskAddressOf(this.#deps, stored));
      this.#waiting.set(nameKey(spec.name), { job: this.#queued(spec, createdAtMs), isBegun, host: progress.host ?? null });
    }
    await this.#deps.tasks.discardOthers(this.#deps.folder, needed);
  }

  /** The address of the server; null before `serve`. */
  get url(): string | null {
    return this.#url;
  }

  /** Starts jobs from now on, because the server can now answer their calls. */
  serve(url: string): void {
    this.#url = url;
    this.#next();
    this.#ticks.open();
  }

  /** Stops running tasks, with time for a checkpoint. The next server continues their jobs. */
  async close(): Promise<void> {
    this.#isClosed = true;
    await this.#ticks.close();
    for (const { run } of this.#running.values()) run.halt();
    await Promise.all([...this.#running.values()].map(({ ended }) => ended));
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
    this.#waiting.set(nameKey(spec.name), { job: this.#queued(spec, nowMs), isBegun: false });
    if (event !== null) this.#deps.events.publish(event);
    this.#next();
    await this.releaseSource(spec);
    return this.#viewOf({ ...stored, progress, version: null, createdAtMs: nowMs, updatedAtMs: nowMs });
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

  async find(name: string): Promise<TrainingJob | null> {
    const stored = await this.#deps.rows.find(name);
    return stored === null ? null : this.#viewOf(stored);
  }

  async get(name: string): Promise<TrainingJob> {
    return this.#viewOf(await this.#stored(name));
  }

  async list(filter: TrainingJobFilter): Promise<readonly TrainingJob[]> {
    return (await this.#deps.rows.list(filter)).map((stored) => this.#viewOf(stored));
  }

  /** Requests the end and returns; the job has time to write its model. Throws `not_found`, or `wrong_state` if it is over. */
  async stop(name: string, who: string): Promise<TrainingJob> {
    const { spec, progress } = await this.#stored(name);
    if (isOver(progress.status)) throw overAlready(spec, progress);
    if (progress.status !== 'Stopping') {
      const alongside = (tx: Transaction): Promise<void> => this.#audit(tx, who, 'Stop', spec.name, {});
      await this.#stopFor(spec.name, 'user', alongside);
    }
    return this.get(name);
  }

  /** Deletes the row first, since the rest only removes what no row refers to any more. Throws `wrong_state` for a job that is not over. */
  async delete(name: string, who: string): Promise<void> {
    const { rows, logGroups, log } = this.#deps;
    const stored = await this.#stored(name);
    const { spec, progress } = stored;
    if (!isOver(progress.status)) throw new PlatformError('wrong_state', `The ${jobTextOf(spec)} is ${progress.status}: stop it first.`);
    await this.#running.get(nameKey(name))?.ended;
    await rows.transact(async (tx) => {
      await rows.remove(tx, name);
      await this.#audit(tx, who, 'Delete', spec.name, {});
    });
    this.#deps.states.announce(name);
    if (spec.source !== null) await this.#deps.files.discard(spec.source.sha256);
    await this.releaseUploads(spec);
    await logGroups.deleteStream(jobLogGroup(spec.name), trainingLogStream(this.#viewOf(stored))).catch((error: unknown) => {
      if (error instanceof PlatformError && error.code === 'not_found') return;
      log.warn({ job: name, error: messageOf(error) }, 'failed to delete the log of a training job');
    });
  }

  async setDocument(name: string, document: Readonly<Record<string, unknown>>, who: string): Promise<void> {
    const { rows, clock } = this.#deps;
    const stored = await this.#stored(name);
    await rows.transact(async (tx) => {
      await rows.writeDocument(tx, { ...stored, document }, clock.wallMs());
      await this.#audit(tx, who, 'Update', stored.spec.name, {});
    });
  }

  /** A page of the job's log, from its beginning or after a cursor. Empty while the job has printed nothing. Throws `not_found`. */
  async output(
    name: string,
    { after = null, limit }: { readonly after?: string | null; readonly limit: number },
  ): Promise<TrainingOutputPage> {
    const job = await this.get(name);
    const { logGroups } = this.#deps;
    const group = jobLogGroup(job.spec.name);
    if (!logGroups.has(group)) return { lines: [], next: after };
    const page = await logGroups.read(group, {
      streams: new Set([trainingLogStream(job)]),
      fromMs: 0,
      toMs: Number.POSITIVE_INFINITY,
      from: 'head',
      cursor: after,
      limit,
      matches: () => true,
    });
    return { lines: page.events.map(({ atMs, message }) => ({ atMs, text: message })), next: page.after };
  }

  /** The values over time, thinned so that all metrics together stay below a limit. Throws `not_found`. */
  async metrics(name: string): Promise<readonly TrainingMetricValue[]> {
    const stored = await this.#stored(name);
    const { spec } = stored;
    const values: TrainingMetricValue[] = [];
    for (const metric of spec.metrics) {
      const points = await this.#points(stored, metric.name);
      const shown = thinned(points, Math.floor(metricPointsMax / spec.metrics.length));
      values.push(...shown.map(({ atMs, count, sum }) => ({ name: metric.name, value: sum / count, atMs })));
    }
    return values.toSorted((a, b) => a.atMs - b.atMs);
  }

  async reports(name: string, metric: string): Promise<readonly number[]> {
    const stored = await this.#deps.rows.find(name);
    if (stored === null) return [];
    const values: number[] = [];
    for (const { count, sum } of await this.#points(stored, metric)) {
      const more = Math.min(count, reportsMax - values.length);
      for (let i = 0; i < more; i++) values.push(sum / count);
    }
    return values;
  }

  async #points({ spec, progress, createdAtMs }: StoredTraining, metric: string) {
    const { series, clock } = this.#deps;
    const metricKey = { namespace: trainingMetricsNamespace, dimensions: { TrainingJobName: spec.name } };
    const toMs = (progress.endedAtMs ?? clock.wallMs()) + minuteMs;
    const span = { metricKey, name: metric, fromMs: createdAtMs, toMs, periodMs: periodFor(toMs - createdAtMs) };
    return (await series.series(span)).filter(({ count }) => count > 0);
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

  /** Sets a job to Stopping and ends its work. */
  async #stopFor(name: string, cause: StopCause, alongside?: (tx: Transaction) => Promise<void>): Promise<void> {
    const { states } = this.#deps;
    const options = alongside === undefined ? {} : { alongside };
    await states.step(name, trainingSteps.stopping, { ...options, patch: ({ progress }) => ({ stopCause: progress.stopCause ?? cause }) });
    const key = nameKey(name);
    const running = this.#running.get(key);
    if (running !== undefined) return running.run.stop();
    const waiting = this.#waiting.get(key);
    if (waiting === undefined) return;
    // If nothing has started, the job ends here. Otherwise, or if that fails, its run ends it, which needs no capacity.
    this.#waiting.set(key, { ...waiting, isBegun: true });
    if (!waiting.isBegun) {
      await states.step(name, stoppedStep(cause));
      this.#waiting.delete(key);
      this.#deps.metrics.forget(name); // of its earlier attempts
    }
    this.#next();
  }

  async #tick(): Promise<void> {
    this.#deps.observe();
    await this.#endLate();
    this.#next();
    await this.#showWaiting();
  }

  /** Stops jobs whose time from creation to end has passed. */
  async #endLate(): Promise<void> {
    const nowMs = this.#deps.clock.wallMs();
    const isLate = ({ job: { maxWaitMs, createdAtMs } }: Pick<Waiting, 'job'>): boolean =>
      maxWaitMs !== null && nowMs - createdAtMs > maxWaitMs;
    const late = [...this.#waiting.values(), ...[...this.#running.values()].filter(({ run }) => !run.isEnding)].filter(isLate);
    for (const { job } of late) await this.#stopFor(job.name, 'wait');
  }

  /** Starts the jobs that fit. */
  #next(): void {
    if (this.#isClosed || this.#url === null) return;
    for (const [key, waiting] of this.#waiting) if (waiting.isBegun) this.#start(key, waiting);
    if (this.#waiting.size === 0) return;
    const capacity = this.#deps.tasks.freeCapacity();
    const takes = ({ needs }: QueuedJob): boolean => needs !== null && capacity.take(needs);
    const decision = decideCapacity(this.#waitingJobs(), this.#runningJobs(), this.#capacity(), takes);
    for (const name of decision.start) {
      const key = nameKey(name);
      const waiting = this.#waiting.get(key);
      if (waiting !== undefined) this.#start(key, waiting, decision.elsewhere.has(name));
    }
    for (const name of decision.interrupt) this.#running.get(nameKey(name))?.run.interrupt();
  }

  #start(key: string, { job, host = null }: Waiting, isElsewhere = host !== null): void {
    if (this.#running.has(key)) return; // Its previous attempt is ending.
    this.#waiting.delete(key);
    const run = new TrainingRun(this.#deps, job.name, isElsewhere);
    const ended = run
      .run()
      .then((result) => {
        // A job that must stop only ends, which needs no capacity.
        if (result === 'again') this.#waiting.set(key, { job, isBegun: run.isStopped });
      })
      .catch((error: unknown) => this.#deps.log.error({ job: job.name, error: messageOf(error) }, 'failed to end a training job'))
      .finally(() => {
        this.#running.delete(key);
        this.#next();
      });
    this.#running.set(key, { run, job, ended });
  }

  #waitingJobs(): QueuedJob[] {
    return [...this.#waiting.values()].map(({ job }) => job);
  }

  #runningJobs(): RunningJob[] {
    return [...this.#running.values()].map(({ job, run }) => ({ ...job, isEnding: run.isEnding, isElsewhere: run.isElsewhere }));
  }

  #queued(spec: TrainingSpec, createdAtMs: number): QueuedJob {
    const { name, priority, isSpot, maxWaitMs } = spec;
    const job = { name, priority, createdAtMs, isSpot, maxWaitMs };
    try {
      return { ...job, threads: this.#deps.instanceOf(spec).threads, needs: requirementsOfTask(this.#deps, spec, null) };
    } catch {
      return { ...job, threads: 1, needs: null }; // A type can be gone from the prices: then the job starts, and fails with the reason.
    }
  }

  #capacity() {
    return { cores: this.#deps.cores, servingCores: this.#deps.servingCores() };
  }

  /** Updates the message of each waiting job. */
  async #showWaiting(): Promise<void> {
    const { freeCores } = decideCapacity([], this.#runningJobs(), this.#capacity());
    for (const waiting of this.#waiting.values()) {
      const { name, threads } = waiting.job;
      const step = trainingSteps.waiting(threads, freeCores);
      // Most of the time nothing has changed, and a step is a transaction.
      if (this.#isClosed || waiting.shown === step.message) continue;
      waiting.shown = step.message;
      await this.#deps.states.step(name, step);
    }
  }

  async #stored(name: string): Promise<StoredTraining> {
    const stored = await this.#deps.rows.find(name);
    if (stored !== null) return stored;
    throw new PlatformError('not_found', `there is no ${jobKindOf(name)} job '${jobNameOf(name).slice(0, 80)}'`);
  }

  #viewOf({ spec, progress, version, createdAtMs, updatedAtMs, document, createdBy }: StoredTraining): TrainingJob {
    const { status, secondaryStatus, transitions, attempt, startedAtMs, endedAtMs, failureReason, artifactUri, notes, data } = progress;
    const live = this.#deps.metrics.last(spec.name);
    const names = new Set(live.map(({ name }) => name));
    const metrics = isOver(status) ? progress.metrics : [...progress.metrics.filter(({ name }) => !names.has(name)), ...live];
    const { host = null, placedBecause = null } = progress;
    const life = { status, secondaryStatus, transitions, attempt, host, placedBecause, startedAtMs, endedAtMs };
    const reason = status === 'Failed' ? failureReason : null;
    const exitMessage = progress.exitMessage ?? null;
    const rest = { exitMessage, metrics, artifactUri, version, notes, data, document, createdBy, usage: this.#usageOf(spec, progress) };
    return { spec, ...life, failureReason: reason, createdAtMs, updatedAtMs, ...rest };
  }

  #usageOf(spec: TrainingSpec, progress: TrainingProgress): TrainingJob['usage'] {
    if (progress.usage !== null || progress.startedAtMs === null) return progress.usage;
    const ms = instanceMs(progress, this.#deps.clock.wallMs());
    const seconds = wholeSeconds(ms);
    const { usdPerHour } = this.#deps.instanceOf(spec);
    return { seconds, billableSeconds: seconds, usd: (usdPerHour * ms) / 3_600_000, peakMiB: null };
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

/** Periods as the metric store retains them: seconds for an hour, then ten seconds for a day, then minutes. */
function periodFor(spanMs: number): number {
  if (spanMs <= 3_600_000) return 1000;
  return spanMs <= 86_400_000 ? 10_000 : minuteMs;
}
