/** A training job as callers see it, and the operations on training jobs. */
import type { Readable } from 'node:stream';
import type { JobFilter, Transaction } from '../storage/index.ts';
import { type JobKind, jobLogGroups, jobNameOf } from './job-kind.ts';
import type { TrainingSpec } from './spec.ts';

/** As SageMaker has them. */
export type TrainingStatus = 'InProgress' | 'Completed' | 'Failed' | 'Stopping' | 'Stopped' | 'Deleting';

/** As SageMaker has them. */
export type SecondaryStatus =
  | 'Starting'
  | 'Downloading'
  | 'Training'
  | 'Uploading'
  | 'Stopping'
  | 'Interrupted'
  | 'Restarting'
  | 'Completed'
  | 'Failed'
  | 'Stopped'
  | 'MaxRuntimeExceeded'
  | 'MaxWaitTimeExceeded';

/** A status that the job was in, for how long. */
export interface TrainingTransition {
  readonly status: SecondaryStatus;
  readonly startedAtMs: number;
  /** Null while it is the current one. */
  readonly endedAtMs: number | null;
  readonly message: string;
}

/** The last value of a metric, or one value of its series. */
export interface TrainingMetricValue {
  readonly name: string;
  readonly value: number;
  readonly atMs: number;
}

/** What a job used and cost. */
export interface TrainingUsage {
  /** From the start of Downloading to the end, without waiting between attempts; whole seconds, rounded up, at least 1. */
  readonly seconds: number;
  /** The same; of spot jobs in proportion to the lower price. */
  readonly billableSeconds: number;
  readonly usd: number;
  /** Peak of the job's memory; null if it was not measured. */
  readonly peakMiB: number | null;
}

/** The contents of a channel, for the lineage of the version. */
export interface ChannelFacts {
  readonly uri: string;
  /** sha256 of the sorted lines `key\0sha256\n`. */
  readonly sha256: string;
  readonly objects: number;
  readonly bytes: number;
}

/** A job as callers see it. */
export interface TrainingJob {
  readonly spec: TrainingSpec;
  readonly status: TrainingStatus;
  readonly secondaryStatus: SecondaryStatus;
  /** The oldest first; the last one is the current one. */
  readonly transitions: readonly TrainingTransition[];
  /** Counts from 1. */
  readonly attempt: number;
  /** The machine of the current or last attempt, a host or the node that served; null without a cluster, and before it is chosen. */
  readonly host: string | null;
  /** Why it runs there; null if there was no choice. */
  readonly placedBecause: string | null;
  readonly createdAtMs: number;
  readonly updatedAtMs: number;
  /** Start of the first Downloading. */
  readonly startedAtMs: number | null;
  /** Start of the last status. */
  readonly endedAtMs: number | null;
  readonly failureReason: string | null;
  /** The last value of each metric, by name. */
  readonly metrics: readonly TrainingMetricValue[];
  /** `s3://…/output/model.tar.gz`, from Uploading on; the folder if the output is not packed. */
  readonly artifactUri: string | null;
  /** Null before Downloading. */
  readonly usage: TrainingUsage | null;
  /** The registered version, `digits/7`. */
  readonly version: string | null;
  readonly notes: readonly string[];
  /** What a processing job wrote to `/opt/ml/output/message`; null: nothing. */
  readonly exitMessage: string | null;
  /** What was downloaded, by channel. Empty before. */
  readonly data: Readonly<Record<string, ChannelFacts>>;
  /** The AWS request that created the job, as received; null for other jobs. */
  readonly document: Readonly<Record<string, unknown>> | null;
  readonly createdBy: string;
}

export interface TrainingJobFilter extends JobFilter {
  /** Default: `training`. */
  readonly kind?: JobKind;
  readonly status?: TrainingStatus | undefined;
}

/** A line that the job printed. */
export interface TrainingOutputLine {
  readonly atMs: number;
  readonly text: string;
}

/** Lines of a job's output; `next` continues after the last of them. */
export interface TrainingOutputPage {
  readonly lines: readonly TrainingOutputLine[];
  readonly next: string | null;
}

/** What is stored with a new job beyond its spec. */
export interface NewTrainingJob {
  /** The AWS request as received. */
  readonly document?: Readonly<Record<string, unknown>>;
  /** Runs in the transaction that stores the job, for example to store tags. */
  readonly hook?: (tx: Transaction) => Promise<void>;
}

/** The log group of training jobs. */
export const trainingLogGroup = jobLogGroups.training;

/** The namespace of the metrics that jobs report. */
export const trainingMetricsNamespace = jobLogGroups.training;

/** The log stream of a job in the group of its kind: one per job, also over several attempts. */
export function trainingLogStream({ spec, createdAtMs }: Pick<TrainingJob, 'spec' | 'createdAtMs'>): string {
  return `${jobNameOf(spec.name)}/algo-1-${Math.floor(createdAtMs / 1000)}`;
}

/** An uploaded archive, held for a job. */
export interface AddedSource {
  readonly sha256: string;
  readonly bytes: number;
  /** Number of files. */
  readonly files: number;
  /** Call it if no job uses it: only a few sources can wait for their jobs at once. */
  readonly discard: () => Promise<void>;
}

/** All operations on training jobs, and on processing jobs by `processingJobId`. Names match without case. */
export interface Training {
  /**
   * Stores an archive of source code (tar or tar.gz) for `TrainingSpec.source`. Throws `invalid_request` for an archive that cannot be
   * unpacked within its bounds, `too_large`.
   */
  addSource(archive: Readable): Promise<AddedSource>;
  /**
   * Throws `invalid_request`, `not_found` (bucket, environment), `already_exists`, `overloaded` if too many jobs wait, `forbidden` if the
   * caller may not run code here, `unsupported` if jobs cannot be isolated.
   */
  create(spec: TrainingSpec, who: string, options?: NewTrainingJob): Promise<TrainingJob>;
  /** Throws what `create` would throw for the spec, except `already_exists` and `overloaded`. */
  check(spec: TrainingSpec, who: string): Promise<void>;
  /** Something other than a job now refers to the source of the spec. */
  releaseSource(spec: Pick<TrainingSpec, 'source'>): Promise<void>;
  /** Deletes the data that was uploaded with the spec, unless another job or tuning job uses it. Never throws. */
  releaseUploads(spec: Pick<TrainingSpec, 'channels'>): Promise<void>;
  /** The next free name of the jobs of a group: GROUP-N. */
  nextName(group: string): Promise<string>;
  find(name: string): Promise<TrainingJob | null>;
  /** Throws `not_found`. */
  get(name: string): Promise<TrainingJob>;
  list(filter: TrainingJobFilter): Promise<readonly TrainingJob[]>;
  /** Does nothing if the job is already stopping. Throws `not_found`, `wrong_state` if the job has ended. */
  stop(name: string, who: string): Promise<TrainingJob>;
  /** Deletes a job that has ended, with its log, its metrics, and data that was uploaded for it alone; its artifacts stay. Throws `not_found`, `wrong_state`. */
  delete(name: string, who: string): Promise<void>;
  /** Replaces the stored AWS request. Throws `not_found`. */
  setDocument(name: string, document: Readonly<Record<string, unknown>>, who: string): Promise<void>;
  /** Throws `not_found`. `after` is `next` of the previous page. */
  output(name: string, page: { readonly after?: string | null; readonly limit: number }): Promise<TrainingOutputPage>;
  /** The values of the job's metrics in order of time, at most 10,000. Throws `not_found`. */
  metrics(name: string): Promise<readonly TrainingMetricValue[]>;
  /** All values of one metric in order, those of the same second as their mean. None for an unknown job. */
  reports(name: string, metric: string): Promise<readonly number[]>;
  /** Resolves at the next change of the status or secondary status, when the signal aborts, or at once if the job has ended or cannot be read. Never rejects. */
  changed(name: string, signal: AbortSignal): Promise<void>;
}
