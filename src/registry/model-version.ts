/** Types of the registry, and their database rows. */
import { defined } from '../defined.ts';
import { PlatformError } from '../errors.ts';
import { checkName } from '../objective.ts';
import type { EnvironmentRef, PythonRuntime } from '../python-model.ts';
import type { PythonLoad } from '../runtime/index.ts';
import type { Signature } from '../tensor.ts';
import type { Approval } from './approval.ts';
import { accessOf, type ImageEntry, type ProcessAccess } from './images/images.ts';
import type { PythonModel } from './python-model.ts';
import type { ArtifactFile } from './uploads/manifest.ts';

/** A group as APIs show it. Names compare without case, and keep the spelling of their creation. */
export interface ModelGroup {
  readonly name: string;
  readonly description: string;
  readonly tags: Readonly<Record<string, string>>;
  readonly createdAtMs: number;
  /** Number of versions, without deleted ones. */
  readonly versions: number;
  /** The highest version, and the highest Approved one; null if there is none. */
  readonly latestVersion: number | null;
  readonly latestApproved: number | null;
}

/** A version as all modules see it. A snapshot: a change of its approval or metadata is a new object. */
export interface ModelVersion {
  /** The group's name as created; names are case-insensitive. */
  readonly group: string;
  readonly version: number;
  /** `digits/3` */
  readonly name: string;
  /** How operators see it if the name is generated: `shop/1 (eu.onnx)` for a model that a request to a multi-model version named. */
  readonly displayName?: string;
  readonly approval: Approval;
  /** The caller who approved or rejected the version; null while pending. The next fields have the time and the note. */
  readonly approvalChangedBy: string | null;
  readonly approvalChangedAtMs: number | null;
  readonly approvalNote: string | null;
  readonly description: string;
  readonly metadata: Readonly<Record<string, string>>;
  readonly metrics: Readonly<Record<string, number>>;
  readonly tags: Readonly<Record<string, string>>;
  /**
   * What workers load: a file or, if the model has data files, the manifest of `files`, whose total size is `bytes`. Differs from the source
   * if the model was rewritten; see `notes`.
   */
  readonly artifact: { readonly sha256: string; readonly bytes: number; readonly files?: readonly ArtifactFile[] };
  readonly sourceSha256: string;
  readonly sourceName: string;
  readonly signature: Signature;
  /** Operator set by domain; ONNX's own is `ai.onnx`. */
  readonly opsets: Readonly<Record<string, number>>;
  readonly producer: string;
  /** `metadata_props` of the ONNX file. */
  readonly properties: Readonly<Record<string, string>>;
  /** What the user should know about the file, such as a rewritten output. */
  readonly notes: readonly string[];
  readonly batchable: boolean;
  readonly batchableReason: string;
  readonly runtime: ModelRuntime;
  /** Only of a version that runs Python. */
  readonly python?: PythonModel;
  readonly createdBy: string;
  readonly createdAtMs: number;
}

/** How a model runs: in the built-in worker, in a Python worker, or as a command that implements the container contract. */
export type ModelRuntime =
  | { readonly kind: 'onnx' }
  | PythonRuntime
  | {
      readonly kind: 'process';
      /** The image as requested; the images table maps it to a command. */
      readonly image: string;
      /** `serve` is appended. */
      readonly command: readonly string[];
      /** Variables of the image and the model; the model's take precedence. Can contain secrets. */
      readonly environment: Readonly<Record<string, string>>;
      /** Concurrent requests per instance. */
      readonly concurrency: number;
      /** From the current images table; not stored with the version. */
      readonly access?: ProcessAccess;
    };

/**
 * What requests to a model consist of: `tensors` of its signature, or `bytes` that it reads itself. `stream`: bytes, and it answers with
 * one value after the other. A Python model whose form is unknown has not been opened, so it is not served.
 */
export type PayloadKind = 'tensors' | 'bytes' | 'stream';

/** What requests to such a model carry: typed tensors, or bytes that only the model understands. */
export function payloadKind(runtime: ModelRuntime): PayloadKind {
  if (runtime.kind === 'python') return runtime.form === 'bytes' || runtime.form === 'stream' ? runtime.form : 'tensors';
  return runtime.kind === 'onnx' ? 'tensors' : 'bytes';
}

/** A Python model that was opened. */
export interface ServedPython extends PythonLoad {
  readonly environment: EnvironmentRef;
  /** The modules that opening it imported. */
  readonly modules: readonly string[];
}

/** What a worker needs to load a Python model; undefined for others. Throws `wrong_state` if it was not opened yet. */
export function pythonOf({ name, runtime, signature }: Pick<ModelVersion, 'name' | 'runtime' | 'signature'>): ServedPython | undefined {
  if (runtime.kind !== 'python') return undefined;
  const { environment, flavour, form, entry, modules, variables, libraries } = runtime;
  if (form === null) throw new PlatformError('wrong_state', `${name} was not opened yet: run \`penstock approve ${name}\``);
  return { environment, flavour, form, entry, modules, signature, ...defined({ variables, libraries }) };
}

/** A version as users name it: `digits/3`, or `digits` for the latest approved one. */
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
    throw new PlatformError('invalid_request', `'${text.slice(0, 100)}' is not a model version: expected GROUP/NUMBER, such as digits/3`);
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

/** Decodes a row. `images` determines the access of a process model, `files` are those of a model with several, `python` its opening. */
export function versionOf(
  row: VersionRow,
  images: readonly ImageEntry[] = [],
  files: readonly ArtifactFile[] = [],
  python?: PythonModel,
): ModelVersion {
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
    artifact: { sha256: row.artifact_sha256, bytes: row.artifact_bytes, ...(files.length === 0 ? {} : { files }) },
    sourceSha256: row.source_sha256,
    sourceName: row.source_name,
    signature: JSON.parse(row.signature) as Signature,
    opsets: JSON.parse(row.opsets) as Record<string, number>,
    producer: row.producer,
    properties: JSON.parse(row.properties) as Record<string, string>,
    notes: JSON.parse(row.notes) as string[],
    batchable: row.batchable === 1,
    batchableReason: row.batchable_reason,
    runtime: runtimeOf(row, images),
    ...(python === undefined ? {} : { python }),
    createdBy: row.created_by,
    createdAtMs: row.created_at,
  };
}

function runtimeOf(row: VersionRow, images: readonly ImageEntry[]): ModelRuntime {
  const runtime = JSON.parse(row.runtime) as ModelRuntime;
  if (runtime.kind !== 'process') return runtime;
  return { ...runtime, access: accessOf(images, { ...runtime, archiveBytes: row.artifact_bytes }) };
}
