/** Changes the stored state of training jobs. Changes of a job are serialized, and each is stored with its event in one transaction. */
import type { Clock } from '../clock.ts';
import { nameKey } from '../names.ts';
import type { EventKind, Events, PlatformEvent } from '../records/index.ts';
import type { Transaction } from '../storage/index.ts';
import { jobKindOf, jobNameOf } from './job-kind.ts';
import type { StoredTraining, TrainingProgress, TrainingRows } from './rows.ts';
import { advance, isOver, type TrainingStep, trainingSteps } from './status.ts';
import type { SecondaryStatus, TrainingStatus } from './training-job.ts';

/** Where states are stored and published. */
export interface JobStatesDeps {
  readonly rows: TrainingRows;
  readonly clock: Clock;
  readonly events: Pick<Events, 'record' | 'publish'>;
}

/** What changes together with a step. */
export interface StepOptions {
  /** Further members that change with the step. */
  readonly patch?: Partial<TrainingProgress> | ((stored: StoredTraining) => Partial<TrainingProgress>);
  /** Further writes of the same transaction, before the event. */
  readonly alongside?: (tx: Transaction, stored: StoredTraining) => Promise<void>;
}

const processingKinds: Readonly<Record<TrainingStatus, EventKind | null>> = {
  InProgress: 'processing.in-progress',
  Completed: 'processing.completed',
  Failed: 'processing.failed',
  Stopping: 'processing.stopping',
  Stopped: 'processing.stopped',
  Deleting: null,
};

const kindOf: Readonly<Record<SecondaryStatus, EventKind>> = {
  Starting: 'training.starting',
  Downloading: 'training.downloading',
  Training: 'training.training',
  Uploading: 'training.uploading',
  Stopping: 'training.stopping',
  Interrupted: 'training.interrupted',
  Restarting: 'training.restarting',
  Completed: 'training.completed',
  Failed: 'training.failed',
  Stopped: 'training.stopped',
  MaxRuntimeExceeded: 'training.stopped',
  MaxWaitTimeExceeded: 'training.stopped',
};

/** The only writer of a job's state. */
export class JobStates {
  readonly #deps: JobStatesDeps;
  /** The last pending change of each job. */
  readonly #changing = new Map<string, Promise<unknown>>();
  readonly #waiting = new Map<string, Set<() => void>>();

  constructor(deps: JobStatesDeps) {
    this.#deps = deps;
  }

  /**
   * Takes a step, unless the job has ended or was deleted. A job that is being stopped does not return to InProgress; only its upload is a step
   * while it stops. Returns the job as it is now; null if it was deleted.
   */
  step(name: string, step: TrainingStep, { patch = {}, alongside }: StepOptions = {}): Promise<StoredTraining | null> {
    return this.#change(name, async (stored, tx) => {
      const { progress } = stored;
      const allowed = allowedStep(progress, step);
      if (allowed === null) return null;
      const nowMs = this.#deps.clock.wallMs();
      const patched = { ...progress, ...(typeof patch === 'function' ? patch(stored) : patch) };
      await alongside?.(tx, stored);
      return { ...patched, ...advance(patched, allowed, nowMs) };
    });
  }

  /** Changes members other than the status, unless the job has ended. */
  patch(
    name: string,
    patch: Partial<TrainingProgress> | ((stored: StoredTraining) => Partial<TrainingProgress>),
  ): Promise<StoredTraining | null> {
    return this.#change(name, (stored) => {
      if (isOver(stored.progress.status)) return Promise.resolve(null);
      return Promise.resolve({ ...stored.progress, ...(typeof patch === 'function' ? patch(stored) : patch) });
    });
  }

  /** Resolves at the next change of status or secondary status, or when the signal aborts. */
  async changed(name: string, signal: AbortSignal): Promise<void> {
    if (signal.aborted) return;
    const key = nameKey(name);
    const { promise, resolve } = Promise.withResolvers<void>();
    const waiting = this.#waiting.get(key) ?? new Set();
    this.#waiting.set(key, waiting.add(resolve));
    signal.addEventListener('abort', () => resolve(), { once: true });
    await promise;
    waiting.delete(resolve);
    if (waiting.size === 0 && this.#waiting.get(key) === waiting) this.#waiting.delete(key);
  }

  /** Wakes all callers that wait for a change of a job. */
  announce(name: string): void {
    for (const wake of this.#waiting.get(nameKey(name)) ?? []) wake();
  }

  /** The event of a job's current status; null if it has none. */
  async recordEvent(tx: Transaction, { spec, progress }: Pick<StoredTraining, 'spec' | 'progress'>): Promise<PlatformEvent | null> {
    const { status, secondaryStatus, transitions, attempt, failureReason, startedAtMs, endedAtMs, metrics, artifactUri } = progress;
    const message = transitions.at(-1)?.message ?? '';
    const reason = status === 'Failed' ? failureReason : null;
    const isProcessing = jobKindOf(spec.name) === 'processing';
    const kind = isProcessing ? processingKinds[status] : kindOf[secondaryStatus];
    if (kind === null) return null;
    const facts = { attempt, transitions, startedAtMs, endedAtMs, metrics, artifactUri };
    return this.#deps.events.record(tx, {
      kind,
      subject: jobNameOf(spec.name),
      detail: { status, secondaryStatus, message, reason, ...facts },
    });
  }

  #change(
    name: string,
    change: (stored: StoredTraining, tx: Transaction) => Promise<TrainingProgress | null>,
  ): Promise<StoredTraining | null> {
    const key = nameKey(name);
    const before = this.#changing.get(key) ?? Promise.resolve();
    const mine = before.then(
      () => this.#changeNow(name, change),
      () => this.#changeNow(name, change),
    );
    this.#changing.set(key, mine);
    const clear = (): void => {
      if (this.#changing.get(key) === mine) this.#changing.delete(key);
    };
    mine.then(clear, clear);
    return mine;
  }

  async #changeNow(
    name: string,
    change: (stored: StoredTraining, tx: Transaction) => Promise<TrainingProgress | null>,
  ): Promise<StoredTraining | null> {
    const { rows, clock, events } = this.#deps;
    let event: PlatformEvent | null = null;
    let isChanged = false;
    const changed = await rows.transact(async (tx) => {
      const stored = await rows.find(name, tx);
      const progress = stored === null ? null : await change(stored, tx);
      if (stored === null || progress === null) return stored;
      const updatedAtMs = clock.wallMs();
      await rows.write(tx, name, progress, updatedAtMs);
      const next = { ...stored, progress, updatedAtMs };
      isChanged = statusOf(next) !== statusOf(stored);
      if (isChanged) event = await this.recordEvent(tx, next);
      return next;
    });
    if (event !== null) events.publish(event);
    if (isChanged) this.announce(name);
    return changed;
  }
}

/** Processing jobs show no secondary status. */
function statusOf({ spec, progress: { status, secondaryStatus } }: StoredTraining): string {
  return jobKindOf(spec.name) === 'processing' ? status : `${status} ${secondaryStatus}`;
}

function allowedStep({ status }: TrainingProgress, step: TrainingStep): TrainingStep | null {
  if (isOver(status)) return null;
  if (status !== 'Stopping' || step.status !== 'InProgress') return step;
  return step.secondaryStatus === 'Uploading' ? trainingSteps.uploadingStopped : null;
}
