/** Model groups, their versions and the files of these versions. */
import { readFile } from 'node:fs/promises';
import { PlatformError } from '../errors.ts';
import { nameKey } from '../names.ts';
import { checkName } from '../objective.ts';
import type { AuditAction, EventKind } from '../records/index.ts';
import { fetchModel, type ModelFiles, modelFileName, type SampleBody } from '../runtime/index.ts';
import { type Database, inTransaction, type SweepOptions, type Transaction } from '../storage/index.ts';
import type { Approval } from './approval.ts';
import { Catalogue } from './catalogue.ts';
import { describeGroup, insertGroup, listGroups, removeGroup } from './groups.ts';
import { type ImageRuntime, resolveImage } from './images/images.ts';
import { checkDescription, checkMetrics, checkStringMap } from './limits.ts';
import { modelArtifactOf } from './model-artifact.ts';
import { type ModelGroup, type ModelVersion, parseReference, versionOf } from './model-version.ts';
import { type OpeningRequest, Openings } from './openings.ts';
import { sampleText } from './python-model.ts';
import { type PythonVersion, readPythonVersions } from './python-versions.ts';
import {
  type FailedModel,
  markRegistrationFailed,
  type RegistrationRequest,
  type ReservedVersion,
  registerModel,
  reserveVersion,
} from './registration.ts';
import type { Registration, RegistryOptions, VersionChange, VersionPage } from './registry-options.ts';
import { lockStringMap, writeStringMap } from './tags.ts';
import { Artifacts } from './uploads/artifacts.ts';
import { type HeldModel, type HeldModelRequest, holdModel, isApprovedContent } from './uploads/held-model.ts';
import { type Preview, previewUpload } from './uploads/preview.ts';
import { isReferenced, readVersion, selectVersions, versionsOf } from './version-rows.ts';

type StringMap = Readonly<Record<string, string>>;

interface VersionOrGroup {
  readonly group: string;
  readonly version: number | null;
}

const modelBytesMaxDefault = 2 * 1024 ** 3;
const pageDefault = 100;

const approvalEvents = {
  Approved: 'version.approved',
  Rejected: 'version.rejected',
  PendingManualApproval: 'version.withdrawn',
} as const satisfies Record<Approval, EventKind>;

/** Registered versions are announced to its listeners after the commit, and only if they are new. */
export class Registry {
  readonly catalogue: Catalogue;
  readonly #options: RegistryOptions;
  readonly #artifacts: Artifacts;
  readonly #registeredListeners = new Set<(version: ModelVersion) => void>();
  /** Null: this server runs no Python. */
  readonly openings: Openings | null;

  constructor(options: RegistryOptions) {
    this.#options = options;
    this.catalogue = new Catalogue(options.catalogueDirectory);
    this.#artifacts = new Artifacts(options.objects, (sha256) => isReferenced(options.db, sha256), options.log);
    this.openings =
      options.openPython === undefined
        ? null
        : new Openings({
            ...options,
            open: options.openPython,
            version: (group, version, from) => this.version(group, version, from),
            onOpened: (version) => this.#announce(version),
          });
  }

  /** At start, before anything else: moves artifacts that no version references to the trash. */
  async open(sweep: SweepOptions): Promise<void> {
    await this.#artifacts.sweep(sweep);
    await this.openings?.open();
  }

  /** While it is open: see `Artifacts.sweep`. */
  sweep(options: SweepOptions): Promise<void> {
    return this.#artifacts.sweep(options);
  }

  /** Stops the openings of Python models; the next server continues them. */
  async close(): Promise<void> {
    await this.openings?.close();
  }

  /**
   * Stores, inspects and numbers a model, and creates its group if that is missing. Throws `invalid_request`, `unsupported`, `too_large` or
   * `unavailable`; then it leaves nothing behind.
   */
  async register(request: RegistrationRequest): Promise<Registration> {
    const { modelBytesMax = modelBytesMaxDefault } = this.#options;
    const runtimeOf = (image: string) => this.imageRuntime(image);
    const deps = { ...this.#options, artifacts: this.#artifacts, modelBytesMax, runtimeOf, openings: this.openings };
    const registered = await registerModel(deps, request);
    const version = await this.version(request.group, registered.version);
    if (registered.opens === true) this.openings?.start(version);
    if (!registered.reused) this.#announce(version);
    return { version, reused: registered.reused };
  }

  /** Inspects a model file without storing it; runs no code of a Python model. Throws like `register`. */
  async preview(source: AsyncIterable<Uint8Array> | Uint8Array, sourceName: string): Promise<Preview> {
    const { inspect, recognise, modelBytesMax = modelBytesMaxDefault } = this.#options;
    return previewUpload({ artifacts: this.#artifacts, inspect, recognise, openings: this.openings, modelBytesMax }, source, sourceName);
  }

  /** Stores and inspects a model without registering it. Throws like `register`. */
  holdModel(request: HeldModelRequest): Promise<HeldModel> {
    const { inspect, modelBytesMax = modelBytesMaxDefault } = this.#options;
    const bytesMax = Math.min(request.bytesMax, modelBytesMax);
    return holdModel({ artifacts: this.#artifacts, inspect }, { ...request, bytesMax });
  }

  /** The store of artifacts, for files of evaluations, which are referenced by `evaluation_files`. */
  get files(): Pick<Artifacts, 'hold' | 'discard' | 'fetch'> {
    return this.#artifacts;
  }

  /** Whether an Approved version has the bytes of a held model. */
  isApprovedContent(model: Pick<ModelVersion, 'sourceSha256' | 'artifact'>): Promise<boolean> {
    return isApprovedContent(this.#options.db, model);
  }

  /** Names of the versions registered from these bytes, newest first; at most 100. */
  async versionsOfSource(sha256: string): Promise<readonly string[]> {
    const rows = await selectVersions(this.#options.db)
      .where('v.source_sha256', '=', sha256)
      .orderBy('v.created_at', 'desc')
      .limit(pageDefault)
      .execute();
    return rows.map((row) => versionOf(row).name);
  }

  /** The runtime of a container image. Throws `invalid_request` if it is not in the images table. */
  imageRuntime(image: string): ImageRuntime {
    return resolveImage(this.#options.images ?? [], image);
  }

  /** Reserves a number for a model that failed to register but counts as a version in another API. The group must exist. */
  async numberFailed(failed: FailedModel): Promise<number> {
    return markRegistrationFailed(this.#options, failed);
  }

  /** Reserves a number for a version whose model is registered later, with `number`. The group must exist. */
  async reserveNumber(reserved: ReservedVersion): Promise<number> {
    return reserveVersion(this.#options, reserved);
  }

  /** Registers a model of the catalogue, by default in the group of its name. Reuses a version with the same bytes. */
  async registerFromCatalogue(name: string, request: { readonly who: string; readonly group?: string }): Promise<Registration> {
    const entry = this.catalogue.entry(name);
    const rows = await readFile(this.catalogue.sampleRowsPath(entry));
    return this.register({
      group: request.group ?? entry.name,
      source: this.catalogue.model(entry),
      sourceName: entry.file,
      description: entry.title,
      metadata: { catalogue: entry.name, licence: entry.licence.weights, dataset: entry.accuracy.dataset },
      metrics: { accuracy: entry.accuracy.value },
      sample: { contentType: 'text/csv', body: rows, label: entry.labelColumn },
      who: request.who,
      reuse: true,
    });
  }

  /** Calls the listener for each new version once it is durable, and for a Python model again once it was opened. Returns a function that unsubscribes. */
  onRegistered(listener: (version: ModelVersion) => void): () => void {
    this.#registeredListeners.add(listener);
    return () => this.#registeredListeners.delete(listener);
  }

  async groups({ limit = pageDefault, offset = 0 }: VersionPage = {}): Promise<ModelGroup[]> {
    return listGroups(this.#options.db, { limit, offset });
  }

  /** Throws `not_found`. */
  async describeGroup(name: string): Promise<ModelGroup> {
    return describeGroup(this.#options.db, name);
  }

  /** Throws `already_exists`. */
  async createGroup(group: { name: string; description?: string; tags?: Record<string, string>; who: string }): Promise<ModelGroup> {
    const { clock } = this.#options;
    const name = checkName('group', group.name);
    const description = checkDescription(group.description ?? '');
    const tags = JSON.stringify(checkStringMap('tags', group.tags ?? {}));
    await this.#record({ who: group.who, action: 'CreateModelGroup', event: 'group.created' }, async (tx) => {
      const created = await insertGroup(tx, { name, description, tags, atMs: clock.wallMs() });
      if (!created) throw new PlatformError('already_exists', `model group '${name}' already exists (names are case-insensitive)`);
      return { subject: name, detail: {} };
    });
    return this.describeGroup(name);
  }

  /** Deletes an empty group. Throws `not_found`, `wrong_state`. */
  async deleteGroup(name: string, who: string): Promise<void> {
    let afterCommit: (() => void) | undefined;
    await this.#record({ who, action: 'DeleteModelGroup', event: 'group.deleted' }, async (tx) => {
      await removeGroup(tx, name);
      afterCommit = await this.#options.removeGroup?.(name, tx);
      return { subject: name, detail: {} };
    });
    afterCommit?.();
  }

  /** Latest first. Throws `not_found` for an unknown group. */
  async versions(group: string, { limit = pageDefault, offset = 0 }: VersionPage = {}): Promise<ModelVersion[]> {
    await this.describeGroup(group);
    const rows = await selectVersions(this.#options.db)
      .where('v.group_key', '=', nameKey(group))
      .orderBy('v.version', 'desc')
      .limit(limit)
      .offset(offset)
      .execute();
    return versionsOf(this.#options.db, rows, this.#options.images);
  }

  /** All versions that need a Python environment. */
  pythonVersions(): Promise<readonly PythonVersion[]> {
    return readPythonVersions(this.#options.db);
  }

  /** Throws `not_found`. `from`: the transaction in which to read; default: none. */
  async version(group: string, version: number, from: Database | Transaction = this.#options.db): Promise<ModelVersion> {
    return readVersion(from, group, version, this.#options.images);
  }

  /** Null if none is Approved. */
  async latestApproved(group: string): Promise<ModelVersion | null> {
    const rows = await selectVersions(this.#options.db)
      .where('v.group_key', '=', nameKey(group))
      .where('v.approval', '=', 'Approved')
      .orderBy('v.version', 'desc')
      .limit(1)
      .execute();
    const [latest] = await versionsOf(this.#options.db, rows, this.#options.images);
    return latest ?? null;
  }

  /** `digits/3`, or `digits` for its latest Approved version. Throws `invalid_request`, `not_found`, `wrong_state`. */
  async resolve(reference: string): Promise<ModelVersion> {
    const { group, version } = parseReference(reference);
    if (version !== null) return this.version(group, version);
    const latest = await this.latestApproved(group);
    if (latest !== null) return latest;
    const { latestVersion } = await this.describeGroup(group);
    const cure = latestVersion === null ? `penstock register FILE --group ${group}` : `penstock approve ${group}/${latestVersion}`;
    throw new PlatformError('wrong_state', `group ${group} has no Approved version: run \`${cure}\``);
  }

  /** Throws `not_found`, `invalid_request`. */
  async update(group: string, version: number, change: VersionChange, who: string): Promise<ModelVersion> {
    const { description, metadata, metrics, tags, approvalNote } = change;
    const columns = {
      ...(description === undefined ? {} : { description: checkDescription(description) }),
      ...(metadata === undefined ? {} : { metadata: JSON.stringify(checkStringMap('metadata', metadata)) }),
      ...(metrics === undefined ? {} : { metrics: JSON.stringify(checkMetrics(metrics)) }),
      ...(tags === undefined ? {} : { tags: JSON.stringify(checkStringMap('tags', tags)) }),
      ...(approvalNote === undefined ? {} : { approval_note: checkDescription(approvalNote) }),
    };
    if (Object.keys(columns).length === 0) return this.version(group, version);
    await this.#record({ who, action: 'UpdateModelVersion', event: 'version.updated' }, async (tx) => {
      const { name } = await this.version(group, version, tx);
      await tx.updateTable('model_versions').set(columns).where('group_key', '=', nameKey(group)).where('version', '=', version).execute();
      return { subject: name, detail: change };
    });
    return this.version(group, version);
  }

  /**
   * Changes tags of a group or a version; changes are serialized. If `change` throws, nothing changes. Throws `not_found`,
   * `invalid_request`.
   */
  async retag({ group, version }: VersionOrGroup, change: (tags: StringMap) => StringMap, who: string): Promise<void> {
    await this.#changeWords('tags', { group, version }, change, who);
  }

  /** Like `retag`, for the metadata of a version. */
  async changeMetadata(group: string, version: number, change: (metadata: StringMap) => StringMap, who: string): Promise<void> {
    await this.#changeWords('metadata', { group, version }, change, who);
  }

  /** For a Python model that was not opened yet, an approval only requests it: see `Openings`. Repeating an approval changes nothing, not even its author. Endpoints that serve the version are unaffected. Throws `not_found`. */
  async setApproval(
    group: string,
    version: number,
    approval: Approval,
    decision: { readonly who: string; readonly note?: string; readonly acceptsImports?: boolean },
  ): Promise<ModelVersion> {
    const note = decision.note === undefined ? null : checkDescription(decision.note);
    const found = await this.version(group, version);
    if (found.python !== undefined && found.python.state !== 'opened') {
      if (approval === 'Approved')
        return this.#requestOpening(found, { ...decision, note, acceptsImports: decision.acceptsImports === true });
      await this.cancelOpening(group, version, decision.who);
    }
    await this.#record({ who: decision.who, action: 'SetApproval', event: approvalEvents[approval] }, async (tx) => {
      const before = await this.version(group, version, tx);
      if (before.approval === approval) return null;
      if (approval === 'Approved') this.#options.checkForeignCode?.(before, decision.who);
      await tx
        .updateTable('model_versions')
        .set({
          approval,
          approval_changed_by: decision.who,
          approval_changed_at: this.#options.clock.wallMs(),
          approval_note: note,
        })
        .where('group_key', '=', nameKey(group))
        .where('version', '=', version)
        .execute();
      return { subject: before.name, detail: { from: before.approval, to: approval, note } };
    });
    return this.version(group, version);
  }

  async #requestOpening(found: ModelVersion, request: OpeningRequest): Promise<ModelVersion> {
    const openings = this.openings;
    if (openings === null)
      throw new PlatformError(
        'unsupported',
        `${found.name} is a Python model, and this server runs no Python: set "python": {"run": "after-approval"} in config.json`,
      );
    this.#options.checkForeignCode?.(found, request.who);
    await inTransaction(this.#options.db, async (tx) => openings.request(tx, await this.version(found.group, found.version, tx), request));
    openings.start(found);
    return this.version(found.group, found.version);
  }

  /** Cancels a requested opening of a Python model. The version stays as it was. */
  async cancelOpening(group: string, version: number, who: string): Promise<ModelVersion> {
    const { name, python } = await this.version(group, version);
    if (python?.state === 'opening') {
      const { db, audit } = this.#options;
      await this.openings?.cancel({ group, version });
      await inTransaction(db, (tx) =>
        audit.record(tx, { who, action: 'SetApproval', target: name, outcome: 'ok', detail: { cancelled: true } }),
      );
    }
    return this.version(group, version);
  }

  /** Stores real rows of a Python model, with which it is opened. Throws `wrong_state` after that. */
  async putSample(group: string, version: number, sample: SampleBody, who: string): Promise<ModelVersion> {
    await this.#record({ who, action: 'UpdateModelVersion', event: 'version.updated' }, async (tx) => {
      const { name, python } = await this.version(group, version, tx);
      if (python === undefined) throw new PlatformError('wrong_state', `${name} is not a Python model: it needs no sample to be opened`);
      if (python.state === 'opening' || python.state === 'opened') {
        throw new PlatformError(
          'wrong_state',
          `${name} is ${python.state}: expected a sample before its approval. Register it again with --sample`,
        );
      }
      await tx
        .updateTable('python_models')
        .set({ sample: sampleText(sample), changed_at: this.#options.clock.wallMs() })
        .where('group_key', '=', nameKey(group))
        .where('version', '=', version)
        .execute();
      return { subject: name, detail: { sample: { contentType: sample.contentType, bytes: sample.body.byteLength } } };
    });
    return this.version(group, version);
  }

  #announce(version: ModelVersion): void {
    for (const listener of this.#registeredListeners) listener(version);
  }

  /** The number is never reused. Throws `not_found`, and `wrong_state` while an endpoint uses the version. */
  async deleteVersion(group: string, version: number, who: string): Promise<void> {
    const { inUse } = this.#options;
    let unneeded: readonly string[] = [];
    await this.#record({ who, action: 'DeleteModelVersion', event: 'version.deleted' }, async (tx) => {
      const { name, artifact } = await this.version(group, version, tx);
      const users = await inUse(group, version, tx);
      if (users.length > 0) {
        throw new PlatformError('wrong_state', `${name} is used by ${users.join(', ')}: delete or update the endpoint first`);
      }
      await tx.deleteFrom('model_versions').where('group_key', '=', nameKey(group)).where('version', '=', version).execute();
      const { sha256, bytes, files = [] } = artifact;
      unneeded = [sha256, ...files.map((file) => file.sha256)];
      return { subject: name, detail: { artifact: { sha256, bytes } } };
    });
    for (const sha256 of unneeded) await this.#artifacts.discard(sha256);
  }

  /** Path of the model file or of the data file `name`, after checking its content. Throws `unavailable` if it is damaged or missing. */
  async verifiedArtifactPath(version: ModelVersion, name: string = modelFileName): Promise<string> {
    const { sha256, data = [] } = modelArtifactOf(version);
    const found = name === modelFileName ? sha256 : data.find((file) => file.name === name)?.sha256;
    if (found === undefined) throw new PlatformError('not_found', `${version.name} has no file '${name.slice(0, 200)}'`);
    return this.#verified(found);
  }

  /** The files of a version, after checking their content. Throws `unavailable` if one is damaged or missing. */
  async verifiedModelFiles(version: ModelVersion): Promise<ModelFiles> {
    return fetchModel(modelArtifactOf(version), (sha256) => this.#verified(sha256));
  }

  async #verified(sha256: string): Promise<string> {
    const path = await this.#artifacts.fetch(sha256);
    await this.#options.checkArtifact?.(path);
    return path;
  }

  async #changeWords(
    what: 'tags' | 'metadata',
    { group, version }: VersionOrGroup,
    change: (words: StringMap) => StringMap,
    who: string,
  ): Promise<void> {
    const recorded: { readonly action: AuditAction; readonly event: EventKind } =
      version === null
        ? { action: 'UpdateModelGroup', event: 'group.updated' }
        : { action: 'UpdateModelVersion', event: 'version.updated' };
    await this.#record({ who, ...recorded }, async (tx) => {
      const words = checkStringMap(what, change(await lockStringMap(tx, what, group, version)));
      await writeStringMap(tx, what, group, version, words);
      return { subject: version === null ? group : `${group}/${version}`, detail: { [what]: words } };
    });
  }

  /** Runs a change with its audit entry and event in one transaction. If the change returns null, nothing is recorded. */
  async #record(
    what: { readonly who: string; readonly action: AuditAction; readonly event: EventKind },
    change: (tx: Transaction) => Promise<{ readonly subject: string; readonly detail: unknown } | null>,
  ): Promise<void> {
    const { db, events, audit } = this.#options;
    const event = await inTransaction(db, async (tx) => {
      const changed = await change(tx);
      if (changed === null) return null;
      await audit.record(tx, { who: what.who, action: what.action, target: changed.subject, outcome: 'ok', detail: changed.detail });
      return events.record(tx, { kind: what.event, ...changed });
    });
    if (event !== null) events.publish(event);
  }
}
