/**
 * How a file becomes a model version: stored under its sha256, opened by a worker (never by this process), written into
 * the database last. A model that is a process is an archive of whatever its command needs. Whatever fails on the way leaves no group, no version number and no file behind.
 */
import { createReadStream } from 'node:fs';
import { rm } from 'node:fs/promises';
import type { Clock } from '../clock.ts';
import { PlatformError } from '../errors.ts';
import type { Audit, Events, PlatformEvent } from '../monitoring/index.ts';
import { checkName } from '../objective.ts';
import type { Bundle, Inspection } from '../runtime/index.ts';
import { type Database, inTransaction, type Transaction } from '../storage/index.ts';
import type { Approval } from './approval.ts';
import type { Artifacts, StoredFile } from './artifacts.ts';
import { insertGroup } from './groups.ts';
import { checkEnvironment, type ImageRuntime } from './images.ts';
import { checkDescription, checkMetrics, checkSourceName, checkWords } from './limits.ts';
import { keyOf, type ModelRuntime } from './model-version.ts';

export interface RegistrationRequest {
  readonly group: string;
  /** The model file, streamed to disk: ONNX; for an image that is a process a .tar or .tar.gz, or no bytes at all. */
  readonly source: AsyncIterable<Uint8Array> | Uint8Array;
  readonly sourceName: string;
  readonly description?: string;
  readonly metadata?: Readonly<Record<string, string>>;
  readonly metrics?: Readonly<Record<string, number>>;
  readonly tags?: Readonly<Record<string, string>>;
  readonly who: string;
  /** The container image that would serve it; the built-in ONNX worker does unless given. */
  readonly image?: string;
  /** Variables for the process that the image stands for, on top of the image's own. */
  readonly environment?: Readonly<Record<string, string>>;
  /** The same bytes again in this group: the latest version that has them, rather than a new one. */
  readonly reuse?: boolean;
  /** Decided at once, in the same transaction; PendingManualApproval unless given. */
  readonly approval?: Approval;
  /** Its group must not be there yet. */
  readonly newGroup?: boolean;
  /** Written in the same transaction as the version: both are there or neither. */
  readonly alongside?: (tx: Transaction, version: number) => Promise<void>;
}

export interface RegistrationNeeds {
  readonly db: Database;
  readonly clock: Clock;
  readonly events: Events;
  readonly audit: Audit;
  readonly artifacts: Artifacts;
  /** Reads the file in a worker; writes a rewritten model to `rewriteTo` where one was needed. */
  readonly inspect: (path: string, rewriteTo: string) => Promise<Inspection>;
  readonly inspectBundle: (path: string) => Promise<Bundle>;
  readonly runtimeOf: (image: string) => ImageRuntime;
  readonly modelBytesMax: number;
}

/** The number of the new version, or of the one that has the same bytes. */
export interface Registered {
  readonly version: number;
  readonly reused: boolean;
}

/** Throws `invalid_request` (names, limits, not a model), `too_large`, `unsupported`, `unavailable` (disk, no runtime). */
export async function registerModel(needs: RegistrationNeeds, request: RegistrationRequest): Promise<Registered> {
  const { artifacts } = needs;
  const details = checkRequest(request);
  const runtime = runtimeFor(needs, request);
  const rewriteTo = await artifacts.temporaryPath();
  const source = await artifacts.store(request.source, needs.modelBytesMax);
  let artifact = source;
  try {
    if (source.bytes === 0 && runtime.kind === 'onnx')
      throw new PlatformError('invalid_request', 'the model file is empty (0 bytes): expected an ONNX model');
    if (request.reuse === true) {
      const version = await versionOfSource(needs.db, keyOf(request.group), source.sha256, runtime);
      if (version !== null) return { version, reused: true };
    }
    const path = artifacts.localPath(source.sha256);
    const inspection = runtime.kind === 'onnx' ? await needs.inspect(path, rewriteTo) : processInspection(await needs.inspectBundle(path));
    if (inspection.rewritten) artifact = await artifacts.store(createReadStream(rewriteTo), needs.modelBytesMax);
    return await commit(needs, request, { details, source, artifact, inspection, runtime });
  } finally {
    await artifacts.release(source.sha256);
    if (artifact !== source) await artifacts.release(artifact.sha256);
    await rm(rewriteTo, { force: true });
  }
}

function runtimeFor({ runtimeOf }: RegistrationNeeds, { image, environment = {} }: RegistrationRequest): ModelRuntime {
  const runtime: ImageRuntime = image === undefined ? { kind: 'onnx' } : runtimeOf(image);
  checkEnvironment('environment', environment);
  if (runtime.kind === 'onnx') return runtime;
  const { command, env, concurrency } = runtime;
  return { kind: 'process', image: image as string, command, environment: { ...env, ...environment }, concurrency };
}

/** Of a process nothing is known but that it takes bytes and gives bytes. */
function processInspection({ files, bytes }: Bundle): Inspection {
  return {
    signature: { inputs: [], outputs: [] },
    opsets: {},
    producer: '',
    irVersion: 0,
    properties: {},
    notes: [`${files} ${files === 1 ? 'file' : 'files'}, ${bytes} bytes unpacked`],
    batchable: false,
    batchableReason: 'it is a process that takes raw bytes: one request at a time',
    rewritten: false,
    loadMs: 0,
  };
}

interface Details {
  readonly sourceName: string;
  readonly description: string;
  /** As JSON. */
  readonly metadata: string;
  readonly metrics: string;
  readonly tags: string;
}

function checkRequest(request: RegistrationRequest): Details {
  checkName('group', request.group);
  return {
    sourceName: checkSourceName(request.sourceName),
    description: checkDescription(request.description ?? ''),
    metadata: JSON.stringify(checkWords('metadata', request.metadata ?? {})),
    metrics: JSON.stringify(checkMetrics(request.metrics ?? {})),
    tags: JSON.stringify(checkWords('tags', request.tags ?? {})),
  };
}

interface Prepared {
  readonly details: Details;
  readonly source: StoredFile;
  readonly artifact: StoredFile;
  readonly inspection: Inspection;
  readonly runtime: ModelRuntime;
}

/** Number, row, audit and event in one transaction: the number is taken last, so a failed registration skips none. */
async function commit(needs: RegistrationNeeds, request: RegistrationRequest, prepared: Prepared): Promise<Registered> {
  const { db, events } = needs;
  const news: PlatformEvent[] = [];
  const registered = await inTransaction(db, async (tx): Promise<Registered> => {
    const groupKey = keyOf(request.group);
    const atMs = needs.clock.wallMs();
    const created = await insertGroup(tx, { name: request.group, description: '', tags: '{}', atMs });
    if (!created && request.newGroup === true)
      throw new PlatformError('already_exists', `there is a model group '${request.group}' already`);
    if (created) news.push(await events.record(tx, { kind: 'group.created', subject: request.group, detail: {} }));
    // The first write locks the group's row: of two registrations of the same bytes the second sees the first.
    const version = await takeVersion(tx, groupKey);
    if (request.reuse === true) {
      const earlier = await versionOfSource(tx, groupKey, prepared.source.sha256, prepared.runtime);
      if (earlier !== null) {
        await tx.updateTable('model_groups').set({ next_version: version }).where('name_key', '=', groupKey).execute();
        return { version: earlier, reused: true };
      }
    }
    const approval = request.approval ?? 'PendingManualApproval';
    await insertVersion(tx, { groupKey, version, approval, who: request.who, atMs, ...prepared });
    await request.alongside?.(tx, version);
    const subject = `${request.group}/${version}`;
    const detail = { sourceName: prepared.details.sourceName, artifact: prepared.artifact, notes: prepared.inspection.notes };
    await needs.audit.record(tx, { who: request.who, action: 'RegisterModelVersion', target: subject, outcome: 'ok', detail });
    news.push(await events.record(tx, { kind: 'version.registered', subject, detail: { ...detail, approval } }));
    if (approval !== 'PendingManualApproval') news.push(await decideAtOnce(needs, tx, { subject, approval, who: request.who }));
    return { version, reused: false };
  });
  for (const event of news) events.publish(event);
  return registered;
}

/** Told as a decision like any other, but for `withRegistration`: who tells of states tells of one that never was otherwise. */
async function decideAtOnce(
  { audit, events }: Pick<RegistrationNeeds, 'audit' | 'events'>,
  tx: Transaction,
  { subject, approval, who }: { readonly subject: string; readonly approval: Approval; readonly who: string },
): Promise<PlatformEvent> {
  const detail = { from: 'PendingManualApproval', to: approval, note: null };
  await audit.record(tx, { who, action: 'SetApproval', target: subject, outcome: 'ok', detail });
  const kind = approval === 'Approved' ? 'version.approved' : 'version.rejected';
  return events.record(tx, { kind, subject, detail: { ...detail, withRegistration: true } });
}

export interface FailedModel {
  readonly group: string;
  readonly who: string;
  readonly reason: string;
  readonly alongside: (tx: Transaction, version: number) => Promise<void>;
}

/** The number that a model would have got; no other gets it. */
export async function numberFailed(
  { db, audit, events }: Pick<RegistrationNeeds, 'db' | 'audit' | 'events'>,
  failed: FailedModel,
): Promise<number> {
  const { group, who, reason } = failed;
  const { event, version } = await inTransaction(db, async (tx) => {
    const number = await takeVersion(tx, keyOf(group));
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

async function takeVersion(tx: Transaction, groupKey: string): Promise<number> {
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
  const row = await db
    .selectFrom('model_versions')
    .select('version')
    .where('group_key', '=', groupKey)
    .where('source_sha256', '=', sha256)
    .where('runtime', '=', JSON.stringify(runtime))
    .orderBy('version', 'desc')
    .limit(1)
    .executeTakeFirst();
  return row?.version ?? null;
}

interface NewVersion extends Prepared {
  readonly groupKey: string;
  readonly version: number;
  readonly approval: Approval;
  readonly who: string;
  readonly atMs: number;
}

async function insertVersion(tx: Transaction, given: NewVersion): Promise<void> {
  const { details, source, artifact, inspection, runtime, approval } = given;
  const isDecided = approval !== 'PendingManualApproval';
  await tx
    .insertInto('model_versions')
    .values({
      group_key: given.groupKey,
      version: given.version,
      approval,
      approval_changed_by: isDecided ? given.who : null,
      approval_changed_at: isDecided ? given.atMs : null,
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
      created_by: given.who,
      created_at: given.atMs,
    })
    .execute();
}
