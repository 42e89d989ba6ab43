/**
 * Runs a training job from its current step: a new one from the beginning, one of an earlier server from its last stored step. Each step
 * can be repeated, because the server may be killed in the middle of it.
 */
import { messageOf, PlatformError } from '../../errors.ts';
import type { TaskView } from '../../providers/index.ts';
import { jobLogGroup } from '../job-kind.ts';
import type { StoredTraining } from '../rows.ts';
import { instanceMs, isOver, trainingSteps } from '../status.ts';
import { trainingLogStream } from '../training-job.ts';
import { AttemptEnding, type TrainingRunResult } from './attempt-ending.ts';
import { AttemptFiles } from './attempt-files.ts';
import { attemptRuntimeMs, evictionGraceMs, prepareAttempt, taskAddressOf } from './attempt-place.ts';
import { isLasting } from './buckets.ts';
import { DownloadFailed } from './channels.ts';
import { followTask } from './follow.ts';
import { frameworkNote } from './framework-version.ts';
import { downloadInputs, EnvironmentFailed, type JobPython, taskSpecOf, writeContract } from './launch.ts';
import { OutputLog } from './output-log.ts';
import type { RunDeps } from './run-deps.ts';
import { type Intent, RunIntent } from './run-intent.ts';

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
  readonly #intent = new RunIntent();
  readonly #ending: AttemptEnding;
  #isStopped = false;
  #taskId: string | null = null;
  #isElsewhere: boolean;
  #log: OutputLog | null = null;

  /** `isElsewhere`: whether its current attempt is on a host, or will be as far as is known. */
  constructor(deps: RunDeps, name: string, isElsewhere = false) {
    this.#deps = deps;
    this.#name = name;
    this.#ending = new AttemptEnding(deps, name, this.#intent);
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
    return this.#intent.current !== null;
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

  /** To be called regularly: the run itself may wait for a host that hangs. */
  async checkTime(): Promise<void> {
    const stored = await this.#deps.rows.find(this.#name);
    if (stored !== null && !this.#intent.isHalted) this.#ending.checkTime(stored);
  }

  #end(intent: Intent, graceMs: number): void {
    if (this.#intent.request(intent) && this.#taskId !== null) this.#requestStop(this.#taskId, graceMs);
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
    return this.#intent.isHalted && this.#isElsewhere;
  }

  /** Tries again after temporary failures of this server, such as an unavailable database. Charging ends in any case. */
  async run(): Promise<TrainingRunResult> {
    try {
      for (let tries = 1; ; tries++) {
        const result = await this.#try(tries);
        if (result !== null) return result;
        await this.#intent.pause(this.#deps.clock, retryMs);
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
      if (stored.progress.status === 'Stopping') this.#intent.resumeStop();
      try {
        return await this.#continue(stored);
      } catch (error) {
        if (this.#intent.isHalted) return 'halted';
        if (this.#ending.isGivenUp) return await this.#ending.lost((await this.#deps.rows.find(this.#name)) ?? stored);
        const triesMax = this.#taskId === null && stored.progress.secondaryStatus !== 'Uploading' ? triesToBegin : triesToEnd;
        if (tries < triesMax && mayPass(error)) throw error;
        return await this.#ending.fail(error);
      }
    } catch (error) {
      if (this.#intent.isHalted) return 'halted';
      this.#warn(error, 'a training job cannot continue, will retry');
      return null;
    }
  }

  async #continue(stored: StoredTraining): Promise<TrainingRunResult> {
    const { progress } = stored;
    if (progress.secondaryStatus === 'Uploading' && progress.ending !== null) {
      if (await this.#ending.isLost(stored)) return this.#ending.lost(stored);
      return this.#ending.finish(stored, progress.ending);
    }
    const at = taskAddressOf(this.#deps, stored);
    const found = await this.#deps.tasks.find(at, this.#intent.halted);
    if (found !== null && found.id === at.id) return this.#follow(stored, found.id);
    if (found !== null && !(await this.#ending.discard(stored)))
      throw new PlatformError('unavailable', 'a task of a deleted job of this name still runs');
    if (progress.secondaryStatus === 'Training') return this.#ending.lost(stored, 'the server and the task were both killed');
    if (progress.status === 'Stopping') return this.#ending.settleStopped(stored.progress.stopCause ?? 'user');
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
      const downloaded = await downloadInputs(this.#deps, stored, files, this.#intent.signal);
      await writeContract(this.#deps, stored, files, { ml: paths.ml, arn: this.#deps.contractOf(stored).arn });
      const note = python === null ? null : await frameworkNote(spec.image, spec.environment, python.python);
      const current = await states.patch(this.#name, ({ progress: { notes } }) => ({
        ...downloaded,
        environmentLock: python?.lock ?? null,
        notes: note === null || notes.includes(note) ? notes : [...notes, note],
      }));
      this.#intent.signal.throwIfAborted();
      if (current === null) return 'over';
      const maxRuntimeMs = attemptRuntimeMs(spec, instanceMs(current.progress, this.#deps.clock.wallMs()));
      const contract = this.#deps.contractOf(stored);
      const { threads, vcpus, memoryMiB } = this.#deps.instanceOf(spec);
      const there = prepared.python === null ? python : { python: prepared.python, paths: [], lock: python?.lock ?? null };
      const size = { threads: at.host === null ? threads : vcpus, memoryMiB };
      const { id, folder } = at;
      const facts = { id, folder, paths, python: there, contract, ...size, isPreemptible: spec.isSpot, maxRuntimeMs };
      await tasks.start(taskSpecOf(spec, { ...facts, stopGraceMs: this.#deps.stopGraceMs }));
      return await this.#follow(current, id);
    } catch (error) {
      if (!this.#intent.signal.aborted || this.#taskId !== null) throw error;
      return this.#afterAbort(stored);
    }
  }

  /** The job was stopped, interrupted or halted before its task began. */
  async #afterAbort(stored: StoredTraining): Promise<TrainingRunResult> {
    if (this.#intent.isHalted) return 'halted';
    if (this.#intent.current === 'interrupt') return this.#ending.again(stored, this.#intent.interruption, {});
    const now = await this.#deps.rows.find(this.#name);
    return this.#ending.settleStopped(now?.progress.stopCause ?? 'user');
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
      return await python(spec.environment, progress.environmentLock, this.#intent.signal);
    } catch (error) {
      this.#intent.signal.throwIfAborted();
      throw new EnvironmentFailed(spec.environment, messageOf(error));
    } finally {
      cancel();
    }
  }

  /** Copies the output until the task ends, then decides what follows. */
  async #follow(stored: StoredTraining, id: string): Promise<TrainingRunResult> {
    const { states, tasks, meter } = this.#deps;
    this.#taskId = id;
    const training = (await states.step(this.#name, trainingSteps.training)) ?? stored; // a stopping job takes no such step
    if (this.#intent.current !== null) this.#requestStop(id, this.#intent.isHalted ? haltGraceMs : this.#deps.stopGraceMs);
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
      files: this.#ending.filesOf(training),
      isLeft: () => this.#isLeft,
      onEviction: (now) => this.#evict(training, now),
    });
    if (view === 'left') return 'halted';
    const current = (await this.#deps.rows.find(this.#name)) ?? training;
    if (view?.end === undefined || view.end === null) return this.#ending.lost(current);
    return this.#ending.ended(current, view, view.end, log.tail);
  }

  #evict(stored: StoredTraining, { host = '', eviction }: TaskView): void {
    if (eviction === undefined || this.#intent.current !== null) return;
    const graceMs = evictionGraceMs(stored, eviction, this.#deps.stopGraceMs);
    if (graceMs === null) return;
    this.#intent.interruption = trainingSteps.evicted(host, eviction.why);
    this.#end('interrupt', graceMs);
  }

  #warn(error: unknown, what: string): void {
    this.#deps.log.warn({ job: this.#name, error: messageOf(error) }, what);
  }
}

/** Whether a retry may succeed. */
function mayPass(error: unknown): boolean {
  return !(error instanceof DownloadFailed || error instanceof EnvironmentFailed || isLasting(error));
}
