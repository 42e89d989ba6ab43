/**
 * Models, which endpoint configs refer to. Each Model refers to a version of the registry: the version of a model package, or a version
 * registered from its container.
 */
import type { Caller } from '../../../access/index.ts';
import type { Clock } from '../../../clock.ts';
import { PlatformError } from '../../../errors.ts';
import type { Audit, Events, PlatformEvent } from '../../../records/index.ts';
import { type ModelVersion, multiModelOf, parseReference, type Registry } from '../../../registry/index.ts';
import { type Database, inTransaction, type Transaction } from '../../../storage/index.ts';
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
import { arnOf } from '../arn.ts';
import type { DocumentOwner, Documents, StoredDocument } from '../documents.ts';
import type { DeployableModel } from '../endpoints/endpoint-documents.ts';
import { readPage } from '../pages.ts';
import { readTags, type Tags } from '../tags.ts';
import type { Container } from './model-data.ts';
import { approvalBy, type ModelImports, UnreadableModel } from './model-imports.ts';
import type { ModelPackages } from './model-packages.ts';
import { openedVersion, whyNotApproved } from './opened-version.ts';
import { derivedContainer, digestOf, imageOf, packageArn } from './package-description.ts';
import type { PackageRecords } from './package-records.ts';
import { whyNoModel } from './package-update.ts';

export interface ModelsOptions {
  readonly db: Database;
  readonly clock: Clock;
  readonly audit: Audit;
  readonly events: Pick<Events, 'record' | 'publish'>;
  readonly registry: Registry;
  readonly documents: Documents;
  readonly packages: ModelPackages;
  readonly records: PackageRecords;
  readonly imports: ModelImports;
  readonly tags: Tags;
}

interface ModelDocument {
  /** The members of the CreateModel call, unchanged. */
  readonly members: AwsInput;
  readonly model: { readonly group: string; readonly version: number };
  /** The version was registered for this Model and is deleted with it. */
  readonly isImported: boolean;
  readonly image: string;
}

/** AWS's limit of keys and values together. */
const environmentBytesMax = 32 * 1024;

export class Models {
  readonly #options: ModelsOptions;

  constructor(options: ModelsOptions) {
    this.#options = options;
  }

  /**
   * The version to deploy for a Model; null if there is none of that name. `digits-3` also refers to version 3 of group digits. Throws
   * `ValidationException` if the Model's package was deleted.
   */
  async findModel(name: string): Promise<DeployableModel | null> {
    const stored = await this.#find(name);
    if (stored === null) {
      const version = await this.#derivedFrom(name);
      return version === null ? null : deployable(name, imageOf(version), version);
    }
    const { model, image } = stored.content;
    const version = await this.#versionOf(model.group, model.version);
    if (version !== null) return deployable(stored.name, image, version);
    const reason = `Model package "${model.group}/${model.version}" of model "${stored.name}" was deleted.`;
    throw new AwsError('ValidationException', `${reason} Delete the model, and create it from another package.`);
  }

  operations(): Record<`${'Create' | 'Describe' | 'Delete'}Model` | 'ListModels', AwsOperation> {
    return {
      // Approving needs a second permission, checked in model-imports.ts.
      CreateModel: changeOperation('register version', (input, call) => this.#create(input, call)),
      DescribeModel: readOperation('read model versions', async (input, call) => this.#describe(String(input['ModelName']), call)),
      DeleteModel: changeOperation('delete version', async (input, call) => this.#delete(String(input['ModelName']), call)),
      ListModels: readOperation('read model versions', async (input, call) => {
        const request = readPage(input, { operation: call.operation, sorts: ['CreationTime', 'Name'], orderDefault: 'Descending' });
        const { items, next } = await this.#options.documents.page<ModelDocument>('model', request);
        const Models = items.map(({ name, createdAtMs }) => ({
          ModelName: name,
          ModelArn: arnOf(call, 'model', name),
          CreationTime: new Date(createdAtMs),
        }));
        return { Models, ...next };
      }),
    };
  }

  async #create(input: AwsInput, call: AwsCall): Promise<AwsOutput> {
    const { ModelName, Tags, ...members } = input;
    const name = String(ModelName);
    const arn = arnOf(call, 'model', name);
    const container = onlyContainer(members);
    checkEnvironment(container);
    const tags = readTags(Tags);
    const alreadyExists = new AwsError('ValidationException', `Cannot create already existing model "${arn}".`);
    if ((await this.#find(name)) !== null) throw alreadyExists;
    const { documents, audit, events } = this.#options;
    let event: PlatformEvent | null = null;
    // Document, tags, audit entry and event are part of the transaction that registers the version.
    const add = async (tx: Transaction, content: Omit<ModelDocument, 'members'>, owner: DocumentOwner): Promise<void> => {
      const document = { kind: 'model', name, content: { members, ...content } satisfies ModelDocument, owner } as const;
      if (!(await documents.add(document, tx))) throw alreadyExists;
      await this.#options.tags.begin({ type: 'model', name, version: null }, tags, owner, tx);
      const detail = { image: content.image, model: `${content.model.group}/${content.model.version}` };
      await audit.record(tx, { who: call.caller.keyId, action: 'CreateModel', target: name, outcome: 'ok', detail });
      event = await events.record(tx, { kind: 'model.created', subject: name, detail });
    };
    if (container.ModelPackageName === undefined) await this.#import(name, container, call.caller, add);
    else await this.#refer(container, container.ModelPackageName, call, add);
    if (event !== null) events.publish(event);
    return { ModelArn: arn };
  }

  /** Registers the container as a new version. */
  async #import(name: string, container: Container, caller: Caller, add: AddModel): Promise<void> {
    try {
      await this.#options.imports.registerUngrouped(
        { kind: 'model', name },
        {
          container,
          who: caller.keyId,
          description: `Model ${name}`,
          approval: approvalBy(caller),
          alongside: (tx, model) => add(tx, { model, isImported: true, image: String(container.Image) }, model),
        },
      );
    } catch (error) {
      if (!(error instanceof UnreadableModel)) throw error;
      throw new AwsError('ValidationException', `The model cannot be served: ${error.message}`, { cause: error });
    }
  }

  /** Refers to the version of a model package, which must be Approved. */
  async #refer(container: Container, reference: string, call: AwsCall, add: AddModel): Promise<void> {
    if (container.Image !== undefined || container.ModelDataUrl !== undefined || container.ModelDataSource !== undefined) {
      throw new AwsError('ValidationException', 'A container with ModelPackageName must not have Image, ModelDataUrl or ModelDataSource.');
    }
    const record = await this.#options.packages.find(call, reference);
    const arn = packageArn(call, record);
    if (record.registered === null)
      throw new AwsError('ValidationException', `ModelPackage ${arn} ${whyNoModel(record)} and cannot be deployed.`);
    const registered = await openedVersion(this.#options.registry, record.registered);
    if (registered.approval !== 'Approved') {
      const why = whyNotApproved(registered);
      throw new AwsError('ValidationException', `ModelPackage ${arn} is ${registered.approval}: expected Approved${why}.`);
    }
    if (registered.runtime.kind !== 'onnx' && Object.keys(container.Environment ?? {}).length > 0) {
      throw new AwsError(
        'ValidationException',
        'The Environment of a model package cannot be overridden. Create another version of the package with it.',
      );
    }
    const { group, version } = registered;
    const image = String(firstContainer(record.document?.members)?.Image ?? imageOf(registered));
    await inTransaction(this.#options.db, (tx) => add(tx, { model: { group, version }, isImported: false, image }, {}));
  }

  async #describe(name: string, awsLocation: AwsLocation): Promise<AwsOutput> {
    const stored = await this.#find(name);
    if (stored !== null) {
      const { PrimaryContainer, Containers, ...members } = stored.content.members;
      return {
        ...(PrimaryContainer === undefined ? {} : { PrimaryContainer: withDefaults(PrimaryContainer as Container) }),
        ...(Containers === undefined ? {} : { Containers: (Containers as Container[]).map(withDefaults) }),
        EnableNetworkIsolation: false,
        ...members,
        ModelName: stored.name,
        ModelArn: arnOf(awsLocation, 'model', stored.name),
        CreationTime: new Date(stored.createdAtMs),
      };
    }
    const version = await this.#derivedFrom(name);
    if (version === null) throw missing(awsLocation, name);
    const isPackage = !(await this.#options.records.isUngrouped(version.group));
    const reference = { name: version.group, version: version.version };
    return {
      ModelName: name,
      ModelArn: arnOf(awsLocation, 'model', name),
      PrimaryContainer: { ...derivedContainer(version), ...(isPackage ? { ModelPackageName: packageArn(awsLocation, reference) } : {}) },
      EnableNetworkIsolation: false,
      CreationTime: new Date(version.createdAtMs),
    };
  }

  /** Deletes a Model even while an endpoint serves it. Its version then stays as long as it is in use. */
  async #delete(name: string, call: AwsCall): Promise<AwsOutput> {
    const { db, documents, tags, imports, audit, events } = this.#options;
    const who = call.caller.keyId;
    const stored = await this.#find(name);
    if (stored === null) {
      const version = await this.#derivedFrom(name);
      if (version === null) throw missing(call, name);
      const arn = packageArn(call, { name: version.group, version: version.version });
      throw new AwsError('ValidationException', `Model ${name} is derived from model package ${arn} and is deleted with it.`);
    }
    const event = await inTransaction(db, async (tx) => {
      await documents.remove('model', name, tx);
      await tags.discard({ type: 'model', name, version: null }, tx);
      await audit.record(tx, { who, action: 'DeleteModel', target: stored.name, outcome: 'ok', detail: {} });
      return events.record(tx, { kind: 'model.deleted', subject: stored.name, detail: {} });
    });
    events.publish(event);
    if (stored.content.isImported) await imports.removeUngrouped(stored.content.model, who);
    return {};
  }

  #find(name: string): Promise<StoredDocument<ModelDocument> | null> {
    return this.#options.documents.find<ModelDocument>('model', name);
  }

  /** Endpoints of other APIs show their Models under derived names such as `digits-3`. */
  async #derivedFrom(name: string): Promise<ModelVersion | null> {
    const [, group, number] = /^(.+)-([1-9]\d{0,8})$/.exec(name) ?? [];
    if (group === undefined || number === undefined) return null;
    return this.#versionOf(group, Number(number));
  }

  async #versionOf(group: string, version: number): Promise<ModelVersion | null> {
    try {
      parseReference(`${group}/${version}`);
      return await this.#options.registry.version(group, version);
    } catch (error) {
      if (error instanceof PlatformError && (error.code === 'not_found' || error.code === 'invalid_request')) return null;
      throw error;
    }
  }
}

type AddModel = (tx: Transaction, content: Omit<ModelDocument, 'members'>, owner: DocumentOwner) => Promise<void>;

/** The resolved image has the artifact's digest instead of a tag. */
function deployable(name: string, image: string, version: ModelVersion): DeployableModel {
  const many = multiModelOf(version) === null ? {} : { isMultiModel: true as const };
  return {
    name,
    group: version.group,
    version: version.version,
    ...many,
    image,
    resolvedImage: `${image.split('@')[0]}@${digestOf(version)}`,
  };
}

function firstContainer(members: AwsInput | undefined): Container | undefined {
  return (members?.['InferenceSpecification'] as { readonly Containers?: readonly Container[] } | undefined)?.Containers?.[0];
}

/** Exactly one of PrimaryContainer and Containers, with one container. Throws `ValidationException`. */
function onlyContainer({ PrimaryContainer: primary, Containers: list }: AwsInput): Container {
  if ((primary === undefined) === (list === undefined)) {
    throw new AwsError('ValidationException', 'You must provide either PrimaryContainer or Containers in the input, and not both.');
  }
  if (primary !== undefined) return primary as Container;
  const [container, ...others] = list as readonly Container[];
  if (container === undefined) throw new AwsError('ValidationException', 'Containers is empty: expected 1 container.');
  if (others.length > 0) {
    throw new AwsError('ValidationException', `Pipelines of containers are not supported: expected 1 container, got ${others.length + 1}.`);
  }
  return container;
}

function checkEnvironment({ Environment: environment = {} }: Container): void {
  const bytes = Buffer.byteLength(Object.entries(environment).flat().join(''));
  if (bytes > environmentBytesMax) {
    throw new AwsError(
      'ValidationException',
      `Environment is too large: expected at most ${environmentBytesMax} bytes in total, got ${bytes}.`,
    );
  }
}

/** Adds defaults, as AWS does for containers with an image. */
function withDefaults(container: Container): Container {
  return container.ModelPackageName === undefined ? { Mode: 'SingleModel', Environment: {}, ...container } : container;
}

function missing(awsLocation: AwsLocation, name: string): AwsError {
  return new AwsError('ValidationException', `Could not find model "${arnOf(awsLocation, 'model', name)}".`);
}
