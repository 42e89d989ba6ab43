/**
 * Runs a training job from its current step: a new one from the beginning, one of an earlier server from its last stored step. Each step
 * can be repeated, because the server may be killed in the middle of it.
 */
import { messageOf, PlatformError } from '../../errors.ts';
import type { TaskEnd, TaskView } from '../../providers/index.ts';
import { jobKindOf, jobLogGroup } from '../job-kind.ts';
import type { StoredTraining, TrainingProgress } from '../rows.ts';
import { instanceMs, isOver, type StopCause, stoppedStep, trainingSteps, wholeSeconds } from '../status.ts';
import { type TrainingUsage, trainingLogStream } from '../training-job.ts';
import { AttemptFiles } from './attempt-files.ts';
import { evictionGraceMs, isAttemptLost, lossOf, prepareAttempt, taskAddressOf } from './attempt-place.ts';
import { isLasting, isPassing } from './buckets.ts';
import { DownloadFailed } from './channels.ts';
import { checkpointUri } from './checkpoints.ts';
import { cutReason, failureReason, lostReason, type TaskEnding } from './failure-reason.ts';
import { followTask } from './follow.ts';
import { frameworkNote } from './framework-version.ts';
import { downloadInputs, type JobPython, taskSpecOf, writeContract } from './launch.ts';
import { OutputLog } from './output-log.ts';
import { artifactUriOf, type UploadedOutput, UploadFailed, uploadOutputs } from './outputs.ts';
import type { RunDeps } from './run-deps.ts';

/** `over`: the job has ended. `again`: another attempt follows. `halted`: the server stops; the next one continues. */
export type TrainingRunResult = 'over' | 'again' | 'halted';

/** Why the task is being stopped, or was not started. */
type Intent = 'stop' | 'interrupt' | 'halt';

const bytesPerMiB = 2 ** 20;
const failureTextMax = 8192;
/** As AWS. */
const exitMessageMax = 1024;
/** Between two attempts to upload or register while the disk is full. */
const uploadRetryMs = 5000;
/** Delay and number of retries after an unexpected error: once a task has started, hours of work would be lost. */
const retryMs = 1000;
const triesToBegin = 3;
const triesToEnd = 600;
/** Time for a checkpoint when the server stops. */
const haltGraceMs = 30_000;

/** One per job that is not over. Stopping is requested, and takes effect at the next step. */
export class TrainingRun {
  readonly #deps: RunDeps;
  readonly #name: string;
  readonly #abort = new AbortController();
  /** Aborts when the server stops. */
  readonly #halted = new AbortController();
  #intent: Intent | null = null;
  #isStopped = false;
  #taskId: string | null = null;
  /** Why it is interrupted, if it is. */
  #interruption = trainingSteps.interrupted;
  #isElsewhere: boolean;
  #log: OutputLog | null = null;

  /** `isElsewhere`: whether its current attempt is on a host, or will be as far as is known. */
  constructor(deps: RunDeps, name: string, isElsewhere = false) {
    this.#deps = deps;
    this.#name = name;
    this.#isElsewhere = isElsewhere;
  }

  /** Whether its cores are those of a host. */
  get isElsewhere(): boolean {
    return this.#isElsewhere;
  }

  /** Whether `stop` was called, even while it was interrupted. */
  get isStopped(): boolean {
    return this.#isStopped;
  }

  /** Whether its cores become free soon. */
  get isEnding(): boolean {
    return this.#intent !== null;
  }

  /** The job is Stopping: ends the task and uploads its results. */
  stop(): void {
    this.#isStopped = true;
    this.#end('stop', this.#deps.stopGraceMs);
  }

  /** Ends the task so that another attempt follows. */
  interrupt(): void {
    this.#end('interrupt', this.#deps.stopGraceMs);
  }

  /** The server stops. */
  halt(): void {
    this.#end('halt', haltGraceMs);
  }

  #end(intent: Intent, graceMs: number): void {
    if (this.#intent !== null && intent !== 'halt') return;
    this.#intent = intent;
    if (intent === 'halt') this.#halted.abort(new Error(intent));
    this.#abort.abort(new Error(intent));
    if (this.#taskId !== null) this.#requestStop(this.#taskId, graceMs);
  }

  /** Retries until it succeeds: the request is a file, and the task itself may have filled the disk. */
  #requestStop(id: string, graceMs: number): void {
    if (this.#isLeft) return;
    this.#deps.tasks.stop(id, graceMs).catch((error: unknown) => {
      this.#warn(error, 'failed to stop the task of a training job, will retry');
      this.#deps.clock.after(retryMs, () => this.#requestStop(id, graceMs));
    });
  }

  /** Whether the task goes on without this server: one on a host, which the next server finds there. */
  get #isLeft(): boolean {
    return this.#intent === 'halt' && this.#isElsewhere;
  }

  /** Tries again after temporary failures of this server, such as an unavailable database. Charging ends in any case. */
  async run(): Promise<TrainingRunResult> {
    try {
      for (let tries = 1; ; tries++) {
        const result = await this.#try(tries);
        if (result !== null) return result;
        await this.#pause(retryMs);
      }
    } finally {
      this.#deps.meter.ended(this.#name, null);
    }
  }

  /** Null after a temporary failure, such as an unavailable database: the results of the script are retained until a retry. */
  async #try(tries: number): Promise<TrainingRunResult | null> {
    try {
      const stored = await this.#deps.rows.find(this.#name);
      if (stored === null || isOver(stored.progress.status)) return 'over';
      if (stored.progress.status === 'Stopping') this.#intent ??= 'stop';
      try {
        return await this.#continue(stored);
      } catch (error) {
        if (this.#intent === 'halt') return 'halted';
        const triesMax = this.#taskId === null && stored.progress.secondaryStatus !== 'Uploading' ? triesToBegin : triesToEnd;
        if (tries < triesMax && mayPass(error)) throw error;
        return await this.#fail(error);
      }
    } catch (error) {
      if (this.#intent === 'halt') return 'halted';
      this.#warn(error, 'a training job cannot continue, will retry');
      return null;
    }
  }

  async #continue(stored: StoredTraining): Promise<TrainingRunResult> {
    const { progress } = stored;
    if (progress.secondaryStatus === 'Uploading' && progress.ending !== null) {
      if (await this.#isLost(stored)) return this.#lost(stored, lossOf(stored));
      return this.#finish(stored, progress.ending);
    }
    const at = taskAddressOf(this.#deps, stored);
    const found = await this.#deps.tasks.find(at, this.#halted.signal);
    if (found !== null && found.id === at.id) return this.#follow(stored, found.id);
    if (found !== null && !(await this.#discard(stored)))
      throw new PlatformError('unavailable', 'a task of a deleted job of this name still runs');
    if (progress.secondaryStatus === 'Training') return this.#lost(stored, 'the server and the task were both killed');
    if (progress.status === 'Stopping') return this.#settleStopped(stored.progress.stopCause ?? 'user');
    return this.#begin(stored);
  }

  /** Downloads and starts the task. */
  async #begin(stored: StoredTraining): Promise<TrainingRunResult> {
    const { states, tasks, meter } = this.#deps;
    const { spec } = stored;
    try {
      // An earlier server may have been killed during the download: then it is repeated, and the status stays.
      const isAgain = stored.progress.secondaryStatus === 'Downloading';
      if (!isAgain) await states.step(this.#name, trainingSteps.preparing);
      const python = await this.#resolvePython(stored);
      await states.step(this.#name, trainingSteps.downloading);
      await meter.started(stored);
      const prepared = await prepareAttempt(this.#deps, stored, python);
      if (prepared === null) return 'over';
      const { at, paths } = prepared;
      this.#isElsewhere = at.host !== null;
      const files = new AttemptFiles(tasks, at);
      const downloaded = await downloadInputs(this.#deps, stored, files, this.#abort.signal);
      await writeContract(this.#deps, stored, files, { ml: paths.ml, arn: this.#deps.contractOf(stored).arn });
      const note = python === null ? null : await frameworkNote(spec.image, spec.environment, python.python);
      const current = await states.patch(this.#name, ({ progress: { notes } }) => ({
        ...downloaded,
        environmentLock: python?.lock ?? null,
        notes: note === null || notes.includes(note) ? notes : [...notes, note],
      }));
      this.#abort.signal.throwIfAborted();
      if (current === null) return 'over';
      const maxRuntimeMs = Math.max(1000, spec.maxRuntimeMs - instanceMs(current.progress, this.#deps.clock.wallMs()));
      const contract = this.#deps.contractOf(stored);
      const { threads, vcpus, memoryMiB } = this.#deps.instanceOf(spec);
      const there = prepared.python === null ? python : { python: prepared.python, paths: [], lock: python?.lock ?? null };
      const size = { threads: at.host === null ? threads : vcpus, memoryMiB };
      const { id, folder } = at;
      const facts = { id, folder, paths, python: there, contract, ...size, isPreemptible: spec.isSpot, maxRuntimeMs };
      await tasks.start(taskSpecOf(spec, { ...facts, stopGraceMs: this.#deps.stopGraceMs }));
      return await this.#follow(current, id);
    } catch (error) {
      if (!this.#abort.signal.aborted || this.#taskId !== null) throw error;
      return this.#afterAbort(stored);
    }
  }

  /** The job was stopped, interrupted or halted before its task began. */
  async #afterAbort(stored: StoredTraining): Promise<TrainingRunResult> {
    if (this.#intent === 'halt') return 'halted';
    if (this.#intent === 'interrupt') return this.#again(stored, this.#interruption, {});
    const now = await this.#deps.rows.find(this.#name);
    return this.#settleStopped(now?.progress.stopCause ?? 'user');
  }

  async #resolvePython({ spec, progress }: StoredTraining): Promise<JobPython | null> {
    if (spec.environment === null) return null;
    const { clock, states, python } = this.#deps;
    const isAgain = progress.secondaryStatus === 'Downloading';
    const cancel = clock.after(1000, () => {
      if (isAgain) return;
      void states
        .step(this.#name, trainingSteps.building(spec.environment as string))
        .catch((error: unknown) => this.#warn(error, 'failed to store a step'));
    });
    try {
      return await python(spec.environment, progress.environmentLock, this.#abort.signal);
    } catch (error) {
      this.#abort.signal.throwIfAborted();
      throw new DownloadProblem(`ClientError: environment ${spec.environment}: ${messageOf(error)}`);
    } finally {
      cancel();
    }
  }

  /** Copies the output until the task ends, then decides what follows. */
  async #follow(stored: StoredTraining, id: string): Promise<TrainingRunResult> {
    const { states, tasks, meter } = this.#deps;
    this.#taskId = id;
    const training = (await states.step(this.#name, trainingSteps.training)) ?? stored; // a stopping job takes no such step
    if (this.#intent !== null) this.#requestStop(id, this.#intent === 'halt' ? haltGraceMs : this.#deps.stopGraceMs);
    await meter.started(stored);
    // A retry continues with the same object, which has the last lines.
    this.#log ??= new OutputLog(
      { ...this.#deps, output: (task, from) => tasks.output(task, from) },
      { group: jobLogGroup(stored.spec.name), stream: trainingLogStream(stored), attempt: training.progress.attempt },
    );
    const log = this.#log;
    const view = await followTask(this.#deps, {
      stored: training,
      id,
      log,
      files: this.#filesOf(training),
      isLeft: () => this.#isLeft,
      onEviction: (now) => this.#evict(training, now),
    });
    if (view === 'left') return 'halted';
    const current = (await this.#deps.rows.find(this.#name)) ?? training;
    if (view?.end === undefined || view.end === null) return this.#lost(current, lossOf(current));
    return this.#ended(current, view, view.end, log.tail);
  }

  async #ended(stored: StoredTraining, view: TaskView, end: TaskEnd, tail: readonly string[]): Promise<TrainingRunResult> {
    const { status } = stored.progress;
    if (end.why === 'stopped' && status !== 'Stopping') {
      if (this.#intent === 'interrupt') return this.#again(stored, this.#interruption, {});
      return this.#again(stored, trainingSteps.resuming, {});
    }
    if (end.why === 'shutdown' || end.why === 'abandoned') return this.#again(stored, trainingSteps.resuming, {});
    if (end.why === 'exit' && status !== 'Stopping' && wasKilled(end)) return this.#lost(stored, 'its process was killed (SIGKILL)');
    const ending: TaskEnding = {
      code: end.code,
      signal: end.signal,
      why: end.why === 'unstarted' ? 'exit' : end.why,
      peakMiB: end.peakRssBytes > 0 ? Math.round(end.peakRssBytes / bytesPerMiB) : null,
    };
    const stopCause: StopCause | null = end.why === 'time' ? (stored.progress.stopCause ?? 'runtime') : stored.progress.stopCause;
    const reason = await this.#reasonOf(stored, end, ending, tail, stopCause);
    const isProcessing = jobKindOf(this.#name) === 'processing';
    const message = isProcessing ? await this.#filesOf(stored).text('output', 'message', exitMessageMax) : null;
    const patch = { ending, stopCause, failureReason: reason, ...(message === null ? {} : { exitMessage: message.trim() }) };
    const metrics = this.#deps.metrics.last(this.#name);
    const uploading = await this.#deps.states.step(this.#name, trainingSteps.uploading, {
      patch: ({ progress }) => ({
        ...patch,
        metrics: mergeMetrics(progress.metrics, metrics),
        artifactUri: reason === null && !isProcessing ? artifactUriOf(stored.spec) : null,
      }),
    });
    if (uploading === null) return 'over';
    return this.#finish(uploading, ending);
  }

  /** Null if the script succeeded or was stopped. */
  async #reasonOf(
    stored: StoredTraining,
    end: TaskEnd,
    ending: TaskEnding,
    tail: readonly string[],
    stopCause: StopCause | null,
  ): Promise<string | null> {
    if (end.why === 'unstarted') return cutReason(`ClientError: the command could not be started: ${end.detail ?? 'no reason is known'}`);
    if (stopCause !== null && end.why !== 'memory' && end.why !== 'disk') return null;
    if (end.why === 'exit' && end.code === 0) return null;
    const { spec } = stored;
    const failureText = await this.#filesOf(stored).text('output', 'failure', failureTextMax);
    const { memoryMiB, largerType } = this.#deps.instanceOf(spec);
    const { instanceType, volumeGb } = spec;
    return failureReason({ ending, failureText, lastLines: tail, instanceType, memoryMiB, largerType, volumeGb });
  }

  /** Uploads, registers, and ends the job. Idempotent. */
  async #finish(stored: StoredTraining, ending: TaskEnding): Promise<TrainingRunResult> {
    const { spec, progress } = stored;
    const { states, meter } = this.#deps;
    await meter.started(stored);
    if (progress.failureReason !== null) return this.#settle({ failureReason: progress.failureReason }, trainingSteps.failed);
    const files = this.#filesOf(stored);
    const notes = [...progress.notes];
    try {
      const uploaded = await this.#upload(stored, files);
      notes.push(...uploaded.notes);
      await states.patch(this.#name, { notes });
    } catch (error) {
      if (!(error instanceof UploadFailed)) throw error;
      if (await this.#isLost(stored)) return this.#lost(stored, lossOf(stored));
      return this.#settle({ failureReason: cutReason(error.message), artifactUri: null, ending }, trainingSteps.failed);
    }
    const stopCause = (await this.#deps.rows.find(this.#name))?.progress.stopCause ?? null;
    if (stopCause !== null) return this.#settleStopped(stopCause);
    const current = (await this.#deps.rows.find(this.#name)) ?? stored;
    if (spec.group !== null && current.version === null) {
      const job = { ...current, progress: { ...current.progress, usage: this.#usageOf(current) } };
      const note = await this.#patiently(() => this.#deps.register(job, files));
      // What could not be read of a lost host is no fault of the model.
      if (note !== null && (await this.#isLost(stored))) return this.#lost(stored, lossOf(stored));
      if (note !== null) notes.push(note);
    }
    return this.#settle({ notes }, trainingSteps.completed);
  }

  async #upload(stored: StoredTraining, files: AttemptFiles): Promise<UploadedOutput> {
    try {
      return await this.#patiently(() => uploadOutputs(this.#deps, stored.spec, files));
    } catch (error) {
      if (!isLasting(error)) throw error;
      throw new UploadFailed(`ClientError: Data upload failed: ${messageOf(error)}`);
    }
  }

  /** Retries while the disk of the server is full or the server is overloaded. */
  async #patiently<Result>(run: () => Promise<Result>): Promise<Result> {
    for (;;) {
      try {
        return await run();
      } catch (error) {
        if (!isPassing(error) || this.#intent === 'halt') throw error;
        await this.#deps.states.step(this.#name, trainingSteps.uploadWaiting(messageOf(error)));
        await this.#pause(uploadRetryMs);
      }
    }
  }

  async #pause(ms: number): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    const cancel = this.#deps.clock.after(ms, resolve);
    // A halt ends the pause; after a stop of the job, its upload continues.
    const wake = (): void => {
      if (this.#intent === 'halt') resolve();
    };
    this.#abort.signal.addEventListener('abort', wake, { once: true });
    await promise;
    this.#abort.signal.removeEventListener('abort', wake);
    cancel();
  }

  async #lost(stored: StoredTraining, how: string): Promise<TrainingRunResult> {
    const { spec, progress } = stored;
    const lost = progress.lost + 1;
    if (progress.status === 'Stopping') return this.#settleStopped(progress.stopCause ?? 'user');
    if (lost > spec.retries) {
      const checkpoints = spec.checkpoints === null ? null : checkpointUri(spec.checkpoints);
      return this.#settle({ lost, failureReason: lostReason(lost, how, checkpoints) }, trainingSteps.failed);
    }
    return this.#again(stored, trainingSteps.restarting(lost + 1, spec.retries + 1), { lost });
  }

  /** Another attempt follows, in a folder of its own. */
  async #again(
    stored: StoredTraining,
    step: Parameters<RunDeps['states']['step']>[1],
    patch: Partial<TrainingProgress>,
  ): Promise<TrainingRunResult> {
    const { states } = this.#deps;
    const { attempt } = stored.progress;
    const stepped = await states.step(this.#name, step, {
      patch: { ...patch, attempt: attempt + 1, ending: null, host: null, placedBecause: null },
    });
    this.#deps.meter.ended(this.#name, stepped);
    if (stepped === null) return 'over';
    if (stepped.progress.status === 'Stopping') return this.#settleStopped(stepped.progress.stopCause ?? 'user');
    await states.step(this.#name, trainingSteps.starting);
    await this.#discard(stored);
    return this.#intent === 'halt' ? 'halted' : 'again';
  }

  /** Ends the task of the current attempt, and removes it with its folder. Never throws. False if the folder stays. */
  async #discard(stored: StoredTraining): Promise<boolean> {
    try {
      await this.#deps.tasks.discard(taskAddressOf(this.#deps, stored));
      return true;
    } catch (error) {
      this.#warn(error, 'failed to remove the task of a training job');
      return false;
    }
  }

  #settleStopped(cause: StopCause): Promise<TrainingRunResult> {
    return this.#settle({}, stoppedStep(cause));
  }

  async #fail(error: unknown): Promise<TrainingRunResult> {
    const isInput = error instanceof DownloadFailed || error instanceof DownloadProblem;
    if (isInput) return this.#settle({ failureReason: cutReason(error.message) }, trainingSteps.failed);
    this.#warn(error, 'a training job failed');
    const reason =
      error instanceof PlatformError && error.code === 'unsupported'
        ? `ClientError: ${error.message}`
        : `InternalServerError: ${messageOf(error)}`;
    return this.#settle({ failureReason: cutReason(reason) }, trainingSteps.failed);
  }

  async #settle(patch: Partial<TrainingProgress>, step: Parameters<RunDeps['states']['step']>[1]): Promise<TrainingRunResult> {
    const metrics = this.#deps.metrics.last(this.#name);
    const settled = await this.#deps.states.step(this.#name, step, {
      patch: (stored) => ({ ...patch, usage: this.#usageOf(stored), metrics: mergeMetrics(stored.progress.metrics, metrics) }),
    });
    this.#deps.metrics.forget(this.#name);
    this.#deps.meter.ended(this.#name, settled); // removing files takes time, which is not charged
    if (settled !== null) await this.#discard(settled);
    return 'over';
  }

  #usageOf({ spec, progress }: StoredTraining): TrainingUsage | null {
    if (progress.startedAtMs === null) return null;
    const ms = instanceMs(progress, this.#deps.clock.wallMs());
    const { usdPerHour, onDemandUsdPerHour } = this.#deps.instanceOf(spec);
    const seconds = wholeSeconds(ms);
    const billableSeconds = usdPerHour === onDemandUsdPerHour ? seconds : Math.round((seconds * usdPerHour) / onDemandUsdPerHour);
    return { seconds, billableSeconds, usd: (usdPerHour * ms) / 3_600_000, peakMiB: progress.ending?.peakMiB ?? null };
  }

  #evict(stored: StoredTraining, { host = '', eviction }: TaskView): void {
    if (eviction === undefined || this.#intent !== null) return;
    const graceMs = evictionGraceMs(stored, eviction, this.#deps.stopGraceMs);
    if (graceMs === null) return;
    this.#interruption = trainingSteps.evicted(host, eviction.why);
    this.#end('interrupt', graceMs);
  }

  #isLost(stored: StoredTraining): Promise<boolean> {
    return isAttemptLost(this.#deps, stored, this.#halted.signal);
  }

  #filesOf(stored: StoredTraining): AttemptFiles {
    return new AttemptFiles(this.#deps.tasks, taskAddressOf(this.#deps, stored));
  }

  #warn(error: unknown, what: string): void {
    this.#deps.log.warn({ job: this.#name, error: messageOf(error) }, what);
  }
}

/** The reason is complete. */
class DownloadProblem extends Error {}

/** Whether a retry may succeed. */
function mayPass(error: unknown): boolean {
  return !(error instanceof DownloadFailed || error instanceof DownloadProblem || isLasting(error));
}

/** It was killed from outside. A shell reports the signal of its child as 128 + 9. */
function wasKilled({ code, signal }: TaskEnd): boolean {
  return signal === 'SIGKILL' || code === 137;
}

function mergeMetrics(stored: TrainingProgress['metrics'], live: TrainingProgress['metrics']): TrainingProgress['metrics'] {
  const merged = new Map(stored.map((metric) => [metric.name, metric]));
  for (const metric of live) merged.set(metric.name, metric);
  return [...merged.values()];
}
