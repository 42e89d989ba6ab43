/** Pipelines: their revisions, and their runs. */

/** A pipeline, and what its triggers have handled. */
export interface PipelinesTable {
  name_key: string;
  name: string;
  /** The newest one, which new runs use. */
  revision: number;
  /** 1 if its triggers start runs. */
  is_enabled: number;
  /** JSON: the trigger that waits for its run; null if none does. */
  waiting: string | null;
  /** All due times up to here are handled. */
  schedule_handled_at: number;
  /** When its last run started; null before the first. */
  last_started_at: number | null;
  created_at: number;
  updated_at: number;
}

/** A revision never changes: a run continues with the one it began with. */
export interface PipelineRevisionsTable {
  name_key: string;
  revision: number;
  /** The file as it was applied. */
  file: string;
  /** JSON: what the file says, and where its code came from. */
  document: string;
  /** The archive of its code, which is referenced in the object store. */
  source_sha256: string | null;
  applied_by: string;
  applied_at: number;
}

/** A run. A restarted server continues it from `document`. */
export interface PipelineRunsTable {
  name_key: string;
  /** Counts from 1. */
  number: number;
  revision: number;
  /** `InProgress`, `Completed`, `Failed`, `Stopped`. */
  state: string;
  /** JSON: everything that changes while it runs. */
  document: string;
  /** Identifies the rows that its test was made on; null if none was. */
  holdout: string | null;
  started_at: number;
  ended_at: number | null;
}

/** An execution of SageMaker's pipelines, which is interpreted here. */
export interface PipelineExecutionsTable {
  /** 12 letters and digits. */
  id: string;
  /** The name of a pipeline of the AWS API, in lower case. */
  pipeline_key: string;
  /** `Executing`, `Stopping`, `Stopped`, `Failed`, `Succeeded`. */
  state: string;
  /** JSON: the definition, the parameters, and what became of each step. */
  document: string;
  created_at: number;
  updated_at: number;
}

/** A test of a run on the rows of a holdout. */
export interface HoldoutUsesTable {
  holdout: string;
  /** `loop/12/1796013078341`: also when it started, because another pipeline of the name counts from 1 again. */
  run: string;
}
