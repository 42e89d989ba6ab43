/** What the registry keeps, and the profiles of its versions. */
import type { Generated } from 'kysely';
import type { Flag } from './flag.ts';

export interface ModelGroupsTable {
  name_key: string;
  name: string;
  description: string;
  /** JSON: `{key: value}`. */
  tags: string;
  created_at: number;
  /** The number the next version gets; only ever goes up, so that no number is given twice. */
  next_version: Generated<number>;
}

export interface ModelVersionsTable {
  group_key: string;
  version: number;
  approval: 'PendingManualApproval' | 'Approved' | 'Rejected';
  approval_changed_by: string | null;
  approval_changed_at: number | null;
  approval_note: string | null;
  description: string;
  /** JSON objects: `metadata` and `tags` hold strings, `metrics` what the model's maker measured. */
  metadata: string;
  metrics: string;
  tags: string;
  /** What is served; `source_*` is what was uploaded, which may have been rewritten. */
  artifact_sha256: string;
  artifact_bytes: number;
  source_sha256: string;
  source_name: string;
  /** JSON: a `Signature`. */
  signature: string;
  /** JSON: `{domain: version}`. */
  opsets: string;
  producer: string;
  /** JSON: `{key: value}`, the file's own metadata. */
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

export interface ProfilesTable {
  group_key: string;
  version: number;
  /** What it was measured on: `instance:local.1`, `function:1024`. */
  executor: string;
  /** JSON: a `Profile`. */
  profile: string;
  measured_at: number;
}
