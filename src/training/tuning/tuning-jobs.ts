/** All tuning jobs of a server: they create training jobs, compare them, stop some of them, and continue after a restart. */
import { isDeepStrictEqual } from 'node:util';
import { type Clock, Loop } from '../../clock.ts';
import { messageOf, PlatformError } from '../../errors.ts';
import type { Log } from '../../logs/index.ts';
import type { Random } from '../../random.ts';
import type { Audit, AuditAction, EventKind, Events, PlatformEvent } from '../../records/index.ts';
import type { Transaction } from '../../storage/index.ts';
import { maskedHyperparameters } from '../lineage.ts';
import type { Training } from '../training-job.ts';
import { randomValues } from './search.ts';
import { isBetter } from './stopping-rules.ts';
import {
  isTrialOver,
  type NewTuningJob,
  type NewTuningSpec,
  type Tuning,
  type TuningJob,
  type TuningJobFilter,
  type TuningSpec,
  type TuningStatus,
  type TuningTrial,
} from './tuning-job.ts';
import type { StoredTuning, TuningProgress, TuningRows } from './tuning-rows.ts';
import { TuningRun, type TuningRunDeps, trialHyperparameters } from './tuning-run.ts';
import { checkTuningSpec } from './tuning-spec.ts';

export interface TuningJobsDeps {
  readonly rows: TuningRows;
  readonly clock: Clock;
  readonly log: Log;
  readonly random: Random;
  readonly events: Pick<Events, 'record' | 'publish' | 'subscribe'>;
  readonly audit: Pick<Audit, 'record'>;
  readonly training: TuningRunDeps['training'] & Pick<Training, 'check' | 'releaseSource' | 'releaseUploads'>;
  /** Jobs that have not ended. */
  readonly unfinishedMax: number;
  /** Throws `forbidden` if the key that created a tuning job may no longer train. */
  readonly checkCreator: (who: string) => void;
  /** Deletes an archive of source code that nothing refers to. */
  readonly discardSource: (sha256: string) => Promise<void>;
}

const tickMs = 1000;

const endingKinds: ReadonlySet<string> = new Set(['training.completed', 'training.failed', 'training.stopped']);

/** The tuning job and trial in the name of a training job; null for other names. */
function tuningOf(job: string): string | null {
  return /^(.+)-\d{3,}-[0-9a-f]{8}$/.exec(job)?.[1] ?? null;
}

const kindOf: Readonly<Record<TuningStatus, EventKind>> = {
  InProgress: 'tuning.in-progress',
  Completed: 'tuning.completed',
  Failed: 'tuning.failed',
  Stopping: 'tuning.stopping',
  Stopped: 'tuning.stopped',
};

/** Events of training jobs and a loop lead to the next step of a tuning job. */
export class TuningJobs implements Tuning {
  readonly #deps: TuningJobsDeps;
  readonly #run: TuningRun;
  readonly #loop: Loop;
  /** Serializes the steps and status changes of a job. */
  #last: Promise<unknown> = Promise.resolve();
  #unsubscribe = (): void => undefined;
  #isClosed = false;

  constructor(deps: TuningJobsDeps) {
    this.#deps = deps;
    this.#run = new TuningRun(deps);
    const onFailure = (error: unknown): void => deps.log.warn({ error: messageOf(error) }, 'failed to check the tuning jobs, will retry');
    this.#loop = new Loop({ clock: deps.clock, everyMs: tickMs, run: () => this.#tick(), onFailure });
  }

  /** Continues the jobs of the previous server, and begins new ones. */
  serve(): void {
    this.#loop.open();
    // The next trial starts when one ends, not with the next tick.
    this.#unsubscribe = this.#deps.events.subscribe(({ kind, subject }) => {
      const tuning = endingKinds.has(kind) ? tuningOf(subject) : null;
      if (tuning !== null) void this.#advanceSoon(tuning);
    });
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    this.#unsubscribe();
    await this.#loop.close();
    await this.#last;
  }

  /**
   * Checks the spec by means of its first trial, so that a job that cannot start is rejected here. Throws `invalid_request`, or
   * `already_exists`.
   */
  async create(created: NewTuningSpec, who: string, options: NewTuningJob = {}): Promise<TuningJob> {
    const { rows, clock, events, training, random } = this.#deps;
    const spec = { ...created, seed: created.seed ?? Math.floor(random.next() * 2 ** 32) };
    checkTuningSpec(spec);
    const hyperparameters = trialHyperparameters(spec, randomValues(spec.ranges, random));
    await training.check({ ...spec.training, name: `${spec.name}-001`, hyperparameters }, who);
    const nowMs = clock.wallMs();
    const progress: TuningProgress = { status: 'InProgress', reason: null, endedAtMs: null, ending: null, ...summaryOf([], spec) };
    const { document = null, trainingDocument = null, hook } = options;
    const stored: StoredTuning = { spec, document, trainingDocument, createdBy: who, progress, createdAtMs: nowMs, updatedAtMs: nowMs };
    const event = await rows.transact(async (tx) => {
      await this.#checkRoom(tx);
      await rows.add(tx, stored);
      await hook?.(tx);
      await this.#audit(tx, who, 'CreateHyperParameterTuningJob', spec.name, auditDetail(spec));
      return this.#recordEvent(tx, stored);
    });
    events.publish(event);
    await training.releaseSource(spec.training);
    void this.#advanceSoon(spec.name);
    return viewOf(stored);
  }

  async find(name: string): Promise<TuningJob | null> {
    const stored = await this.#deps.rows.find(name);
    return stored === null ? null : viewOf(stored);
  }

  async get(name: string): Promise<TuningJob> {
    const found = await this.find(name);
    if (found !== null) return found;
    throw missing(name);
  }

  async list(filter: TuningJobFilter): Promise<readonly TuningJob[]> {
    return (await this.#deps.rows.list(filter)).map(viewOf);
  }

  async trials(name: string): Promise<readonly TuningTrial[]> {
    const { rows } = this.#deps;
    if ((await rows.find(name)) === null) throw missing(name);
    return rows.trials(name);
  }

  async nextName(stem: string): Promise<string> {
    const prefix = `${stem.slice(0, 24).replace(/-+$/, '')}-`;
    const numbers = (await this.#deps.rows.namesLike(prefix))
      .map((name) => name.slice(prefix.length))
      .filter((rest) => /^[1-9]\d{0,6}$/.test(rest));
    return `${prefix}${Math.max(0, ...numbers.map(Number)) + 1}`;
  }

  /** Stores that it is to stop; its trials are stopped afterwards. Throws `not_found`, or `wrong_state` if it is over. */
  async stop(name: string, who: string): Promise<TuningJob> {
    await this.#serially(async () => {
      // It may have ended, or been stopped by another call, while this one waited.
      const { spec, progress } = await this.#stored(name);
      if (isTuningOver(progress)) throw overAlready(progress);
      if (progress.status === 'Stopping') return;
      const alongside = (tx: Transaction): Promise<void> => this.#audit(tx, who, 'StopHyperParameterTuningJob', spec.name, {});
      await this.#change(name, { status: 'Stopping', ending: 'Stopped' }, alongside);
    });
    const stopping = await this.get(name);
    void this.#advanceSoon(name);
    return stopping;
  }

  /** Its training jobs stay. Throws `not_found`, or `wrong_state` while it runs. */
  async delete(name: string, who: string): Promise<void> {
    const { rows, discardSource, training } = this.#deps;
    const { spec, progress } = await this.#stored(name);
    if (!isTuningOver(progress))
      throw new PlatformError('wrong_state', `The tuning job ${spec.name} is ${progress.status}: stop it first.`);
    await rows.transact(async (tx) => {
      await rows.remove(tx, name);
      await this.#audit(tx, who, 'DeleteHyperParameterTuningJob', spec.name, {});
    });
    if (spec.training.source !== null) await discardSource(spec.training.source.sha256);
    await training.releaseUploads(spec.training);
  }

  async #tick(): Promise<void> {
    for (const { spec } of await this.#deps.rows.unfinished()) await this.#advanceSoon(spec.name);
  }

  /** Never rejects. */
  #advanceSoon(name: string): Promise<void> {
    return this.#serially(() => this.#advance(name)).catch((error: unknown) => {
      this.#deps.log.warn({ tuning: name, error: messageOf(error) }, 'failed to advance a tuning job, will retry');
    });
  }

  #serially(run: () => Promise<void>): Promise<void> {
    const next = this.#last.then(run);
    this.#last = next.catch(() => undefined);
    return next;
  }

  async #checkRoom(tx: Transaction): Promise<void> {
    const { rows, unfinishedMax } = this.#deps;
    const count = await rows.countUnfinished(tx);
    if (count >= unfinishedMax)
      throw new PlatformError('overloaded', `${count} tuning jobs have not ended, which is the limit: stop one, or wait until one ends`);
  }

  /** One step of a job: updates its trials, starts further ones, and ends it when all have ended. */
  async #advance(name: string): Promise<void> {
    const stored = this.#isClosed ? null : await this.#deps.rows.find(name);
    if (stored === null || isTuningOver(stored.progress)) return;
    const { trials, isExhausted, stopped } = await this.#run.advance(stored);
    let progress = await this.#summarized(stored, trials);
    if (stopped !== null && progress.ending === null) {
      // If the job is complete early or out of time, trials that still run are stopped.
      progress = await this.#change(name, { status: 'Stopping', ...stopped });
      await this.#run.stopTrials(stored.spec, trials);
    }
    if (!trials.every(isTrialOver) || (progress.ending === null && !isExhausted)) return;
    const hasSucceeded = trials.some(({ objective }) => objective !== null);
    const failed = { status: 'Failed', reason: failureOf(trials, stored.spec) } as const;
    const end = progress.ending ?? (hasSucceeded ? 'Completed' : null);
    const ended = end === null ? failed : { status: end };
    await this.#change(name, { ...ended, endedAtMs: this.#deps.clock.wallMs() });
  }

  /** Stores the state of its trials, for readers of the job. */
  async #summarized({ spec, progress }: StoredTuning, trials: readonly TuningTrial[]): Promise<TuningProgress> {
    const { rows, clock } = this.#deps;
    const now = { ...progress, ...summaryOf(trials, spec) };
    if (!isDeepStrictEqual(now, progress)) await rows.transact((tx) => rows.write(tx, spec.name, now, clock.wallMs()));
    return now;
  }

  /** With its event, in one transaction. */
  async #change(name: string, patch: Partial<TuningProgress>, alongside?: (tx: Transaction) => Promise<void>): Promise<TuningProgress> {
    const { rows, clock, events } = this.#deps;
    const { progress, event } = await rows.transact(async (tx) => {
      const stored = await rows.find(name, tx);
      if (stored === null) throw missing(name);
      const progress = { ...stored.progress, ...summaryOf(await rows.trials(name, tx), stored.spec), ...patch };
      await rows.write(tx, name, progress, clock.wallMs());
      await alongside?.(tx);
      return { progress, event: await this.#recordEvent(tx, { ...stored, progress }) };
    });
    events.publish(event);
    return progress;
  }

  #recordEvent(tx: Transaction, { spec, progress }: StoredTuning): Promise<PlatformEvent> {
    const { status, reason, counts, best } = progress;
    const detail = { status, reason, counts, best: best?.job ?? null };
    return this.#deps.events.record(tx, { kind: kindOf[status], subject: spec.name, detail });
  }

  async #stored(name: string): Promise<StoredTuning> {
    const stored = await this.#deps.rows.find(name);
    if (stored !== null) return stored;
    throw missing(name);
  }

  async #audit(
    tx: Transaction,
    who: string,
    action: AuditAction,
    target: string,
    detail: Readonly<Record<string, unknown>>,
  ): Promise<void> {
    await this.#deps.audit.record(tx, { who, action, target, outcome: 'ok', detail });
  }
}

function isTuningOver({ status }: Pick<TuningProgress, 'status'>): boolean {
  return status === 'Completed' || status === 'Failed' || status === 'Stopped';
}

function viewOf({ spec, progress, document, createdBy, createdAtMs, updatedAtMs }: StoredTuning): TuningJob {
  const { status, reason, counts, best, endedAtMs } = progress;
  return { spec, status, reason, counts, best, createdAtMs, updatedAtMs, endedAtMs, document, createdBy };
}

function summaryOf(trials: readonly TuningTrial[], spec: Pick<TuningSpec, 'goal'>): Pick<TuningProgress, 'counts' | 'best'> {
  const count = (matches: (trial: TuningTrial) => boolean): number => trials.filter(matches).length;
  const counts = {
    completed: count((trial) => trial.status === 'Completed'),
    inProgress: count((trial) => !isTrialOver(trial)),
    failed: count((trial) => trial.status === 'Failed'),
    stopped: count((trial) => trial.status === 'Stopped'),
    judged: count((trial) => trial.objective !== null),
    unjudged: count((trial) => isTrialOver(trial) && trial.objective === null),
  };
  return { counts, best: bestOf(trials, spec) };
}

function bestOf(trials: readonly TuningTrial[], { goal }: Pick<TuningSpec, 'goal'>): TuningTrial | null {
  let best: TuningTrial | null = null;
  for (const trial of trials) {
    const value = trial.objective;
    if (value !== null && (best === null || isBetter(value, best.objective as number, goal))) best = trial;
  }
  return best;
}

function failureOf(trials: readonly TuningTrial[], { metric }: TuningSpec): string {
  const [first] = trials.flatMap(({ reason }) => (reason === null ? [] : [reason]));
  return `No training job reported ${metric}${first === undefined ? '' : `; the first one that failed: ${first}`}`.slice(0, 1024);
}

function auditDetail({ strategy, goal, metric, maxJobs, maxParallel, ranges, training }: TuningSpec): Record<string, unknown> {
  const names = ranges.map(({ name }) => name);
  const hyperparameters = maskedHyperparameters(training.hyperparameters);
  return { strategy, goal, metric, maxJobs, maxParallel, ranges: names, hyperparameters, instanceType: training.instanceType };
}

function overAlready({ status }: TuningProgress): PlatformError {
  return new PlatformError('wrong_state', `The request was rejected because the hyperparameter tuning job is in status ${status}.`);
}

function missing(name: string): PlatformError {
  return new PlatformError('not_found', `there is no tuning job '${name.slice(0, 80)}'`);
}
