/** The nouns of the registry, and how they stand in the database. */
import { PlatformError } from '../errors.ts';
import { checkName } from '../objective.ts';
import type { Signature } from '../tensor.ts';
import type { Approval } from './approval.ts';

export interface ModelGroup {
  readonly name: string;
  readonly description: string;
  readonly tags: Readonly<Record<string, string>>;
  readonly createdAtMs: number;
  /** How many versions it holds; deleted ones do not count. */
  readonly versions: number;
  /** The highest version it holds, and the highest that is Approved; null where there is none. */
  readonly latestVersion: number | null;
  readonly latestApproved: number | null;
}

export interface ModelVersion {
  /** The group's name as it was first written. */
  readonly group: string;
  readonly version: number;
  /** `digits/3` */
  readonly name: string;
  readonly approval: Approval;
  /** Who decided, when and why; null while it is pending. */
  readonly approvalChangedBy: string | null;
  readonly approvalChangedAtMs: number | null;
  readonly approvalNote: string | null;
  readonly description: string;
  readonly metadata: Readonly<Record<string, string>>;
  readonly metrics: Readonly<Record<string, number>>;
  readonly tags: Readonly<Record<string, string>>;
  /** What the workers load; differs from the source where the model was rewritten, see `notes`. */
  readonly artifact: { readonly sha256: string; readonly bytes: number };
  readonly sourceSha256: string;
  readonly sourceName: string;
  readonly signature: Signature;
  /** Operator set by domain; ONNX's own is `ai.onnx`. */
  readonly opsets: Readonly<Record<string, number>>;
  readonly producer: string;
  /** The metadata_props of the file. */
  readonly properties: Readonly<Record<string, string>>;
  /** What the user should know about the file, such as a rewritten output. */
  readonly notes: readonly string[];
  readonly batchable: boolean;
  readonly batchableReason: string;
  readonly runtime: ModelRuntime;
  readonly createdBy: string;
  readonly createdAtMs: number;
}

/** What runs a model: the built-in worker, or a command of its own that speaks the container contract. */
export type ModelRuntime =
  | { readonly kind: 'onnx' }
  | {
      readonly kind: 'process';
      /** As it was given; the images table said which command it stands for. */
      readonly image: string;
      /** `serve` comes after it. */
      readonly command: readonly string[];
      /** The image's own variables and the model's, which win. May hold secrets. */
      readonly environment: Readonly<Record<string, string>>;
      /** How many requests an instance of it takes at once. */
      readonly concurrency: number;
    };

/** Names are unique without case: this is what the database compares. */
export function keyOf(name: string): string {
  return name.toLowerCase();
}

export interface Reference {
  readonly group: string;
  /** null: the latest Approved one. */
  readonly version: number | null;
}

/** Reads `digits/3` or `digits`. Throws `invalid_request`. */
export function parseReference(text: string): Reference {
  const [group = '', version, ...rest] = text.split('/');
  checkName('group', group);
  if (version === undefined) return { group, version: null };
  const isNumber = /^[1-9]\d{0,8}$/.test(version);
  if (!isNumber || rest.length > 0) {
    throw new PlatformError('invalid_request', `'${text.slice(0, 100)}' names no model version: expected GROUP/NUMBER, such as digits/3`);
  }
  return { group, version: Number(version) };
}

/** A row of model_versions, with the name of its group. */
export interface VersionRow {
  readonly group_name: string;
  readonly version: number;
  readonly approval: string;
  readonly approval_changed_by: string | null;
  readonly approval_changed_at: number | null;
  readonly approval_note: string | null;
  readonly description: string;
  readonly metadata: string;
  readonly metrics: string;
  readonly tags: string;
  readonly artifact_sha256: string;
  readonly artifact_bytes: number;
  readonly source_sha256: string;
  readonly source_name: string;
  readonly signature: string;
  readonly opsets: string;
  readonly producer: string;
  readonly properties: string;
  readonly notes: string;
  readonly batchable: number;
  readonly batchable_reason: string;
  readonly runtime: string;
  readonly created_by: string;
  readonly created_at: number;
}

export function versionOf(row: VersionRow): ModelVersion {
  return {
    group: row.group_name,
    version: row.version,
    name: `${row.group_name}/${row.version}`,
    approval: row.approval as Approval,
    approvalChangedBy: row.approval_changed_by,
    approvalChangedAtMs: row.approval_changed_at,
    approvalNote: row.approval_note,
    description: row.description,
    metadata: JSON.parse(row.metadata) as Record<string, string>,
    metrics: JSON.parse(row.metrics) as Record<string, number>,
    tags: JSON.parse(row.tags) as Record<string, string>,
    artifact: { sha256: row.artifact_sha256, bytes: row.artifact_bytes },
    sourceSha256: row.source_sha256,
    sourceName: row.source_name,
    signature: JSON.parse(row.signature) as Signature,
    opsets: JSON.parse(row.opsets) as Record<string, number>,
    producer: row.producer,
    properties: JSON.parse(row.properties) as Record<string, string>,
    notes: JSON.parse(row.notes) as string[],
    batchable: row.batchable === 1,
    batchableReason: row.batchable_reason,
    runtime: JSON.parse(row.runtime) as ModelRuntime,
    createdBy: row.created_by,
    createdAtMs: row.created_at,
  };
}
