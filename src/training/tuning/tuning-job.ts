/** A tuning job as callers see it, and the operations on tuning jobs. */
import type { JobFilter, Transaction } from '../../storage/index.ts';
import type { TrainingSpec } from '../spec.ts';
import type { TrainingStatus } from '../training-job.ts';
import type { ParameterValues, TuningSearch } from './search.ts';
import type { HalvingResources } from './stopping-rules.ts';

/** As SageMaker has them. */
export type TuningStatus = 'InProgress' | 'Completed' | 'Failed' | 'Stopping' | 'Stopped';

/** What was requested, with defaults filled in. */
export interface TuningSpec extends TuningSearch {
  readonly name: string;
  /** The metric of the training jobs to minimize or to maximize. */
  readonly metric: string;
  readonly maxJobs: number;
  readonly maxParallel: number;
  /** Counted from its creation; null: no limit. */
  readonly maxRuntimeMs: number | null;
  /** Stops trials by the median rule. */
  readonly stopsEarly: boolean;
  /** For strategy Hyperband. */
  readonly resources: HalvingResources;
  /** The tuning job is complete once a trial reaches this value; null: no target. */
  readonly target: number | null;
  /** The tuning job is complete after N trials in a row without an improvement; null: no such limit. */
  readonly notImprovingMax: number | null;
  readonly seed: number;
  /** The training job of each trial, apart from its name and values. */
  readonly training: TrainingSpec;
}

/** Without a seed it gets a random one. */
export type NewTuningSpec = Omit<TuningSpec, 'seed'> & { readonly seed: number | null };

/** `Waiting`: its training job has not been created yet. */
export type TrialStatus = TrainingStatus | 'Waiting';

/** One trial. Times are epoch milliseconds. */
export interface TuningTrial {
  /** Counts from 1. */
  readonly number: number;
  /** The name of its training job. */
  readonly job: string;
  readonly values: ParameterValues;
  readonly status: TrialStatus;
  /** The last value of the metric, once the trial has ended. */
  readonly objective: number | null;
  /** Stopped because others were better after the same number of reports. */
  readonly isStoppedEarly: boolean;
  readonly reason: string | null;
  /** The machine of its training job; null or absent as there. */
  readonly host?: string | null;
  readonly createdAtMs: number;
  readonly startedAtMs: number | null;
  readonly endedAtMs: number | null;
}

/** Trials by what became of them. */
export interface TuningCounts {
  readonly completed: number;
  readonly inProgress: number;
  readonly failed: number;
  readonly stopped: number;
  /** Ended trials that reported the metric. */
  readonly judged: number;
  /** Ended trials that reported no value of the metric. */
  readonly unjudged: number;
}

/** A tuning job as callers see it. */
export interface TuningJob {
  readonly spec: TuningSpec;
  readonly status: TuningStatus;
  /** Why it failed, or was complete before its last trial. */
  readonly reason: string | null;
  readonly counts: TuningCounts;
  /** The best trial so far; null if none has reported the metric. */
  readonly best: TuningTrial | null;
  readonly createdAtMs: number;
  readonly updatedAtMs: number;
  readonly endedAtMs: number | null;
  /** The AWS request that created the job, as received; null for other jobs. */
  readonly document: Readonly<Record<string, unknown>> | null;
  readonly createdBy: string;
}

export interface TuningJobFilter extends JobFilter {
  readonly status?: TuningStatus | undefined;
}

/** What is stored with a new tuning job beyond its spec. */
export interface NewTuningJob {
  /** The AWS request as received. */
  readonly document?: Readonly<Record<string, unknown>>;
  /** The members of CreateTrainingJob that all trials share. */
  readonly trainingDocument?: Readonly<Record<string, unknown>>;
  /** Runs in the transaction that stores the job. */
  readonly hook?: (tx: Transaction) => Promise<void>;
}

/** All operations on tuning jobs. Names match without case. */
export interface Tuning {
  /** Throws what `Training.create` throws; `invalid_request` for ranges that cannot be searched, `overloaded` if too many tuning jobs run. */
  create(spec: NewTuningSpec, who: string, options?: NewTuningJob): Promise<TuningJob>;
  find(name: string): Promise<TuningJob | null>;
  /** Throws `not_found`. */
  get(name: string): Promise<TuningJob>;
  list(filter: TuningJobFilter): Promise<readonly TuningJob[]>;
  /** In order of their numbers. Throws `not_found`. */
  trials(name: string): Promise<readonly TuningTrial[]>;
  /** Stops its training jobs, too. Does nothing if it is already stopping. Throws `not_found`, `wrong_state` if it has ended. */
  stop(name: string, who: string): Promise<TuningJob>;
  /** Deletes a tuning job that has ended; its training jobs stay. Throws `not_found`, `wrong_state`. */
  delete(name: string, who: string): Promise<void>;
  /** The next free name of a script or group: STEM-N. */
  nextName(stem: string): Promise<string>;
}

/** Whether the trial has reached a status that never changes again. */
export function isTrialOver({ status }: Pick<TuningTrial, 'status'>): boolean {
  return status === 'Completed' || status === 'Failed' || status === 'Stopped';
}
