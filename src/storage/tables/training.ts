/** Training jobs. */

/** A training or processing job. */
export interface TrainingJobsTable {
  name_key: string;
  name: string;
  /** `InProgress`, `Completed`, `Failed`, `Stopping`, `Stopped`, `Deleting`. */
  state: string;
  /** JSON: the spec, the AWS request, and the key that created the job. */
  document: string;
  /** JSON: everything that changes while the job runs. */
  progress: string;
  /** The uploaded archive of its code, which is referenced in the object store. */
  source_sha256: string | null;
  /** The group of a version to register, in lower case. */
  group_key: string | null;
  /** `digits/7`: written in the transaction that registers it. */
  version: string | null;
  created_at: number;
  updated_at: number;
}

/** A tuning job. Its training jobs are rows of `TrainingJobsTable`. */
export interface TuningJobsTable {
  name_key: string;
  name: string;
  /** `InProgress`, `Completed`, `Failed`, `Stopping`, `Stopped`. */
  state: string;
  /** JSON: the spec, the AWS request, the members of its training jobs, and the key that created the job. */
  document: string;
  /** JSON: everything that changes while the job runs. */
  progress: string;
  /** The uploaded archive of its code, which is referenced in the object store. */
  source_sha256: string | null;
  created_at: number;
  updated_at: number;
}

/** One trial: the values that it tries, and its training job. */
export interface TuningTrialsTable {
  tuning_key: string;
  /** Counts from 1 within the tuning job. */
  number: number;
  /** JSON: the values that it tries, its training job, and what became of it. */
  document: string;
}
