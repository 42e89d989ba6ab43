/** Operations on model packages. */
import assert from 'node:assert/strict';
import type { Clock } from '../../../clock.ts';
import { PlatformError } from '../../../errors.ts';
import type { Approval, ModelVersion, Registry } from '../../../registry/index.ts';
import { type Database, inTransaction, type Transaction } from '../../../storage/index.ts';
import type { TagMap } from '../../resource-tags.ts';
import {
  type AwsCall,
  AwsError,
  type AwsInput,
  type AwsLocation,
  type AwsOperation,
  type AwsOutput,
  changeOperation,
  readOperation,
} from '../../service.ts';
import { readReference } from '../arn.ts';
import { ClientTokens } from '../client-tokens.ts';
import type { DocumentOwner, Documents } from '../documents.ts';
import { readPage, readPages } from '../pages.ts';
import type { Searchable } from '../search.ts';
import { readTags, type Tags, tagList } from '../tags.ts';
import type { Container } from './model-data.ts';
import { approvalBy, type ModelImport, type ModelImports, UnreadableModel } from './model-imports.ts';
import type { ModelPackageGroups } from './model-package-groups.ts';
import { customerMetadata, describePackage, inferenceSpecification, packageArn, summarizePackage } from './package-description.ts';
import { documentName, type PackageDocument, type PackageRecord, type PackageRecords } from './package-records.ts';
import { checkUpdate, updatedMembers } from './package-update.ts';

export interface ModelPackagesOptions {
  readonly db: Database;
  readonly clock: Clock;
  readonly registry: Registry;
  readonly documents: Documents;
  readonly records: PackageRecords;
  readonly groups: ModelPackageGroups;
  readonly imports: ModelImports;
  readonly tags: Tags;
  /** The `s3://` URI of the newest model quality report on a version; null if it was not evaluated. */
  readonly qualityUriOf?: ((version: ModelVersion) => Promise<string | null>) | undefined;
}

/** The input of one CreateModelPackage call. `store` records its answer for `ClientToken`. */
interface NewPackage extends EmptyPackage {
  readonly container: Container;
}

interface EmptyPackage {
  readonly members: AwsInput;
  readonly tags: TagMap;
  readonly call: AwsCall;
  readonly store: (answer: AwsOutput, owner: DocumentOwner, tx: Transaction) => Promise<void>;
}

type PackageOperation = `${'Create' | 'Describe' | 'Update' | 'Delete' | 'BatchDescribe'}ModelPackage` | 'ListModelPackages';

/** A package registered with a status other than PendingManualApproval is approved or rejected by the same call. */
function registering({ ModelApprovalStatus: status }: AwsInput): 'register version' | 'approve version' {
  return status === undefined || status === 'PendingManualApproval' ? 'register version' : 'approve version';
}

function updating({ ModelApprovalStatus: status, ApprovalDescription: note }: AwsInput): 'update version' | 'approve version' {
  return status === undefined && note === undefined ? 'update version' : 'approve version';
}

export class ModelPackages {
  readonly #options: ModelPackagesOptions;
  readonly #tokens: ClientTokens;

  constructor(options: ModelPackagesOptions) {
    this.#options = options;
    this.#tokens = new ClientTokens(options.documents, options.clock);
  }

  /** Finds a package by name, `group/3` or ARN. Throws `ValidationException` if it does not exist. */
  async find(awsLocation: AwsLocation, reference: unknown): Promise<PackageRecord> {
    const resource = readReference(awsLocation, 'model-package', String(reference));
    const record = await this.#options.records.find(resource);
    if (record !== null) return record;
    throw new AwsError('ValidationException', `ModelPackage ${packageArn(awsLocation, resource)} does not exist.`);
  }

  /** For Search. */
  readonly searchable: Searchable = {
    names: ['ModelPackageGroupName', 'ModelPackageVersion', 'ModelPackageName'],
    all: async (call, { group, limit }) => {
      const { records, tags } = this.#options;
      const selection = { types: ['Versioned', 'Unversioned'] as const, ...(group === null ? {} : { group }) };
      const found = await readPages(limit, (request) => records.page(selection, request));
      const described = async (record: PackageRecord): Promise<AwsOutput> => {
        const { name, version } = record;
        return { ...describePackage(record, call), Tags: tagList(await tags.of({ type: 'model-package', name, version })) };
      };
      return Promise.all(found.map(described));
    },
  };

  operations(): Record<PackageOperation, AwsOperation> {
    return {
      CreateModelPackage: changeOperation(registering, (input, call) => this.#create(input, call)),
      DescribeModelPackage: readOperation('read model versions', async (input, call) =>
        this.#describe(await this.find(call, input['ModelPackageName']), call),
      ),
      UpdateModelPackage: changeOperation(updating, async (input, call) =>
        this.#update(await this.find(call, input['ModelPackageArn']), input, call),
      ),
      DeleteModelPackage: changeOperation('delete version', async (input, call) =>
        this.#delete(await this.find(call, input['ModelPackageName']), call),
      ),
      BatchDescribeModelPackage: readOperation('read model versions', async (input, call) =>
        this.#describeAll(input['ModelPackageArnList'] as readonly string[], call),
      ),
      ListModelPackages: readOperation('read model versions', async (input, call) => {
        const { ModelPackageGroupName: group, ModelPackageType: type, ModelApprovalStatus: approval } = input;
        const request = readPage(input, { operation: call.operation, sorts: ['CreationTime', 'Name'], orderDefault: 'Ascending' });
        const wanted = type ?? (group === undefined ? 'Unversioned' : 'Versioned');
        const selection = {
          types: wanted === 'Both' ? (['Versioned', 'Unversioned'] as const) : ([wanted] as ('Versioned' | 'Unversioned')[]),
          ...(group === undefined ? {} : { group: (await this.#options.groups.find(call, group)).name }),
          ...(approval === undefined ? {} : { approval: approval as Approval }),
        };
        const { items, next } = await this.#options.records.page(selection, request);
        return { ModelPackageSummaryList: items.map((record) => summarizePackage(record, call)), ...next };
      }),
    };
  }

  /** A report that was given at creation is not replaced by one that was measured here. */
  async #describe(record: PackageRecord, call: AwsCall): Promise<AwsOutput> {
    const described = describePackage(record, call);
    const metrics = (described['ModelMetrics'] ?? {}) as AwsOutput;
    const { qualityUriOf } = this.#options;
    if (record.registered === null || qualityUriOf === undefined || metrics['ModelQuality'] !== undefined) return described;
    const uri = await qualityUriOf(record.registered);
    if (uri === null) return described;
    return { ...described, ModelMetrics: { ...metrics, ModelQuality: { Statistics: { ContentType: 'application/json', S3Uri: uri } } } };
  }

  async #create(input: AwsInput, call: AwsCall): Promise<AwsOutput> {
    const { ModelPackageName, ModelPackageGroupName, Tags, ClientToken: _token, ...members } = input;
    if (ModelPackageName !== undefined && ModelPackageGroupName !== undefined) {
      throw new AwsError(
        'ValidationException',
        'Both ModelPackageName and ModelPackageGroupName are provided in the input. ' +
          'Provide ModelPackageGroupName for a version of a group, or ModelPackageName for a model package without one.',
      );
    }
    const isEmpty = input['InferenceSpecification'] === undefined && ModelPackageGroupName !== undefined;
    if (isEmpty) checkPending(input['ModelApprovalStatus'] as string | undefined);
    const container = isEmpty ? null : onlyContainer(input['InferenceSpecification']);
    const tags = readTags(Tags);
    return this.#tokens.once('CreateModelPackage', input, async (store) => {
      if (ModelPackageGroupName !== undefined) {
        const group = (await this.#options.groups.find(call, ModelPackageGroupName)).name;
        if (container === null) return this.#createEmpty(group, { members, tags, call, store });
        return this.#createVersion(group, { container, members, tags, call, store });
      }
      assert(container !== null);
      const creation = { container, members, tags, call, store };
      if (ModelPackageName !== undefined) return this.#createUngrouped(ModelPackageName as string, creation);
      throw new AwsError(
        'ValidationException',
        'Neither ModelPackageName nor ModelPackageGroupName is provided in the input. Provide one of them.',
      );
    });
  }

  /** A model that cannot be served still uses up a version number: its package is Failed. */
  async #createVersion(group: string, creation: NewPackage): Promise<AwsOutput> {
    const { registry, imports, tags } = this.#options;
    const { call, members } = creation;
    const approval = members['ModelApprovalStatus'] as Approval | undefined;
    const arnOfNumber = (version: number) => ({ ModelPackageArn: packageArn(call, { name: group, version }) });
    try {
      const registered = await imports.register(group, {
        ...this.#importOf(creation),
        ...(approval === undefined ? {} : { approval }),
        alongside: (tx, { version }) => this.#addDocument(tx, { name: group, version }, { group, version }, creation),
      });
      return arnOfNumber(registered.version);
    } catch (error) {
      if (!(error instanceof UnreadableModel)) throw error;
      const failure = error.message;
      const version = await registry.numberFailed({
        group,
        who: call.caller.keyId,
        reason: failure,
        alongside: async (tx, number) => {
          await this.#addDocument(tx, { name: group, version: number }, { group }, creation, { failure });
          await tags.begin({ type: 'model-package', name: group, version: number }, creation.tags, { group }, tx);
        },
      });
      return arnOfNumber(version);
    }
  }

  /** A version without a model: UpdateModelPackage adds it. */
  async #createEmpty(group: string, creation: EmptyPackage): Promise<AwsOutput> {
    const { call } = creation;
    const version = await this.#options.registry.reserveNumber({
      group,
      who: call.caller.keyId,
      alongside: async (tx, number) => {
        await this.#addDocument(tx, { name: group, version: number }, { group }, creation);
        await this.#options.tags.begin({ type: 'model-package', name: group, version: number }, creation.tags, { group }, tx);
      },
    });
    return { ModelPackageArn: packageArn(call, { name: group, version }) };
  }

  /** Registers the model of a version that had none, under its number. Approving it is a later decision. */
  async #addModel(record: PackageRecord, specification: unknown, call: AwsCall): Promise<ModelVersion> {
    const { imports, tags, documents } = this.#options;
    const { name, version, document } = record;
    assert(version !== null && document !== null, 'a version without a model is a document');
    const resource = { type: 'model-package', name, version } as const;
    const creation = { container: onlyContainer(specification), members: document.members, tags: await tags.of(resource), call };
    try {
      return await imports.register(name, {
        ...this.#importOf(creation),
        number: version,
        alongside: async (tx) => {
          // From here on the registry stores its tags, and the document belongs to the version.
          await tags.discard(resource, tx);
          const owner = { group: name, version };
          await documents.put({ kind: 'model-package', name: documentName(record), content: document, owner, number: version }, tx);
        },
      });
    } catch (error) {
      if (!(error instanceof UnreadableModel)) throw error;
      throw new AwsError('ValidationException', `The model cannot be served: ${error.message}`, { cause: error });
    }
  }

  /** A model that cannot be served is rejected: without a group there is no version number to report. */
  async #createUngrouped(name: string, creation: NewPackage): Promise<AwsOutput> {
    const { documents, imports, tags } = this.#options;
    const { call } = creation;
    const alreadyExists = new AwsError('ValidationException', `Model Package already exists: ${packageArn(call, { name, version: null })}`);
    if ((await documents.find('model-package', name)) !== null) throw alreadyExists;
    try {
      await imports.registerUngrouped(
        { kind: 'model-package', name },
        {
          ...this.#importOf(creation),
          tags: {}, // stored with the package instead
          approval: (creation.members['ModelApprovalStatus'] as Approval | undefined) ?? approvalBy(call.caller),
          alongside: async (tx, model) => {
            // A concurrent call may have created it since the first check.
            if ((await documents.find('model-package', name, tx)) !== null) throw alreadyExists;
            await this.#addDocument(tx, { name, version: null }, model, creation, { model });
            await tags.begin({ type: 'model-package', name, version: null }, creation.tags, model, tx);
          },
        },
      );
    } catch (error) {
      throw error instanceof UnreadableModel
        ? new AwsError('ValidationException', `The model cannot be served: ${error.message}`, { cause: error })
        : error;
    }
    return { ModelPackageArn: packageArn(call, { name, version: null }) };
  }

  #importOf({ container, members, tags, call }: Omit<NewPackage, 'store'>): Omit<ModelImport, 'alongside'> {
    const { ModelPackageDescription: description, CustomerMetadataProperties: metadata, SamplePayloadUrl: samplePayloadUrl } = members;
    return {
      container,
      who: call.caller.keyId,
      tags,
      ...(typeof description === 'string' ? { description } : {}),
      ...(typeof samplePayloadUrl === 'string' ? { samplePayloadUrl } : {}),
      ...(metadata === undefined ? {} : { metadata: metadata as Record<string, string> }),
    };
  }

  /** Stores the document, and the answer for `ClientToken`, in the transaction that creates the version. */
  async #addDocument(
    tx: Transaction,
    reference: { readonly name: string; readonly version: number | null },
    owner: DocumentOwner,
    { members, call, store }: EmptyPackage,
    more: Partial<PackageDocument> = {},
  ): Promise<void> {
    const content: PackageDocument = { members, createdBy: call.caller.keyId, ...more };
    const number = reference.version === null ? {} : { number: reference.version };
    await this.#options.documents.put({ kind: 'model-package', name: documentName(reference), content, owner, ...number }, tx);
    await store({ ModelPackageArn: packageArn(call, reference) }, owner, tx);
  }

  /** Validates everything before the first change, because registry and document change in separate transactions. */
  async #update(record: PackageRecord, input: AwsInput, call: AwsCall): Promise<AwsOutput> {
    const { db, clock, registry, records } = this.#options;
    const who = call.caller.keyId;
    const { approval, note, metadata, specification } = checkUpdate(record, input, packageArn(call, record));
    const registered = specification === undefined ? record.registered : await this.#addModel(record, specification, call);
    if (registered !== null) {
      const { group, version } = registered;
      if (approval !== undefined) await registry.setApproval(group, version, approval, { who, ...(note === undefined ? {} : { note }) });
      if (note !== undefined && (approval === undefined || approval === registered.approval)) {
        await registry.update(group, version, { approvalNote: note }, who);
      }
      if (metadata !== undefined) await registry.changeMetadata(group, version, metadata, who);
    }
    await inTransaction(db, (tx) =>
      records.changeDocument(
        { ...record, registered },
        (document) => ({
          ...document,
          members: updatedMembers(document.members, input, registered === null ? metadata?.(customerMetadata(record) ?? {}) : undefined),
          modified: { atMs: clock.wallMs(), by: who },
        }),
        tx,
      ),
    );
    return { ModelPackageArn: packageArn(call, record) };
  }

  async #delete(record: PackageRecord, call: AwsCall): Promise<AwsOutput> {
    const { registry, documents, tags, imports } = this.#options;
    const { name, version, document, registered } = record;
    const who = call.caller.keyId;
    if (version !== null && registered !== null) {
      try {
        // Deletes the documents and tags of the version as well.
        await registry.deleteVersion(registered.group, version, who);
      } catch (error) {
        if (!(error instanceof PlatformError) || error.code !== 'wrong_state') throw error;
        throw new AwsError('ConflictException', `ModelPackage ${packageArn(call, record)} cannot be deleted: ${error.message}`, {
          cause: error,
        });
      }
      return {};
    }
    await documents.remove('model-package', documentName(record));
    await tags.discard({ type: 'model-package', name, version });
    if (document?.model !== undefined) await imports.removeUngrouped(document.model, who);
    return {};
  }

  async #describeAll(arns: readonly string[], call: AwsCall): Promise<AwsOutput> {
    const summaries: Record<string, AwsOutput> = {};
    const errors: Record<string, AwsOutput> = {};
    // Duplicate ARNs are answered once.
    for (const arn of new Set(arns)) {
      try {
        const record = await this.find(call, arn);
        const summary = { ModelPackageGroupName: record.name, ...summarizePackage(record, call) };
        summaries[arn] = { ...summary, InferenceSpecification: inferenceSpecification(record) ?? { Containers: [] } };
      } catch (error) {
        if (!(error instanceof AwsError)) throw error;
        errors[arn] = { ErrorCode: error.code, ErrorResponse: error.message };
      }
    }
    return { ModelPackageSummaries: summaries, BatchDescribeModelPackageErrorMap: errors };
  }
}

/** Throws `ValidationException`: an approval is a decision about a model. */
function checkPending(approval: string | undefined): void {
  if (approval === undefined || approval === 'PendingManualApproval') return;
  throw new AwsError(
    'ValidationException',
    `A model package without an InferenceSpecification has no model and cannot be ${approval}: expected PendingManualApproval.`,
  );
}

/** Throws `ValidationException` unless there is exactly one container: pipelines are not supported. */
function onlyContainer(specification: unknown): Container {
  const { Containers: containers = [] } = (specification ?? {}) as { readonly Containers?: readonly Container[] };
  const [container, ...others] = containers;
  if (container === undefined) {
    throw new AwsError(
      'ValidationException',
      'A model package requires an InferenceSpecification with one container that has Image and ModelDataUrl.',
    );
  }
  if (others.length > 0)
    throw new AwsError('ValidationException', `Pipelines of containers are not supported: expected 1 container, got ${containers.length}.`);
  return container;
}
