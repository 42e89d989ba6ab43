/**
 * Registers a model as a version. Its files are stored under their sha256 and inspected by a worker, never by this process; the
 * database is written last. The file of a process model is an archive with everything that its command needs. A failure leaves no
 * group, version number or file behind.
 */
import { isDeepStrictEqual } from 'node:util';
import type { Clock } from '../clock.ts';
import { defined } from '../defined.ts';
import { PlatformError } from '../errors.ts';
import { nameKey } from '../names.ts';
import { checkName } from '../objective.ts';
import type { Audit, Events, PlatformEvent } from '../records/index.ts';
import type { Bundle, SampleBody } from '../runtime/index.ts';
import { type Database, inTransaction, isOutcomeUnknown, type Transaction } from '../storage/index.ts';
import type { TensorSpec } from '../tensor.ts';
import type { Approval } from './approval.ts';
import { insertGroup } from './groups.ts';
import type { ImageRuntime } from './images/images.ts';
import { checkOwnCode, environmentFor, processInspection, runtimeFor } from './images/requested-runtime.ts';
import { checkDescription, checkMetrics, checkSourceName, checkStringMap } from './limits.ts';
import { type ModelRuntime } from './model-version.ts';
import type { Openings } from './openings.ts';
import { insertPythonModel } from './python-model.ts';
import type { Artifacts, HeldFiles } from './uploads/artifacts.ts';
import { type Inspect, type InspectedUpload, inspectUpload } from './uploads/inspected-upload.ts';
import { type PythonUpload, type Recognise, saysItsInputs } from './uploads/python-upload.ts';
import { storeModel } from './uploads/recognised-upload.ts';
import { readVersion } from './version-rows.ts';

/** A model to be registered, from any API. */
export interface RegistrationRequest {
  readonly group: string;
  /**
   * Streamed to disk: an ONNX file, or a .tar, .tar.gz or .zip with one and its data files; a file or an archive with a Python model; for a
   * process model a .tar, a .tar.gz, or an empty file.
   */
  readonly source: AsyncIterable<Uint8Array> | Uint8Array;
  readonly sourceName: string;
  readonly description?: string;
  readonly metadata?: Readonly<Record<string, string>>;
  readonly metrics?: Readonly<Record<string, number>>;
  readonly tags?: Readonly<Record<string, string>>;
  /** Real rows, with which batching is tested before generated ones. */
  readonly sample?: SampleBody;
  readonly who: string;
  /** The container image that serves the model. Default: the built-in ONNX worker. */
  readonly image?: string;
  /** Environment variables of a process, in addition to the image's, or of a Python model. */
  readonly environment?: Readonly<Record<string, string>>;
  /** The environment in which a Python model runs. Default: that of its own requirements, else the default of the server. */
  readonly pythonEnvironment?: string;
  /** What a Python model takes whose file does not say it. */
  readonly inputs?: readonly TensorSpec[];
  /** The approver has read the names that a Python model imports; only with `approval`. */
  readonly acceptsImports?: boolean;
  /** If a version of the group has the same bytes, return the latest one and register nothing. */
  readonly reuse?: boolean;
  /** Approval set in the same transaction; for a Python model its opening is requested. Default: PendingManualApproval. */
  readonly approval?: Approval;
  /** Fail if the group exists. */
  readonly newGroup?: boolean;
  /** A number that `reserveVersion` returned. Default: the next one. */
  readonly number?: number;
  /** Additional writes in the same transaction as the version. */
  readonly alongside?: (tx: Transaction, version: number) => Promise<void>;
}

export interface RegistrationDeps {
  readonly db: Database;
  readonly clock: Clock;
  readonly events: Events;
  readonly audit: Audit;
  readonly artifacts: Artifacts;
  readonly inspect: Inspect;
  readonly inspectBundle: (path: string) => Promise<Bundle>;
  readonly runtimeOf: (image: string) => ImageRuntime;
  readonly checkForeignCode?: ForeignCodeCheck | undefined;
  readonly modelBytesMax: number;
  /** Absent: Python models are not recognised. */
  readonly recognise?: Recognise | undefined;
  /** Throws `invalid_request` if there is no Python environment of this name. */
  readonly expectEnvironment?: ((name: string) => Promise<void>) | undefined;
  /** Null: this server runs no Python. */
  readonly openings: Openings | null;
}

/**
 * Throws `forbidden` if `who` may not approve or start this model's code on this machine. `variables` are environment variables
 * that this start adds to the approved ones. They can inject code, so they require the permission to approve. Throws
 * `invalid_request` for them if the image runs without isolation.
 */
export type ForeignCodeCheck = (
  model: { readonly name: string; readonly runtime: ModelRuntime },
  who: string,
  variables?: Readonly<Record<string, string>>,
) => void;

/** Rows of one statement: databases limit its parameters. */
const filesAtOnce = 100;

/** The number of the new version, or of the existing one with the same bytes. */
export interface Registered {
  readonly version: number;
  readonly reused: boolean;
  /** The opening of a Python model was requested. */
  readonly opens?: boolean;
}

/** Throws `invalid_request` (names, limits, not a model), `too_large`, `unsupported`, `unavailable` (disk, no runtime). */
export async function registerModel(deps: RegistrationDeps, provided: RegistrationRequest): Promise<Registered> {
  const details = checkRequest(provided);
  const pythonEnvironment = environmentFor(deps, provided);
  const request = { ...provided, ...defined({ pythonEnvironment }) };
  if (pythonEnvironment !== undefined) await deps.expectEnvironment?.(checkName('environment', pythonEnvironment));
  const runtime = runtimeFor(deps, request);
  if (request.approval === 'Approved') deps.checkForeignCode?.({ name: request.group, runtime }, request.who);
  const held = deps.artifacts.hold();
  let mayBeNeeded = false;
  try {
    const inspected = await (runtime.kind === 'onnx' ? inspectModel(deps, request, held) : inspectArchive(deps, request, held, runtime));
    if (typeof inspected === 'number') return { version: inspected, reused: true };
    const upload = { runtime, ...inspected };
    if (upload.runtime.kind === 'python' && request.approval === 'Approved')
      deps.checkForeignCode?.({ name: request.group, runtime: upload.runtime }, request.who);
    return await commit(deps, request, { details, ...upload });
  } catch (error) {
    mayBeNeeded = isOutcomeUnknown(error);
    throw error;
  } finally {
    await held.release({ mayBeNeeded });
  }
}

/** Returns the number of a version to reuse, if its file alone shows that it has the same bytes. */
async function inspectModel(
  deps: RegistrationDeps,
  request: RegistrationRequest,
  held: HeldFiles,
): Promise<InspectedUpload | PythonUpload | number> {
  const { modelBytesMax: limitBytes, inspect, db } = deps;
  const { upload, python } = await storeModel(deps, request, held);
  if (python !== null) {
    const reused = request.reuse === true ? await versionOfSource(db, nameKey(request.group), python.source.sha256, python.runtime) : null;
    return reused ?? python;
  }
  if (request.pythonEnvironment !== undefined) throw noEnvironment(request.sourceName);
  if (request.inputs !== undefined) throw saysItsInputs(request.sourceName);
  if ('files' in upload) throw upload.problem;
  if (request.reuse === true && upload.others.length === 0) {
    const version = await versionOfSource(db, nameKey(request.group), upload.model.sha256, { kind: 'onnx' });
    if (version !== null) return version;
  }
  return inspectUpload({ held, inspect, limitBytes, sample: request.sample ?? null }, upload).catch((error: unknown) => {
    throw isUnknownFile(error, deps, request.sourceName) ? unknownFile(request.sourceName, error) : error;
  });
}

/** Whether no reader knows a file that is not even named as an ONNX model. */
function isUnknownFile(error: unknown, { recognise }: Pick<RegistrationDeps, 'recognise'>, sourceName: string): error is PlatformError {
  const isNamedOnnx = /\.onnx$/i.test(sourceName);
  return error instanceof PlatformError && error.code === 'invalid_request' && recognise !== undefined && !isNamedOnnx;
}

function unknownFile(sourceName: string, cause: PlatformError): PlatformError {
  return new PlatformError(
    'invalid_request',
    `'${sourceName}' is none of the Python models that are recognised, and read as an ONNX model: ${cause.message}`,
    { cause },
  );
}

function noEnvironment(sourceName: string): PlatformError {
  return new PlatformError(
    'invalid_request',
    `'${sourceName}' is not a Python model, so it runs in no environment: leave the environment out`,
  );
}

async function inspectArchive(
  deps: RegistrationDeps,
  request: RegistrationRequest,
  held: HeldFiles,
  runtime: ModelRuntime,
): Promise<InspectedUpload | number> {
  const source = { ...(await held.store(request.source, deps.modelBytesMax)), files: [] };
  if (request.reuse === true) {
    const version = await versionOfSource(deps.db, nameKey(request.group), source.sha256, runtime);
    if (version !== null) return version;
  }
  checkOwnCode(deps, request, source.bytes);
  const bundle = await deps.inspectBundle(await held.fetch(source.sha256));
  return { source, artifact: source, inspection: processInspection(bundle) };
}

interface Details {
  readonly sourceName: string;
  readonly description: string;
  /** JSON. */
  readonly metadata: string;
  /** JSON. */
  readonly metrics: string;
  /** JSON. */
  readonly tags: string;
}

function checkRequest(request: RegistrationRequest): Details {
  checkName('group', request.group);
  return {
    sourceName: checkSourceName(request.sourceName),
    description: checkDescription(request.description ?? ''),
    metadata: JSON.stringify(checkStringMap('metadata', request.metadata ?? {})),
    metrics: JSON.stringify(checkMetrics(request.metrics ?? {})),
    tags: JSON.stringify(checkStringMap('tags', request.tags ?? {})),
  };
}

interface Prepared extends InspectedUpload {
  /** Only of a Python model. */
  readonly recognised?: PythonUpload['recognised'];
  readonly details: Details;
  readonly runtime: ModelRuntime;
}

/** Writes the version, the audit and the events in one transaction. A failed registration therefore uses up no version number. */
async function commit(deps: RegistrationDeps, request: RegistrationRequest, prepared: Prepared): Promise<Registered> {
  const { db, events } = deps;
  const recorded: PlatformEvent[] = [];
  const registered = await inTransaction(db, async (tx): Promise<Registered> => {
    const groupKey = nameKey(request.group);
    const atMs = deps.clock.wallMs();
    const created = await insertGroup(tx, { name: request.group, description: '', tags: '{}', atMs });
    if (!created && request.newGroup === true) throw new PlatformError('already_exists', `model group '${request.group}' already exists`);
    // Locks the group's row, so the second of two concurrent registrations of the same bytes sees the first.
    const version = request.number ?? (await allocateVersion(tx, groupKey));
    if (request.number !== undefined) await checkReserved(tx, groupKey, request.number);
    if (request.reuse === true) {
      const earlier = await versionOfSource(tx, groupKey, prepared.source.sha256, prepared.runtime);
      if (earlier !== null) {
        await tx.updateTable('model_groups').set({ next_version: version }).where('name_key', '=', groupKey).execute();
        return { version: earlier, reused: true };
      }
    }
    const isPython = prepared.runtime.kind === 'python';
    // None of its code has run, so its signature is unknown: an approval first opens it.
    const approval = isPython ? 'PendingManualApproval' : (request.approval ?? 'PendingManualApproval');
    await insertVersion(tx, { groupKey, version, approval, who: request.who, atMs, ...prepared });
    if (prepared.recognised !== undefined) {
      await insertPythonModel(tx, { groupKey, version, atMs }, { recognised: prepared.recognised, sample: request.sample ?? null });
    }
    await request.alongside?.(tx, version);
    const subject = `${request.group}/${version}`;
    const { sha256, bytes } = prepared.artifact;
    const detail = { sourceName: prepared.details.sourceName, artifact: { sha256, bytes }, notes: prepared.inspection.notes };
    await deps.audit.record(tx, { who: request.who, action: 'RegisterModelVersion', target: subject, outcome: 'ok', detail });
    if (created) recorded.push(await events.record(tx, { kind: 'group.created', subject: request.group, detail: {} }));
    recorded.push(await events.record(tx, { kind: 'version.registered', subject, detail: { ...detail, approval } }));
    if (approval !== 'PendingManualApproval') recorded.push(await decideAtOnce(deps, tx, { subject, approval, who: request.who }));
    const opens = isPython && request.approval === 'Approved';
    if (opens) {
      const { who, acceptsImports = false } = request;
      await deps.openings?.request(tx, await readVersion(tx, request.group, version), { who, note: null, acceptsImports });
    }
    return { version, reused: false, opens };
  });
  for (const event of recorded) events.publish(event);
  return registered;
}

/** Records the approval like any other decision; `withRegistration` marks that the version never had another state. */
async function decideAtOnce(
  { audit, events }: Pick<RegistrationDeps, 'audit' | 'events'>,
  tx: Transaction,
  { subject, approval, who }: { readonly subject: string; readonly approval: Approval; readonly who: string },
): Promise<PlatformEvent> {
  const detail = { from: 'PendingManualApproval', to: approval, note: null };
  await audit.record(tx, { who, action: 'SetApproval', target: subject, outcome: 'ok', detail });
  const kind = approval === 'Approved' ? 'version.approved' : 'version.rejected';
  return events.record(tx, { kind, subject, detail: { ...detail, withRegistration: true } });
}

/** A model that could not be read, but keeps its version number. `alongside` runs in the same transaction. */
export interface FailedModel {
  readonly group: string;
  readonly who: string;
  readonly reason: string;
  readonly alongside: (tx: Transaction, version: number) => Promise<void>;
}

/** Reserves and returns the version number of a failed model; it is never reused. */
export async function markRegistrationFailed(
  { db, audit, events }: Pick<RegistrationDeps, 'db' | 'audit' | 'events'>,
  failed: FailedModel,
): Promise<number> {
  const { group, who, reason } = failed;
  const { event, version } = await inTransaction(db, async (tx) => {
    const number = await allocateVersion(tx, nameKey(group));
    await failed.alongside(tx, number);
    const subject = `${group}/${number}`;
    await audit.record(tx, {
      who,
      action: 'RegisterModelVersion',
      target: subject,
      outcome: 'invalid_request',
      detail: { message: reason },
    });
    return { event: await events.record(tx, { kind: 'version.failed', subject, detail: { reason } }), version: number };
  });
  events.publish(event);
  return version;
}

/** A number that is taken before the model is there. `alongside` runs in the same transaction. */
export interface ReservedVersion {
  readonly group: string;
  readonly who: string;
  readonly alongside: (tx: Transaction, version: number) => Promise<void>;
}

/** Reserves and returns the next version number of a group; it is never reused. */
export async function reserveVersion({ db, audit }: Pick<RegistrationDeps, 'db' | 'audit'>, reserved: ReservedVersion): Promise<number> {
  const { group, who } = reserved;
  return inTransaction(db, async (tx) => {
    const number = await allocateVersion(tx, nameKey(group));
    await reserved.alongside(tx, number);
    const detail = { message: 'without a model' };
    await audit.record(tx, { who, action: 'RegisterModelVersion', target: `${group}/${number}`, outcome: 'ok', detail });
    return number;
  });
}

/** Throws `wrong_state` if a version has the number already. Locks the group's row, so a concurrent registration waits. */
async function checkReserved(tx: Transaction, groupKey: string, number: number): Promise<void> {
  const { next_version: next } = await tx
    .updateTable('model_groups')
    .set((expression) => ({ next_version: expression.ref('next_version') }))
    .where('name_key', '=', groupKey)
    .returning('next_version')
    .executeTakeFirstOrThrow();
  const taken = await tx
    .selectFrom('model_versions')
    .select('version')
    .where('group_key', '=', groupKey)
    .where('version', '=', number)
    .executeTakeFirst();
  if (number < 1 || number >= next || taken !== undefined) {
    throw new PlatformError(
      'wrong_state',
      `version ${number} of the group cannot be registered: expected a reserved number without a model`,
    );
  }
}

async function allocateVersion(tx: Transaction, groupKey: string): Promise<number> {
  const row = await tx
    .updateTable('model_groups')
    .set((expression) => ({ next_version: expression('next_version', '+', 1) }))
    .where('name_key', '=', groupKey)
    .returning('next_version')
    .executeTakeFirstOrThrow();
  return row.next_version - 1;
}

async function versionOfSource(
  db: Database | Transaction,
  groupKey: string,
  sha256: string,
  runtime: ModelRuntime,
): Promise<number | null> {
  const rows = await db
    .selectFrom('model_versions')
    .select(['version', 'runtime'])
    .where('group_key', '=', groupKey)
    .where('source_sha256', '=', sha256)
    .orderBy('version', 'desc')
    .execute();
  return rows.find((row) => isSameRuntime(row.runtime, runtime))?.version ?? null;
}

/** What opening a Python model adds to its runtime makes no difference. */
function isSameRuntime(stored: string, runtime: ModelRuntime): boolean {
  if (runtime.kind !== 'python') return stored === JSON.stringify(runtime);
  const other = JSON.parse(stored) as ModelRuntime;
  if (other.kind !== 'python' || !isDeepStrictEqual([other.variables, other.inputs], [runtime.variables, runtime.inputs])) return false;
  const { flavour, entry, environment } = runtime;
  return other.flavour === flavour && other.entry === entry && other.environment.name === environment.name;
}

interface NewVersion extends Prepared {
  readonly groupKey: string;
  readonly version: number;
  readonly approval: Approval;
  readonly who: string;
  readonly atMs: number;
}

async function insertVersion(tx: Transaction, provided: NewVersion): Promise<void> {
  const { details, source, artifact, inspection, runtime, approval } = provided;
  const isDecided = approval !== 'PendingManualApproval';
  await tx
    .insertInto('model_versions')
    .values({
      group_key: provided.groupKey,
      version: provided.version,
      approval,
      approval_changed_by: isDecided ? provided.who : null,
      approval_changed_at: isDecided ? provided.atMs : null,
      approval_note: null,
      description: details.description,
      metadata: details.metadata,
      metrics: details.metrics,
      tags: details.tags,
      artifact_sha256: artifact.sha256,
      artifact_bytes: artifact.bytes,
      source_sha256: source.sha256,
      source_name: details.sourceName,
      signature: JSON.stringify(inspection.signature),
      opsets: JSON.stringify(inspection.opsets),
      producer: inspection.producer,
      properties: JSON.stringify(inspection.properties),
      notes: JSON.stringify(inspection.notes),
      batchable: inspection.batchable ? 1 : 0,
      batchable_reason: inspection.batchableReason,
      runtime: JSON.stringify(runtime),
      created_by: provided.who,
      created_at: provided.atMs,
    })
    .execute();
  await insertFiles(tx, provided);
}

/** A model in one file has no rows. */
async function insertFiles(tx: Transaction, { groupKey, version, artifact: { files } }: NewVersion): Promise<void> {
  for (let from = 0; from < files.length; from += filesAtOnce) {
    const rows = files.slice(from, from + filesAtOnce).map((file) => ({ group_key: groupKey, version, ...file }));
    await tx.insertInto('version_files').values(rows).execute();
  }
}
