/** The jobs that wait and run: decides once a second which of them start, and stops those that take too long. */
import { Loop } from '../clock.ts';
import { messageOf } from '../errors.ts';
import { nameKey } from '../names.ts';
import type { TaskAddress, TaskRequest } from '../providers/index.ts';
import type { Transaction } from '../storage/index.ts';
import { requirementsOfTask, taskAddressOf } from './attempts/attempt-place.ts';
import { TrainingRun } from './attempts/run.ts';
import type { RunDeps } from './attempts/run-deps.ts';
import { decideCapacity, type RunningJob, type WaitingJob } from './capacity.ts';
import type { TrainingSpec } from './spec.ts';
import { type StopCause, stoppedStep, trainingSteps } from './status.ts';

/** What jobs run with, and the machine. */
export interface JobQueueDeps extends RunDeps {
  readonly cores: number;
  /** Cores that serving keeps busy. */
  readonly servingCores: () => number;
  /** Called each second. */
  readonly observe: () => void;
  /** Holds the folders of all jobs. */
  readonly folder: string;
}

/** What is held of a job while it waits or runs. Its spec can have half a megabyte, so it is read when it is needed. */
interface QueuedJob extends WaitingJob {
  readonly maxWaitMs: number | null;
  /** Null if its instance type is not known. */
  readonly needs: Omit<TaskRequest, 'id' | 'folder' | 'name'> | null;
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
/** Attempts on hosts have an hour beyond their time. */
const timeCheckMs = 60_000;

export class JobQueue {
  readonly #deps: JobQueueDeps;
  readonly #running = new Map<string, Running>();
  readonly #waiting = new Map<string, Waiting>();
  readonly #ticks: Loop;
  readonly #timeChecks: Loop;
  #isStarted = false;
  #isClosed = false;

  constructor(deps: JobQueueDeps) {
    this.#deps = deps;
    const onFailure = (error: unknown): void => deps.log.warn({ error: messageOf(error) }, 'failed to check the training jobs, will retry');
    const { clock } = deps;
    this.#ticks = new Loop({ clock, everyMs: tickMs, run: () => this.#tick(), onFailure });
    this.#timeChecks = new Loop({ clock, everyMs: timeCheckMs, run: () => this.#checkTimes(), onFailure });
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

  /** Starts jobs from now on. */
  start(): void {
    this.#isStarted = true;
    this.#next();
    this.#ticks.open();
    this.#timeChecks.open();
  }

  /** Stops running tasks, with time for a checkpoint. The next server continues their jobs. */
  async close(): Promise<void> {
    this.#isClosed = true;
    await Promise.all([this.#ticks.close(), this.#timeChecks.close()]);
    for (const { run } of this.#running.values()) run.halt();
    await Promise.all([...this.#running.values()].map(({ ended }) => ended));
  }

  /** A job that was just stored. It starts when cores are free. */
  add(spec: TrainingSpec, createdAtMs: number): void {
    this.#waiting.set(nameKey(spec.name), { job: this.#queued(spec, createdAtMs), isBegun: false });
    this.#next();
  }

  /** Resolves when nothing runs for the job any more. */
  async ended(name: string): Promise<void> {
    await this.#running.get(nameKey(name))?.ended;
  }

  /** Sets a job to Stopping and ends its work. */
  async stop(name: string, cause: StopCause, alongside?: (tx: Transaction) => Promise<void>): Promise<void> {
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

  async #checkTimes(): Promise<void> {
    for (const { run } of this.#running.values()) await run.checkTime();
  }

  /** Stops jobs whose time from creation to end has passed. */
  async #endLate(): Promise<void> {
    const nowMs = this.#deps.clock.wallMs();
    const isLate = ({ job: { maxWaitMs, createdAtMs } }: Pick<Waiting, 'job'>): boolean =>
      maxWaitMs !== null && nowMs - createdAtMs > maxWaitMs;
    const late = [...this.#waiting.values(), ...[...this.#running.values()].filter(({ run }) => !run.isEnding)].filter(isLate);
    for (const { job } of late) await this.stop(job.name, 'wait');
  }

  /** Starts the jobs that fit. The others need more hosts, and those that run on hosts need theirs. */
  #next(): void {
    if (this.#isClosed || !this.#isStarted) return;
    this.#startFitting();
    const elsewhere = [...this.#running.values()].filter(({ run }) => run.isElsewhere).map(({ job }) => job);
    this.#deps.tasks.want(
      [...this.#waitingJobs(), ...elsewhere].flatMap(({ name, needs }) => (needs === null ? [] : [{ name, ...needs }])),
    );
  }

  #startFitting(): void {
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
}
