/**
 * One step of a tuning job: updates its trials, stops some, and starts others. Each step can be repeated, because the
 * server may be killed in the middle of it: a trial is stored before its training job is created, under the trial's name.
 */
import { createHash } from 'node:crypto';
import type { Clock } from '../../clock.ts';
import { messageOf, PlatformError } from '../../errors.ts';
import { SeededRandom } from '../../random.ts';
import type { Training, TrainingJob } from '../training-job.ts';
import { gridSize, propose } from './propose.ts';
import type { ParameterValues } from './search.ts';
import { decideHalving, decideMedian, isBetter, type Reports } from './stopping-rules.ts';
import { isTrialOver, type TuningSpec, type TuningTrial } from './tuning-job.ts';
import type { StoredTuning, TuningProgress, TuningRows } from './tuning-rows.ts';
import { objectiveHyperparameter } from './tuning-spec.ts';

/** What a step uses. */
export interface TuningRunDeps {
  readonly rows: TuningRows;
  readonly clock: Pick<Clock, 'wallMs'>;
  readonly training: Pick<Training, 'create' | 'find' | 'stop' | 'reports'>;
  /** Throws `forbidden` if the key that created the tuning job may no longer train. */
  readonly checkCreator: (who: string) => void;
}

/** What a step found. */
export interface TuningAdvance {
  readonly trials: readonly TuningTrial[];
  /** No further trial will be started. */
  readonly isExhausted: boolean;
  /** Why the job ends before that; null if it continues. */
  readonly stopped: Pick<TuningProgress, 'ending' | 'reason'> | null;
}

/** Of all tuning jobs together: more are read again. */
const readMax = 2000;

/** Holds no state that a restart would miss. */
export class TuningRun {
  readonly #deps: TuningRunDeps;
  /** Reports of trials that are over, by training job: they do not change any more, and each step compares with all of them. */
  readonly #read = new Map<string, Reports>();

  constructor(deps: TuningRunDeps) {
    this.#deps = deps;
  }

  /**
   * One step of a tuning job: reads the states of its trials, stops it or trials that cannot win, and starts as many new ones as may run at
   * once. Called again after each change, so it must not repeat what is stored.
   */
  async advance(stored: StoredTuning): Promise<TuningAdvance> {
    const { spec, progress } = stored;
    let trials = await this.#updated(stored, await this.#deps.rows.trials(spec.name));
    if (progress.ending !== null) {
      await this.stopTrials(spec, trials);
      return { trials, isExhausted: true, stopped: null };
    }
    const stopped = this.#endOf(stored, trials);
    if (stopped !== null) return { trials, isExhausted: true, stopped };
    await this.#stopLosing(spec, trials);
    trials = await this.#withoutWaiting(stored, trials);
    const most = trialsMax(spec);
    while (trials.length < most && trials.filter((trial) => !isTrialOver(trial)).length < spec.maxParallel) {
      const next = this.#nextTrial(stored, trials);
      if (next === null) return { trials, isExhausted: true, stopped: null };
      await this.#deps.rows.transact((tx) => this.#deps.rows.addTrial(tx, spec.name, next));
      trials = [...trials, await this.#started(stored, next)];
    }
    return { trials, isExhausted: trials.length >= most, stopped: null };
  }

  /** Stops all running training jobs, and cancels those that were not created yet. */
  async stopTrials(spec: TuningSpec, trials: readonly TuningTrial[]): Promise<void> {
    for (const trial of trials) if (!isTrialOver(trial)) await this.#stopTrial(spec, trial);
  }

  /** Why the job ends although trials are left: its time limit, its target, or no improvement. */
  #endOf({ spec, createdBy, createdAtMs }: StoredTuning, trials: readonly TuningTrial[]): TuningAdvance['stopped'] {
    try {
      this.#deps.checkCreator(createdBy);
    } catch (error) {
      return { ending: 'Failed', reason: messageOf(error) };
    }
    const { maxRuntimeMs, target, notImprovingMax, goal, metric } = spec;
    if (maxRuntimeMs !== null && this.#deps.clock.wallMs() - createdAtMs >= maxRuntimeMs)
      return { ending: 'Stopped', reason: `The tuning job ran for its maximum of ${maxRuntimeMs / 1000} s` };
    const judged = trials.flatMap(({ objective, job }) => (objective === null ? [] : [{ objective, job }]));
    const reached = target === null ? undefined : judged.find(({ objective }) => objective === target || isBetter(objective, target, goal));
    if (reached !== undefined) return { ending: 'Completed', reason: `${reached.job} reached the target: ${metric} ${reached.objective}` };
    if (notImprovingMax === null) return null;
    const bestAt = judged.reduce(
      (best, { objective }, at) => (isBetter(objective, judged[best]?.objective ?? objective, goal) ? at : best),
      0,
    );
    if (judged.length - 1 - bestAt < notImprovingMax) return null;
    return { ending: 'Completed', reason: `${notImprovingMax} training jobs in turn were not better than ${judged[bestAt]?.job}` };
  }

  /** Creates the training jobs that are missing because too many waited or the server was killed. */
  async #withoutWaiting(stored: StoredTuning, trials: readonly TuningTrial[]): Promise<TuningTrial[]> {
    const started: TuningTrial[] = [];
    for (const trial of trials) started.push(trial.status === 'Waiting' ? await this.#started(stored, trial) : trial);
    return started;
  }

  /** Reads the training jobs of all trials that have not ended. */
  async #updated(stored: StoredTuning, trials: readonly TuningTrial[]): Promise<TuningTrial[]> {
    const updated: TuningTrial[] = [];
    for (const trial of trials) updated.push(isTrialOver(trial) ? trial : await this.#updatedTrial(stored, trial));
    return updated;
  }

  async #updatedTrial(stored: StoredTuning, trial: TuningTrial): Promise<TuningTrial> {
    const job = await this.#deps.training.find(trial.job);
    if (job !== null) return this.#write(stored, trial, trialAfter(trial, job, stored.spec));
    if (trial.status !== 'Waiting') return this.#end(stored, trial, 'Stopped', 'The training job was deleted');
    // Whether its training job is still created depends on the other trials and on the rights of the key.
    return stored.progress.ending === null ? trial : this.#end(stored, trial, 'Stopped', null);
  }

  /** Creates the training job of a trial. One that cannot be created has failed; if too many jobs wait, it is created later. */
  async #started(stored: StoredTuning, trial: TuningTrial): Promise<TuningTrial> {
    const { spec, createdBy, trainingDocument } = stored;
    const hyperparameters = trialHyperparameters(spec, trial.values);
    const members = { ...trainingDocument, TrainingJobName: trial.job, HyperParameters: hyperparameters };
    const document = trainingDocument === null ? {} : { document: members };
    try {
      const job = await this.#deps.training.create({ ...spec.training, name: trial.job, hyperparameters }, createdBy, document);
      return await this.#write(stored, trial, trialAfter(trial, job, spec));
    } catch (error) {
      if (!(error instanceof PlatformError)) throw error;
      if (error.code === 'overloaded') return trial;
      return this.#end(stored, trial, 'Failed', error.message);
    }
  }

  #end(stored: StoredTuning, trial: TuningTrial, status: 'Failed' | 'Stopped', reason: string | null): Promise<TuningTrial> {
    return this.#write(stored, trial, { ...trial, status, reason, endedAtMs: this.#deps.clock.wallMs() });
  }

  async #write({ spec }: StoredTuning, before: TuningTrial, after: TuningTrial): Promise<TuningTrial> {
    if (JSON.stringify(before) !== JSON.stringify(after)) await this.#deps.rows.writeTrial(spec.name, after);
    return after;
  }

  /** Stops trials that are worse than others after the same number of reports. */
  async #stopLosing(spec: TuningSpec, trials: readonly TuningTrial[]): Promise<void> {
    const isHalving = spec.strategy === 'Hyperband';
    if (!isHalving && !spec.stopsEarly) return;
    const running = trials.filter(({ status, isStoppedEarly }) => status === 'InProgress' && !isStoppedEarly);
    if (running.length === 0) return;
    const reports = new Map<number, Reports>();
    for (const trial of trials)
      if (trial.status !== 'Waiting' && trial.status !== 'Failed') reports.set(trial.number, await this.#reportsOf(spec, trial));
    const of = (all: readonly TuningTrial[]): Reports[] => all.map(({ number }) => reports.get(number) ?? []);
    for (const trial of running) {
      const own = reports.get(trial.number) ?? [];
      const losing = isHalving
        ? decideHalving(own, of(trials.filter(({ number }) => number !== trial.number)), spec.goal, spec.resources)
        : decideMedian(own, of(trials.filter(({ status }) => status === 'Completed')), spec.goal);
      if (!losing) continue;
      await this.#deps.rows.writeTrial(spec.name, { ...trial, isStoppedEarly: true });
      await this.#stopTrial(spec, trial);
    }
  }

  async #reportsOf({ metric }: TuningSpec, { job, status }: TuningTrial): Promise<Reports> {
    const known = this.#read.get(job);
    if (known !== undefined) return known;
    const reports = await this.#deps.training.reports(job, metric);
    if (!isTrialOver({ status })) return reports;
    if (this.#read.size >= readMax) this.#read.clear();
    this.#read.set(job, reports);
    return reports;
  }

  async #stopTrial({ name }: TuningSpec, { job }: TuningTrial): Promise<void> {
    try {
      await this.#deps.training.stop(job, `tuning:${name}`);
    } catch (error) {
      // It ended by itself, or was never created.
      if (!(error instanceof PlatformError && (error.code === 'wrong_state' || error.code === 'not_found'))) throw error;
    }
  }

  #nextTrial({ spec, createdAtMs: createdAt }: StoredTuning, trials: readonly TuningTrial[]): TuningTrial | null {
    const number = trials.length + 1;
    const values = propose(trials, spec, randomOf(spec, number));
    if (values === null) return null;
    const times = { createdAtMs: this.#deps.clock.wallMs(), startedAtMs: null, endedAtMs: null };
    const job = `${spec.name}-${String(number).padStart(3, '0')}-${suffixOf(spec, createdAt, number)}`;
    return { number, job, values, status: 'Waiting', objective: null, isStoppedEarly: false, reason: null, ...times };
  }
}

/** Those of the job, then those that the trial tries, and the name of the metric. */
export function trialHyperparameters({ training, metric }: TuningSpec, values: ParameterValues): Record<string, string> {
  return { ...training.hyperparameters, ...values, [objectiveHyperparameter]: metric };
}

/** A grid ends by itself. */
function trialsMax({ strategy, maxJobs, ranges }: TuningSpec): number {
  return strategy === 'Grid' ? Math.min(maxJobs, gridSize(ranges)) : maxJobs;
}

/** A trial gets the same random numbers whenever it is proposed. */
function randomOf({ seed }: TuningSpec, number: number): SeededRandom {
  return new SeededRandom(createHash('sha256').update(`${seed}/${number}`).digest().readUInt32BE());
}

/** The training jobs of a deleted tuning job stay, so those of the next one with its name need other names. */
function suffixOf({ name, seed }: TuningSpec, createdAtMs: number, number: number): string {
  return createHash('sha256')
    .update(JSON.stringify([name, seed, createdAtMs, number]))
    .digest('hex')
    .slice(0, 8);
}

function trialAfter(trial: TuningTrial, job: TrainingJob, { metric }: TuningSpec): TuningTrial {
  const { status, host, startedAtMs, endedAtMs, createdAtMs, failureReason: reason } = job;
  const isOver = isTrialOver({ status });
  const last = isOver && status !== 'Failed' ? job.metrics.find(({ name }) => name === metric) : undefined;
  return { ...trial, status, host, startedAtMs, endedAtMs, createdAtMs, reason, objective: last?.value ?? null };
}
