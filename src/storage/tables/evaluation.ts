/** Evaluations: labelled sets, and what models answered to them. */

/** A labelled set. It never changes. */
export interface EvaluationSetsTable {
  name_key: string;
  name: string;
  /** The file as uploaded. */
  sha256: string;
  bytes: number;
  /** The labels by row, read from the file. */
  labels_sha256: string;
  /** JSON: `{format, label, metric, rows, classes, fingerprints}`. */
  document: string;
  created_by: string;
  created_at: number;
}

/** Objects that a set and its outcomes need. Deleted with the set. */
export interface EvaluationFilesTable {
  set_key: string;
  sha256: string;
}

/** What one model answered to a set. Never changed: the same artifact and the same set have the same outcomes. Deleted with the set. */
export interface EvaluationOutcomesTable {
  set_key: string;
  /** Identifies the bytes that answered, and for a Python model their environment. */
  artifact_key: string;
  outcomes_sha256: string;
  /** JSON: `{evaluation, model, classes, metrics, notes}`. */
  document: string;
  evaluated_by: string;
  evaluated_at: number;
}

/** Runs of several models on one set. Deleted with the set. */
export interface EvaluationsTable {
  id: string;
  set_key: string;
  /** `InProgress`, `Completed`, `Failed`, `Stopped`. */
  state: string;
  reason: string | null;
  /** JSON: `{candidates, skipsBadLabels, pairs}`. */
  document: string;
  created_by: string;
  created_at: number;
  ended_at: number | null;
}

/** Sequences of tests that an endpoint's certificates rest on, and the error probability that each took. Deleted with the endpoint. */
export interface SelectionTestsTable {
  endpoint_key: string;
  /** The rows: the sha256 of the set, and its label column. */
  set_id: string;
  /** Sets that share rows have the same family: the `set_id` of one of them. */
  family: string;
  /** Artifact keys. */
  first_key: string;
  /** Empty for a model alone. */
  second_key: string;
  floor: number;
  delta: number;
  level: number;
  at: number;
}

/** Questions that a set has answered: which models, which accuracy. Each counts once. Deleted with the set. */
export interface EvaluationChoicesTable {
  set_key: string;
  /** A sha256 of the question. */
  choice: string;
}

/** What was counted since the plans of an endpoint were chosen, so that its evidence outlives a restart. Deleted with the endpoint. */
export interface SelectionEvidenceTable {
  endpoint_key: string;
  /** `escalation`, `agreement`. */
  kind: string;
  plan: string;
  decided_at: number;
  /** Of the evaluation. */
  baseline_rows: number;
  baseline_ones: number;
  rows: number;
  ones: number;
  fired_at_rows: number | null;
}
