/** Model groups and their versions: what may be deployed, and where its file lies. */
import type { Clock } from '../clock.ts';
import { PlatformError } from '../errors.ts';
import type { Audit, Deed, EventKind, Events, Log } from '../monitoring/index.ts';
import { checkName } from '../objective.ts';
import type { Bundle, Inspection } from '../runtime/index.ts';
import { type Database, type FileObjectStore, inTransaction, type Transaction } from '../storage/index.ts';
import { type Approval, changesApproval } from './approval.ts';
import { Artifacts } from './artifacts.ts';
import { Catalogue } from './catalogue.ts';
import { describeGroup, insertGroup, listGroups, removeGroup } from './groups.ts';
import { type ImageEntry, type ImageRuntime, resolveImage } from './images.ts';
import { checkDescription, checkMetrics, checkWords } from './limits.ts';
import { keyOf, type ModelGroup, type ModelVersion, parseReference, versionOf } from './model-version.ts';
import { type Preview, previewModel } from './preview.ts';
import { type FailedModel, numberFailed, type RegistrationRequest, registerModel } from './registration.ts';
import { lockWords, writeWords } from './tags.ts';

export interface RegistryOptions {
  readonly db: Database;
  readonly objects: FileObjectStore;
  readonly clock: Clock;
  readonly log: Log;
  readonly events: Events;
  readonly audit: Audit;
  /** Reads a model file in a worker; writes it anew to `rewriteTo` where it had to be rewritten. */
  readonly inspect: (path: string, rewriteTo: string) => Promise<Inspection>;
  /** Looks through the archive of a model that is a process, in a worker. */
  readonly inspectBundle: (path: string) => Promise<Bundle>;
  /** What container images stand for; none beside the built-in one unless given. */
  readonly images?: readonly ImageEntry[];
  /** Where `catalogue.json` is. */
  readonly catalogueDirectory: string;
  /** Which endpoints use the version; asked within the transaction that would delete it. */
  readonly inUse: (group: string, version: number, tx: Transaction) => Promise<readonly string[]>;
  /** Told of a group that is deleted, within the transaction that does it. What it answers is called once that is committed. */
  readonly forgetGroup?: (group: string, tx: Transaction) => Promise<() => void>;
  /** 2 GiB unless given. */
  readonly modelBytesMax?: number;
}

export interface Registration {
  readonly version: ModelVersion;
  /** The same bytes were there already, and `reuse` was asked for. */
  readonly reused: boolean;
}

type Words = Readonly<Record<string, string>>;

interface VersionOrGroup {
  readonly group: string;
  readonly version: number | null;
}

export interface Page {
  readonly limit?: number;
  readonly offset?: number;
}

/** What of a version may be changed later; a field that is not given stays. */
export interface VersionChange {
  readonly description?: string;
  readonly metadata?: Readonly<Record<string, string>>;
  readonly metrics?: Readonly<Record<string, number>>;
  readonly tags?: Readonly<Record<string, string>>;
  /** What is said about its approval. */
  readonly approvalNote?: string;
}

const modelBytesMaxDefault = 2 * 1024 ** 3;
const pageDefault = 100;

export class Registry {
  readonly catalogue: Catalogue;
  readonly #options: RegistryOptions;
  readonly #artifacts: Artifacts;
  readonly #registeredListeners = new Set<(version: ModelVersion) => void>();

  constructor(options: RegistryOptions) {
    this.#options = options;
    this.catalogue = new Catalogue(options.catalogueDirectory);
    this.#artifacts = new Artifacts(options.objects, (sha256) => this.#isReferenced(sha256), options.log);
  }

  /** At start, before anything else: removes what a killed process left of its registrations. */
  async open(): Promise<void> {
    await this.#artifacts.sweep();
  }

  /**
   * Stores, inspects and numbers a model; its group is made where it is missing. Throws `invalid_request`,
   * `unsupported`, `too_large`, `unavailable`; then nothing of it is left.
   */
  async register(request: RegistrationRequest): Promise<Registration> {
    const { modelBytesMax = modelBytesMaxDefault } = this.#options;
    const runtimeOf = (image: string) => this.imageRuntime(image);
    const registered = await registerModel({ ...this.#options, artifacts: this.#artifacts, modelBytesMax, runtimeOf }, request);
    const version = await this.version(request.group, registered.version);
    if (!registered.reused) for (const listener of this.#registeredListeners) listener(version);
    return { version, reused: registered.reused };
  }

  /** What a model file is; nothing of it stays. Throws as `register` does. */
  async preview(source: AsyncIterable<Uint8Array> | Uint8Array): Promise<Preview> {
    const { inspect, modelBytesMax = modelBytesMaxDefault } = this.#options;
    return previewModel({ artifacts: this.#artifacts, inspect, modelBytesMax }, source);
  }

  /** The versions that were registered from these bytes, by name; a hundred at most. */
  async versionsOfSource(sha256: string): Promise<readonly string[]> {
    const rows = await selectVersions(this.#options.db)
      .where('v.source_sha256', '=', sha256)
      .orderBy('v.created_at', 'desc')
      .limit(pageDefault)
      .execute();
    return rows.map((row) => versionOf(row).name);
  }

  /** What serves models of this container image. Throws `invalid_request` for one that the images table does not know. */
  imageRuntime(image: string): ImageRuntime {
    return resolveImage(this.#options.images ?? [], image);
  }

  /** Takes a number for a model that could not be registered but counts as a version elsewhere. The group must be there. */
  async numberFailed(failed: FailedModel): Promise<number> {
    return numberFailed(this.#options, failed);
  }

  /** Registers a model of the catalogue in the group of its name, unless another is given; the same bytes are reused. */
  async registerFromCatalogue(name: string, request: { readonly who: string; readonly group?: string }): Promise<Registration> {
    const entry = this.catalogue.entry(name);
    return this.register({
      group: request.group ?? entry.name,
      source: this.catalogue.model(entry),
      sourceName: entry.file,
      description: entry.title,
      metadata: { catalogue: entry.name, licence: entry.licence.weights, dataset: entry.accuracy.dataset },
      metrics: { accuracy: entry.accuracy.value },
      who: request.who,
      reuse: true,
    });
  }

  /** Told of each new version, after it is durable. The answer stops it. */
  onRegistered(listener: (version: ModelVersion) => void): () => void {
    this.#registeredListeners.add(listener);
    return () => this.#registeredListeners.delete(listener);
  }

  async groups({ limit = pageDefault, offset = 0 }: Page = {}): Promise<ModelGroup[]> {
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
    const tags = JSON.stringify(checkWords('tags', group.tags ?? {}));
    await this.#record({ who: group.who, action: 'CreateModelGroup', event: 'group.created' }, async (tx) => {
      const created = await insertGroup(tx, { name, description, tags, atMs: clock.wallMs() });
      if (!created) throw new PlatformError('already_exists', `there is a model group '${name}' already (names are unique without case)`);
      return { subject: name, detail: {} };
    });
    return this.describeGroup(name);
  }

  /** Only an empty one. Throws `not_found`, `wrong_state`. */
  async deleteGroup(name: string, who: string): Promise<void> {
    let forget: (() => void) | undefined;
    await this.#record({ who, action: 'DeleteModelGroup', event: 'group.deleted' }, async (tx) => {
      await removeGroup(tx, name);
      forget = await this.#options.forgetGroup?.(name, tx);
      return { subject: name, detail: {} };
    });
    forget?.();
  }

  /** The latest first. Throws `not_found` where there is no such group. */
  async versions(group: string, { limit = pageDefault, offset = 0 }: Page = {}): Promise<ModelVersion[]> {
    await this.describeGroup(group);
    const rows = await selectVersions(this.#options.db)
      .where('v.group_key', '=', keyOf(group))
      .orderBy('v.version', 'desc')
      .limit(limit)
      .offset(offset)
      .execute();
    return rows.map(versionOf);
  }

  /** Throws `not_found`. Within a transaction, hand it in. */
  async version(group: string, version: number, from: Database | Transaction = this.#options.db): Promise<ModelVersion> {
    const row = await selectVersions(from).where('v.group_key', '=', keyOf(group)).where('v.version', '=', version).executeTakeFirst();
    if (row === undefined) throw noVersion(group, version);
    return versionOf(row);
  }

  /** null where none is Approved. */
  async latestApproved(group: string): Promise<ModelVersion | null> {
    const row = await selectVersions(this.#options.db)
      .where('v.group_key', '=', keyOf(group))
      .where('v.approval', '=', 'Approved')
      .orderBy('v.version', 'desc')
      .limit(1)
      .executeTakeFirst();
    return row === undefined ? null : versionOf(row);
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
      ...(metadata === undefined ? {} : { metadata: JSON.stringify(checkWords('metadata', metadata)) }),
      ...(metrics === undefined ? {} : { metrics: JSON.stringify(checkMetrics(metrics)) }),
      ...(tags === undefined ? {} : { tags: JSON.stringify(checkWords('tags', tags)) }),
      ...(approvalNote === undefined ? {} : { approval_note: checkDescription(approvalNote) }),
    };
    if (Object.keys(columns).length === 0) return this.version(group, version);
    await this.#record({ who, action: 'UpdateModelVersion', event: 'version.updated' }, async (tx) => {
      const { name } = await this.version(group, version, tx);
      await tx.updateTable('model_versions').set(columns).where('group_key', '=', keyOf(group)).where('version', '=', version).execute();
      return { subject: name, detail: change };
    });
    return this.version(group, version);
  }

  /**
   * Changes the tags of a group, or of one of its versions, one change after the other. What `change` throws leaves
   * them as they were. Throws `not_found`, `invalid_request`.
   */
  async retag({ group, version }: VersionOrGroup, change: (tags: Words) => Words, who: string): Promise<void> {
    await this.#changeWords('tags', { group, version }, change, who);
  }

  /** The same of a version's metadata. */
  async changeMetadata(group: string, version: number, change: (metadata: Words) => Words, who: string): Promise<void> {
    await this.#changeWords('metadata', { group, version }, change, who);
  }

  /** The same approval again changes nothing, not even who gave it. Throws `not_found`, `wrong_state`. */
  async setApproval(
    group: string,
    version: number,
    approval: Approval,
    decision: { readonly who: string; readonly note?: string },
  ): Promise<ModelVersion> {
    const note = decision.note === undefined ? null : checkDescription(decision.note);
    await this.#record(
      { who: decision.who, action: 'SetApproval', event: approval === 'Approved' ? 'version.approved' : 'version.rejected' },
      async (tx) => {
        const before = await this.version(group, version, tx);
        if (!changesApproval(before.name, before.approval, approval)) return null;
        await tx
          .updateTable('model_versions')
          .set({
            approval,
            approval_changed_by: decision.who,
            approval_changed_at: this.#options.clock.wallMs(),
            approval_note: note,
          })
          .where('group_key', '=', keyOf(group))
          .where('version', '=', version)
          .execute();
        return { subject: before.name, detail: { from: before.approval, to: approval, note } };
      },
    );
    return this.version(group, version);
  }

  /** Its number is never given again. Throws `not_found`, and `wrong_state` while an endpoint uses it. */
  async deleteVersion(group: string, version: number, who: string): Promise<void> {
    const { inUse } = this.#options;
    let sha256 = '';
    await this.#record({ who, action: 'DeleteModelVersion', event: 'version.deleted' }, async (tx) => {
      const { name, artifact } = await this.version(group, version, tx);
      const users = await inUse(group, version, tx);
      if (users.length > 0) {
        throw new PlatformError('wrong_state', `${name} is used by ${users.join(', ')}: delete or update the endpoint first`);
      }
      await tx.deleteFrom('model_versions').where('group_key', '=', keyOf(group)).where('version', '=', version).execute();
      sha256 = artifact.sha256;
      return { subject: name, detail: { artifact } };
    });
    await this.#artifacts.discard(sha256);
  }

  /** The model file on this machine. */
  artifactPath(version: ModelVersion): string {
    return this.#artifacts.localPath(version.artifact.sha256);
  }

  async #changeWords(
    what: 'tags' | 'metadata',
    { group, version }: VersionOrGroup,
    change: (words: Words) => Words,
    who: string,
  ): Promise<void> {
    const thing: { readonly action: Deed; readonly event: EventKind } =
      version === null
        ? { action: 'UpdateModelGroup', event: 'group.updated' }
        : { action: 'UpdateModelVersion', event: 'version.updated' };
    await this.#record({ who, ...thing }, async (tx) => {
      const words = checkWords(what, change(await lockWords(tx, what, group, version)));
      await writeWords(tx, what, group, version, words);
      return { subject: version === null ? group : `${group}/${version}`, detail: { [what]: words } };
    });
  }

  /** A change with its audit entry and its event, in one transaction; null: there was nothing to change. */
  async #record(
    what: { readonly who: string; readonly action: Deed; readonly event: EventKind },
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

  async #isReferenced(sha256: string): Promise<boolean> {
    const { db } = this.#options;
    const row = await db.selectFrom('model_versions').select('version').where('artifact_sha256', '=', sha256).limit(1).executeTakeFirst();
    return row !== undefined;
  }
}

function selectVersions(from: Database | Transaction) {
  return from
    .selectFrom('model_versions as v')
    .innerJoin('model_groups as g', 'g.name_key', 'v.group_key')
    .selectAll('v')
    .select('g.name as group_name');
}

function noVersion(group: string, version: number): PlatformError {
  return new PlatformError('not_found', `there is no model version ${group}/${version}`, {
    hint: `\`penstock versions ${group}\` lists them`,
  });
}
