/** Model packages: made, described, approved, deleted. */
import type { Clock } from '../../clock.ts';
import { PlatformError } from '../../errors.ts';
import type { Approval, Registry } from '../../registry/index.ts';
import { type Database, inTransaction, type Transaction } from '../../storage/index.ts';
import { type AwsCall, AwsError, type AwsInput, type AwsOperation, type AwsOutput, type AwsPlace } from '../service.ts';
import { readReference } from './arn.ts';
import { ClientTokens } from './client-tokens.ts';
import type { Documents, GoesWith } from './documents.ts';
import type { Container } from './model-data.ts';
import { type ModelImport, type ModelImports, UnreadableModel } from './model-imports.ts';
import type { ModelPackageGroups } from './model-package-groups.ts';
import { customerMetadata, describePackage, inferenceSpecification, packageArn, summarizePackage } from './package-description.ts';
import { documentName, type PackageDocument, type PackageRecord, type PackageRecords } from './package-records.ts';
import { checkUpdate, updatedMembers } from './package-update.ts';
import { readPage } from './pages.ts';
import { readTags, type Tags, type TagWords } from './tags.ts';

export interface ModelPackagesOptions {
  readonly db: Database;
  readonly clock: Clock;
  readonly registry: Registry;
  readonly documents: Documents;
  readonly records: PackageRecords;
  readonly groups: ModelPackageGroups;
  readonly imports: ModelImports;
  readonly tags: Tags;
}

/** What becomes of a package while it is made. */
interface NewPackage {
  readonly container: Container;
  readonly members: AwsInput;
  readonly tags: TagWords;
  readonly call: AwsCall;
  readonly keep: (answer: AwsOutput, goesWith: GoesWith, tx: Transaction) => Promise<void>;
}

type PackageOperation = `${'Create' | 'Describe' | 'Update' | 'Delete' | 'BatchDescribe'}ModelPackage` | 'ListModelPackages';

export class ModelPackages {
  readonly #options: ModelPackagesOptions;
  readonly #tokens: ClientTokens;

  constructor(options: ModelPackagesOptions) {
    this.#options = options;
    this.#tokens = new ClientTokens(options.documents, options.clock);
  }

  /** By its name, `group/3` or ARN. Throws `ValidationException` where there is none. */
  async find(place: AwsPlace, reference: unknown): Promise<PackageRecord> {
    const resource = readReference(place, 'model-package', String(reference));
    const record = await this.#options.records.find(resource);
    if (record !== null) return record;
    throw new AwsError('ValidationException', `ModelPackage ${packageArn(place, resource)} does not exist.`);
  }

  operations(): Record<PackageOperation, AwsOperation> {
    return {
      CreateModelPackage: (input, call) => this.#create(input, call),
      DescribeModelPackage: async (input, call) => describePackage(await this.find(call, input['ModelPackageName']), call),
      UpdateModelPackage: async (input, call) => this.#update(await this.find(call, input['ModelPackageArn']), input, call),
      DeleteModelPackage: async (input, call) => this.#delete(await this.find(call, input['ModelPackageName']), call),
      BatchDescribeModelPackage: async (input, call) => this.#describeAll(input['ModelPackageArnList'] as readonly string[], call),
      ListModelPackages: async (input, call) => {
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
      },
    };
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
    const container = onlyContainer(input['InferenceSpecification']);
    const tags = readTags(Tags);
    return this.#tokens.once('CreateModelPackage', input, async (keep) => {
      const made = { container, members, tags, call, keep };
      if (ModelPackageGroupName !== undefined)
        return this.#createVersion((await this.#options.groups.find(call, ModelPackageGroupName)).name, made);
      if (ModelPackageName !== undefined) return this.#createAlone(ModelPackageName as string, made);
      throw new AwsError('ValidationException', 'Provide ModelPackageGroupName or ModelPackageName: neither is in the input.');
    });
  }

  async #createVersion(group: string, made: NewPackage): Promise<AwsOutput> {
    const { registry, imports, tags } = this.#options;
    const { call, members } = made;
    const approval = members['ModelApprovalStatus'] as Approval | undefined;
    const arnOfNumber = (version: number) => ({ ModelPackageArn: packageArn(call, { name: group, version }) });
    try {
      const registered = await imports.register(group, {
        ...this.#importOf(made),
        ...(approval === undefined ? {} : { approval }),
        alongside: (tx, { version }) => this.#addDocument(tx, { name: group, version }, { group, version }, made),
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
          await this.#addDocument(tx, { name: group, version: number }, { group }, made, { failure });
          await tags.begin({ type: 'model-package', name: group, version: number }, made.tags, { group }, tx);
        },
      });
      return arnOfNumber(version);
    }
  }

  async #createAlone(name: string, made: NewPackage): Promise<AwsOutput> {
    const { documents, imports, tags } = this.#options;
    const { call } = made;
    const taken = new AwsError('ValidationException', `Model Package already exists: ${packageArn(call, { name, version: null })}`);
    if ((await documents.find('model-package', name)) !== null) throw taken;
    try {
      await imports.registerAside(
        { kind: 'model-package', name },
        {
          ...this.#importOf(made),
          tags: {}, // they are the package's, which keeps them itself
          alongside: async (tx, model) => {
            if ((await documents.find('model-package', name, tx)) !== null) throw taken;
            await this.#addDocument(tx, { name, version: null }, model, made, { model });
            await tags.begin({ type: 'model-package', name, version: null }, made.tags, model, tx);
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

  #importOf({ container, members, tags, call }: NewPackage): Omit<ModelImport, 'alongside'> {
    const { ModelPackageDescription: description, CustomerMetadataProperties: metadata } = members;
    return {
      container,
      who: call.caller.keyId,
      tags,
      ...(typeof description === 'string' ? { description } : {}),
      ...(metadata === undefined ? {} : { metadata: metadata as Record<string, string> }),
    };
  }

  async #addDocument(
    tx: Transaction,
    reference: { readonly name: string; readonly version: number | null },
    goesWith: GoesWith,
    { members, call, keep }: NewPackage,
    more: Partial<PackageDocument> = {},
  ): Promise<void> {
    const content: PackageDocument = { members, createdBy: call.caller.keyId, ...more };
    const number = reference.version === null ? {} : { number: reference.version };
    await this.#options.documents.put({ kind: 'model-package', name: documentName(reference), content, goesWith, ...number }, tx);
    await keep({ ModelPackageArn: packageArn(call, reference) }, goesWith, tx);
  }

  /** Checked first, so that either all of it happens or nothing. */
  async #update(record: PackageRecord, input: AwsInput, call: AwsCall): Promise<AwsOutput> {
    const { db, clock, registry, records } = this.#options;
    const who = call.caller.keyId;
    const { approval, note, metadata } = checkUpdate(record, input, packageArn(call, record));
    const { registered } = record;
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
        record,
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
    await tags.forget({ type: 'model-package', name, version });
    if (document?.model !== undefined) await imports.removeAside(document.model, who);
    return {};
  }

  async #describeAll(arns: readonly string[], call: AwsCall): Promise<AwsOutput> {
    const summaries: Record<string, AwsOutput> = {};
    const errors: Record<string, AwsOutput> = {};
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

/** The one that holds the model. Throws `ValidationException`: pipelines of several are not served here. */
function onlyContainer(specification: unknown): Container {
  const { Containers: containers = [] } = (specification ?? {}) as { readonly Containers?: readonly Container[] };
  const [container, ...others] = containers;
  if (container === undefined) {
    throw new AwsError(
      'ValidationException',
      'A model package needs an InferenceSpecification with a container that has Image and ModelDataUrl.',
    );
  }
  if (others.length > 0)
    throw new AwsError('ValidationException', `Pipelines of ${containers.length} containers are not served here: expected one.`);
  return container;
}
