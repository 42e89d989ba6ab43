/** What follows when the task of an attempt has ended, or is lost: results are uploaded and registered, and the job ends or is attempted again. */
import { messageOf, PlatformError } from '../../errors.ts';
import type { TaskEnd, TaskView } from '../../providers/index.ts';
import { jobKindOf } from '../job-kind.ts';
import type { StoredTraining, TrainingProgress } from '../rows.ts';
import { instanceMs, type StopCause, stoppedStep, type TrainingStep, trainingSteps, wholeSeconds } from '../status.ts';
import type { TrainingUsage } from '../training-job.ts';
import { AttemptFiles } from './attempt-files.ts';
import { handOverByMs, isAttemptLost, lossOf, taskAddressOf } from './attempt-place.ts';
import { isLasting, isPassing } from './buckets.ts';
import { DownloadFailed } from './channels.ts';
import { checkpointUri } from './checkpoints.ts';
import { cutReason, failureReason, lostReason, type TaskEnding } from './failure-reason.ts';
import { EnvironmentFailed } from './launch.ts';
import { artifactUriOf, type UploadedOutput, UploadFailed, uploadOutputs } from './outputs.ts';
import type { RunDeps } from './run-deps.ts';
import type { RunIntent } from './run-intent.ts';

/** `over`: the job has ended. `again`: another attempt follows. `halted`: the server stops; the next one continues. */
export type TrainingRunResult = 'over' | 'again' | 'halted';

const bytesPerMiB = 2 ** 20;
const failureTextMax = 8192;
/** As AWS. */
const exitMessageMax = 1024;
/** Between two attempts to upload or register while the disk is full. */
const uploadRetryMs = 5000;
/** A host may hang. What nothing needs there is removed as soon as it answers. */
const discardMsMax = 60_000;

/** Of one run of a job. Each method can be repeated by a later server. */
export class AttemptEnding {
  readonly #deps: RunDeps;
  /** Of the job. */
  readonly #name: string;
  readonly #intent: RunIntent;
  #isGivenUp = false;

  constructor(deps: RunDeps, name: string, intent: RunIntent) {
    this.#deps = deps;
    this.#name = name;
    this.#intent = intent;
  }

  /** Whether the host of the attempt was given up, because it did not hand it over in its time. */
  get isGivenUp(): boolean {
    return this.#isGivenUp;
  }

  /** Gives up the host of the attempt if it has not handed it over in its time: the attempt is lost then. */
  checkTime(stored: StoredTraining): void {
    const { clock, tasks, stopGraceMs } = this.#deps;
    const byMs = handOverByMs(stored, stopGraceMs);
    if (byMs === null || clock.wallMs() <= byMs) return;
    this.#isGivenUp = tasks.giveUp(taskAddressOf(this.#deps, stored));
  }

  /** `tail`: the last lines that it printed. */
  async ended(stored: StoredTraining, view: TaskView, end: TaskEnd, tail: readonly string[]): Promise<TrainingRunResult> {
    const { status } = stored.progress;
    if (end.why === 'stopped' && status !== 'Stopping') {
      if (this.#intent.current === 'interrupt') return this.again(stored, this.#intent.interruption, {});
      return this.again(stored, trainingSteps.resuming, {});
    }
    if (end.why === 'shutdown' || end.why === 'abandoned') return this.again(stored, trainingSteps.resuming, {});
    if (end.why === 'exit' && status !== 'Stopping' && wasKilled(end)) return this.lost(stored, 'its process was killed (SIGKILL)');
    const ending: TaskEnding = {
      code: end.code,
      signal: end.signal,
      why: end.why === 'unstarted' ? 'exit' : end.why,
      peakMiB: end.peakRssBytes > 0 ? Math.round(end.peakRssBytes / bytesPerMiB) : null,
    };
    const stopCause: StopCause | null = end.why === 'time' ? (stored.progress.stopCause ?? 'runtime') : stored.progress.stopCause;
    const reason = await this.#reasonOf(stored, end, ending, tail, stopCause);
    const isProcessing = jobKindOf(this.#name) === 'processing';
    const message = isProcessing ? await this.filesOf(stored).text('output', 'message', exitMessageMax) : null;
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
    return this.finish(uploading, ending);
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
    const failureText = await this.filesOf(stored).text('output', 'failure', failureTextMax);
    const { memoryMiB, largerType } = this.#deps.instanceOf(spec);
    const { instanceType, volumeGb } = spec;
    return failureReason({ ending, failureText, lastLines: tail, instanceType, memoryMiB, largerType, volumeGb });
  }

  /** Uploads, registers, and ends the job. Idempotent. */
  async finish(stored: StoredTraining, ending: TaskEnding): Promise<TrainingRunResult> {
    const { spec, progress } = stored;
    const { states, meter } = this.#deps;
    await meter.started(stored);
    if (progress.failureReason !== null) return this.#settle({ failureReason: progress.failureReason }, trainingSteps.failed);
    const files = this.filesOf(stored);
    const notes = [...progress.notes];
    try {
      const uploaded = await this.#upload(stored, files);
      notes.push(...uploaded.notes);
      await states.patch(this.#name, { notes });
    } catch (error) {
      if (!(error instanceof UploadFailed)) throw error;
      if (await this.isLost(stored)) return this.lost(stored);
      return this.#settle({ failureReason: cutReason(error.message), artifactUri: null, ending }, trainingSteps.failed);
    }
    const stopCause = (await this.#deps.rows.find(this.#name))?.progress.stopCause ?? null;
    if (stopCause !== null) return this.settleStopped(stopCause);
    const current = (await this.#deps.rows.find(this.#name)) ?? stored;
    if (spec.group !== null && current.version === null) {
      const job = { ...current, progress: { ...current.progress, usage: this.#usageOf(current) } };
      const note = await this.#patiently(() => this.#deps.register(job, files));
      // What could not be read of a lost host is no fault of the model.
      if (note !== null && (await this.isLost(stored))) return this.lost(stored);
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
        if (!isPassing(error) || this.#intent.isHalted) throw error;
        await this.#deps.states.step(this.#name, trainingSteps.uploadWaiting(messageOf(error)));
        await this.#intent.pause(this.#deps.clock, uploadRetryMs);
      }
    }
  }

  /** Another attempt follows if the job has retries. */
  async lost(stored: StoredTraining, how = lossOf(stored, this.#isGivenUp)): Promise<TrainingRunResult> {
    const { spec, progress } = stored;
    const lost = progress.lost + 1;
    if (progress.status === 'Stopping') return this.settleStopped(progress.stopCause ?? 'user');
    if (lost > spec.retries) {
      const checkpoints = spec.checkpoints === null ? null : checkpointUri(spec.checkpoints);
      return this.#settle({ lost, failureReason: lostReason(lost, how, checkpoints) }, trainingSteps.failed);
    }
    return this.again(stored, trainingSteps.restarting(lost + 1, spec.retries + 1), { lost });
  }

  /** Another attempt follows, in a folder of its own. */
  async again(stored: StoredTraining, step: TrainingStep, patch: Partial<TrainingProgress>): Promise<TrainingRunResult> {
    const { states } = this.#deps;
    const { attempt } = stored.progress;
    const stepped = await states.step(this.#name, step, {
      patch: { ...patch, attempt: attempt + 1, ending: null, host: null, machine: null, placedBecause: null },
    });
    this.#deps.meter.ended(this.#name, stepped);
    if (stepped === null) return 'over';
    if (stepped.progress.status === 'Stopping') return this.settleStopped(stepped.progress.stopCause ?? 'user');
    await states.step(this.#name, trainingSteps.starting);
    await this.discard(stored);
    return this.#intent.isHalted ? 'halted' : 'again';
  }

  /** Ends the task of the current attempt, and removes it with its folder. Never throws. False if the folder stays. */
  async discard(stored: StoredTraining): Promise<boolean> {
    const at = taskAddressOf(this.#deps, stored);
    const { promise: isLate, resolve } = Promise.withResolvers<boolean>();
    const cancel = at.host === null ? () => undefined : this.#deps.clock.after(discardMsMax, () => resolve(false));
    try {
      return await Promise.race([this.#deps.tasks.discard(at).then(() => true), isLate]);
    } catch (error) {
      this.#warn(error, 'failed to remove the task of a training job');
      return false;
    } finally {
      cancel();
    }
  }

  settleStopped(cause: StopCause): Promise<TrainingRunResult> {
    return this.#settle({}, stoppedStep(cause));
  }

  async fail(error: unknown): Promise<TrainingRunResult> {
    const isInput = error instanceof DownloadFailed || error instanceof EnvironmentFailed;
    if (isInput) return this.#settle({ failureReason: cutReason(error.message) }, trainingSteps.failed);
    this.#warn(error, 'a training job failed');
    const reason =
      error instanceof PlatformError && error.code === 'unsupported'
        ? `ClientError: ${error.message}`
        : `InternalServerError: ${messageOf(error)}`;
    return this.#settle({ failureReason: cutReason(reason) }, trainingSteps.failed);
  }

  async #settle(patch: Partial<TrainingProgress>, step: TrainingStep): Promise<TrainingRunResult> {
    const metrics = this.#deps.metrics.last(this.#name);
    const settled = await this.#deps.states.step(this.#name, step, {
      patch: (stored) => ({ ...patch, usage: this.#usageOf(stored), metrics: mergeMetrics(stored.progress.metrics, metrics) }),
    });
    this.#deps.metrics.forget(this.#name);
    this.#deps.meter.ended(this.#name, settled); // removing files takes time, which is not charged
    if (settled !== null) await this.discard(settled);
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

  /** Whether the host of the attempt is lost with all files. Waits while the host is away. */
  isLost(stored: StoredTraining): Promise<boolean> {
    return isAttemptLost(this.#deps, stored, this.#intent.halted);
  }

  filesOf(stored: StoredTraining): AttemptFiles {
    return new AttemptFiles(this.#deps.tasks, taskAddressOf(this.#deps, stored));
  }

  #warn(error: unknown, what: string): void {
    this.#deps.log.warn({ job: this.#name, error: messageOf(error) }, what);
  }
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
