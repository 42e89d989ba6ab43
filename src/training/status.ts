/** The life cycle of a training job: its statuses, their exact messages, and how time is counted. Pure. */
import type { SecondaryStatus, TrainingStatus, TrainingTransition } from './training-job.ts';

/** Why a job is being stopped. */
export type StopCause = 'user' | 'runtime' | 'wait';

/** The members of a job that change while it runs. */
export interface TrainingLife {
  readonly status: TrainingStatus;
  readonly secondaryStatus: SecondaryStatus;
  readonly transitions: readonly TrainingTransition[];
  readonly startedAtMs: number | null;
  readonly endedAtMs: number | null;
}

/** A state of a job, with SageMaker's message. */
export interface TrainingStep {
  readonly status: TrainingStatus;
  readonly secondaryStatus: SecondaryStatus;
  readonly message: string;
}

/** `StatusMessage`: clients print these texts, so they are AWS's texts if AWS has the status. */
const messages = {
  starting: 'Starting the training job',
  preparing: 'Preparing the instances for training',
  downloading: 'Downloading input data',
  training: 'Training image download completed. Training in progress.',
  uploading: 'Uploading generated training model',
  completed: 'Training job completed',
  failed: 'Training job failed',
  stopping: 'Stopping the training job',
  stopped: 'Training job stopped',
  maxRuntimeExceeded: 'Training job runtime exceeded MaxRuntimeInSeconds provided',
  maxWaitTimeExceeded: 'Training job wait time exceeded MaxWaitTimeInSeconds provided',
  interrupted: 'Training job interrupted: its cores were wanted by serving',
} as const;

const running = (secondaryStatus: SecondaryStatus, message: string): TrainingStep => ({ status: 'InProgress', secondaryStatus, message });

/** Every step that a job can take. */
export const trainingSteps = {
  starting: running('Starting', messages.starting),
  preparing: running('Starting', messages.preparing),
  waiting: (wanted: number, free: number) =>
    running('Starting', `Waiting for capacity: ${plural(wanted, 'core')} wanted, ${free} free beside serving`),
  building: (environment: string) => running('Starting', `Waiting for environment ${environment}, which is being built`),
  downloading: running('Downloading', messages.downloading),
  training: running('Training', messages.training),
  uploading: running('Uploading', messages.uploading),
  /** The disk of the server is full, for example: the upload is repeated. */
  uploadWaiting: (why: string) => running('Uploading', `${messages.uploading}: waiting to try again, because ${why}`),
  interrupted: running('Interrupted', messages.interrupted),
  evicted: (host: string, why: 'stopping' | 'draining') =>
    running('Interrupted', `Training job interrupted: its host ${host} ${why === 'stopping' ? 'stops' : 'is drained'}`),
  restarting: (attempt: number, attempts: number) =>
    running('Restarting', `Restarting training: the task was lost (attempt ${attempt} of ${attempts})`),
  resuming: running('Restarting', 'Restarting training: the server was stopped'),
  completed: { status: 'Completed', secondaryStatus: 'Completed', message: messages.completed },
  failed: { status: 'Failed', secondaryStatus: 'Failed', message: messages.failed },
  stopping: { status: 'Stopping', secondaryStatus: 'Stopping', message: messages.stopping },
  uploadingStopped: { status: 'Stopping', secondaryStatus: 'Uploading', message: messages.uploading },
} as const;

const stoppedSteps: Readonly<Record<StopCause, TrainingStep>> = {
  user: { status: 'Stopped', secondaryStatus: 'Stopped', message: messages.stopped },
  runtime: { status: 'Stopped', secondaryStatus: 'MaxRuntimeExceeded', message: messages.maxRuntimeExceeded },
  wait: { status: 'Stopped', secondaryStatus: 'MaxWaitTimeExceeded', message: messages.maxWaitTimeExceeded },
};

/** The last state of a job that was stopped. */
export function stoppedStep(cause: StopCause): TrainingStep {
  return stoppedSteps[cause];
}

/** Whether the job has reached a status that never changes again. */
export function isOver(status: TrainingStatus): boolean {
  return status === 'Completed' || status === 'Failed' || status === 'Stopped';
}

/** The life of a job that was just created. */
export function newLife(nowMs: number): TrainingLife {
  const { status, secondaryStatus, message } = trainingSteps.starting;
  const transitions = [{ status: secondaryStatus, startedAtMs: nowMs, endedAtMs: null, message }];
  return { status, secondaryStatus, transitions, startedAtMs: null, endedAtMs: null };
}

/**
 * The life cycle after a step. A new message replaces that of the current transition; a new status ends the transition and starts another. Times never
 * go back, even if the clock does. Repeating a step changes nothing. A job that has ended does not change.
 */
export function advance(life: TrainingLife, step: TrainingStep, nowMs: number): TrainingLife {
  if (isOver(life.status)) return life;
  const last = life.transitions.at(-1) as TrainingTransition;
  const before = life.transitions.slice(0, -1);
  if (step.status === life.status && step.secondaryStatus === life.secondaryStatus) {
    return step.message === last.message ? life : { ...life, transitions: [...before, { ...last, message: step.message }] };
  }
  const atMs = Math.max(nowMs, last.startedAtMs);
  const next = { status: step.secondaryStatus, startedAtMs: atMs, endedAtMs: null, message: step.message };
  // The status alone may change (Stopping while Uploading): the transition of the same secondary status continues.
  const isSame = last.status === step.secondaryStatus;
  const transitions = isSame ? [...before, { ...last, message: step.message }] : [...before, { ...last, endedAtMs: atMs }, next];
  return {
    status: step.status,
    secondaryStatus: step.secondaryStatus,
    transitions: isOver(step.status)
      ? transitions.with(-1, { ...(transitions.at(-1) as TrainingTransition), endedAtMs: atMs })
      : transitions,
    startedAtMs: life.startedAtMs ?? (step.secondaryStatus === 'Downloading' ? atMs : null),
    endedAtMs: isOver(step.status) ? atMs : null,
  };
}

/** Statuses in which a job has an instance. */
const busyStatuses: ReadonlySet<SecondaryStatus> = new Set(['Downloading', 'Training', 'Uploading', 'Stopping']);

/** Time for which the job had an instance, from the first Downloading on, without waiting between attempts. */
export function instanceMs({ transitions, startedAtMs }: Pick<TrainingLife, 'transitions' | 'startedAtMs'>, nowMs: number): number {
  if (startedAtMs === null) return 0;
  let sum = 0;
  for (const { status, startedAtMs: from, endedAtMs } of transitions) {
    if (busyStatuses.has(status) && from >= startedAtMs) sum += Math.max(0, (endedAtMs ?? nowMs) - from);
  }
  return sum;
}

/** `TrainingTimeInSeconds`: rounded up, at least 1, because clients divide by it. */
export function wholeSeconds(ms: number): number {
  return Math.max(1, Math.ceil(ms / 1000));
}

function plural(count: number, noun: string): string {
  return count === 1 ? `1 ${noun}` : `${count} ${noun}s`;
}
