/** Models, versions and profiles. */
import type { Generated } from 'kysely';
import type { Flag } from './flag.ts';

/** A group with its counter of versions. */
export interface ModelGroupsTable {
  name_key: string;
  name: string;
  description: string;
  /** JSON: `{key: value}`. */
  tags: string;
  created_at: number;
  /** The number of the next version. Only increases, so that numbers are never reused. */
  next_version: Generated<number>;
}

/** A version, with the addresses of its files in the object store. */
export interface ModelVersionsTable {
  group_key: string;
  version: number;
  approval: 'PendingManualApproval' | 'Approved' | 'Rejected';
  approval_changed_by: string | null;
  approval_changed_at: number | null;
  approval_note: string | null;
  description: string;
  /** JSON objects: `metadata` and `tags` hold strings, `metrics` the values that the author of the model measured. */
  metadata: string;
  metrics: string;
  tags: string;
  /**
   * The served file, or the manifest of the rows in version_files, whose total size is `artifact_bytes`. `source_*` is the uploaded file,
   * which may have been rewritten.
   */
  artifact_sha256: string;
  artifact_bytes: number;
  source_sha256: string;
  source_name: string;
  /** JSON: a `Signature`. */
  signature: string;
  /** JSON: `{domain: version}`. */
  opsets: string;
  producer: string;
  /** JSON: `{key: value}`, the metadata inside the file. */
  properties: string;
  /** JSON: sentences. */
  notes: string;
  batchable: Flag;
  batchable_reason: string;
  /** JSON: a `ModelRuntime`. */
  runtime: string;
  created_by: string;
  created_at: number;
}

/** The files of models that have several: those with external data. Deleted with their version. */
export interface VersionFilesTable {
  group_key: string;
  version: number;
  /** `model.onnx`, or the name of a data file relative to it. */
  path: string;
  sha256: string;
  bytes: number;
}

/** The last profile of a version on one executor. */
export interface ProfilesTable {
  group_key: string;
  version: number;
  /** The executor that was measured: `instance:local.1`, `function:1024`. */
  executor: string;
  /** JSON: a `Profile`. */
  profile: string;
  measured_at: number;
}

/** Versions that run Python. Deleted with their version. */
export interface PythonModelsTable {
  group_key: string;
  version: number;
  /** JSON: what the files say, read without running any code. */
  recognised: string;
  /** JSON: `{contentType, body, label?}`, the body as base64; null if there is none. */
  sample: string | null;
  state: 'registered' | 'opening' | 'opened' | 'failed';
  /** The approver, from the request until its outcome and after it. */
  requested_by: string | null;
  requested_at: number | null;
  note: string | null;
  /** Why the last opening failed. */
  reason: string | null;
  /** JSON: the last lines of a failed opening. */
  last_lines: string;
  /** JSON: what opening the model showed; null until then. */
  facts: string | null;
  changed_at: number;
}
