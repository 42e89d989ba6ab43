/**
 * Models: what an endpoint config names. Each stands for one version of the registry: that of a model package, or one that
 * was made for it from its container.
 */
import type { Clock } from '../../clock.ts';
import { PlatformError } from '../../errors.ts';
import type { Audit, Events, PlatformEvent } from '../../monitoring/index.ts';
import { type ModelVersion, parseReference, type Registry } from '../../registry/index.ts';
import { type Database, inTransaction, type Transaction } from '../../storage/index.ts';
import { type AwsCall, AwsError, type AwsInput, type AwsOperation, type AwsOutput, type AwsPlace } from '../service.ts';
import { arnOf } from './arn.ts';
import type { Documents, GoesWith, StoredDocument } from './documents.ts';
import type { DeployableModel } from './endpoint-documents.ts';
import type { Container } from './model-data.ts';
import { type ModelImports, UnreadableModel } from './model-imports.ts';
import type { ModelPackages } from './model-packages.ts';
import { derivedContainer, digestOf, imageOf, packageArn } from './package-description.ts';
import type { PackageRecords } from './package-records.ts';
import { readPage } from './pages.ts';
import { readTags, type Tags } from './tags.ts';

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
  /** As they came. */
  readonly members: AwsInput;
  readonly model: { readonly group: string; readonly version: number };
  /** Made for it: goes when it goes. */
  readonly isImported: boolean;
  readonly image: string;
}

const environmentBytesMax = 32 * 1024;

export class Models {
  readonly #options: ModelsOptions;

  constructor(options: ModelsOptions) {
    this.#options = options;
  }

  /** What is deployed for it; null where there is no Model of that name. `digits-3` is also the version 3 of digits. Throws `ValidationException` where the package that it was made of is gone. */
  async findModel(name: string): Promise<DeployableModel | null> {
    const stored = await this.#find(name);
    if (stored === null) {
      const version = await this.#derivedFrom(name);
      return version === null ? null : deployable(name, imageOf(version), version);
    }
    const { model, image } = stored.content;
    const version = await this.#versionOf(model.group, model.version);
    if (version !== null) return deployable(stored.name, image, version);
    const gone = `Could not find model package "${model.group}/${model.version}", of which model "${stored.name}" was made: it was deleted.`;
    throw new AwsError('ValidationException', `${gone} Delete the model, and make it of another package.`);
  }

  operations(): Record<`${'Create' | 'Describe' | 'Delete'}Model` | 'ListModels', AwsOperation> {
    return {
      CreateModel: (input, call) => this.#create(input, call),
      DescribeModel: async (input, call) => this.#describe(String(input['ModelName']), call),
      DeleteModel: async (input, call) => this.#delete(String(input['ModelName']), call),
      ListModels: async (input, call) => {
        const request = readPage(input, { operation: call.operation, sorts: ['CreationTime', 'Name'], orderDefault: 'Descending' });
        const { items, next } = await this.#options.documents.page<ModelDocument>('model', request);
        const Models = items.map(({ name, createdAtMs }) => ({
          ModelName: name,
          ModelArn: arnOf(call, 'model', name),
          CreationTime: new Date(createdAtMs),
        }));
        return { Models, ...next };
      },
    };
  }

  async #create(input: AwsInput, call: AwsCall): Promise<AwsOutput> {
    const { ModelName, Tags, ...members } = input;
    const name = String(ModelName);
    const arn = arnOf(call, 'model', name);
    const container = onlyContainer(members);
    checkEnvironment(container);
    const tags = readTags(Tags);
    const taken = new AwsError('ValidationException', `Cannot create already existing model "${arn}".`);
    if ((await this.#find(name)) !== null) throw taken;
    const { documents, audit, events } = this.#options;
    let news: PlatformEvent | null = null;
    const add = async (tx: Transaction, content: Omit<ModelDocument, 'members'>, goesWith: GoesWith): Promise<void> => {
      const document = { kind: 'model', name, content: { members, ...content } satisfies ModelDocument, goesWith } as const;
      if (!(await documents.add(document, tx))) throw taken;
      await this.#options.tags.begin({ type: 'model', name, version: null }, tags, goesWith, tx);
      const detail = { image: content.image, model: `${content.model.group}/${content.model.version}` };
      await audit.record(tx, { who: call.caller.keyId, action: 'CreateModel', target: name, outcome: 'ok', detail });
      news = await events.record(tx, { kind: 'model.created', subject: name, detail });
    };
    if (container.ModelPackageName === undefined) await this.#import(name, container, call.caller.keyId, add);
    else await this.#refer(container, container.ModelPackageName, call, add);
    if (news !== null) events.publish(news);
    return { ModelArn: arn };
  }

  async #import(name: string, container: Container, who: string, add: AddModel): Promise<void> {
    try {
      await this.#options.imports.registerAside(
        { kind: 'model', name },
        {
          container,
          who,
          description: `Model ${name}`,
          alongside: (tx, model) => add(tx, { model, isImported: true, image: String(container.Image) }, model),
        },
      );
    } catch (error) {
      if (!(error instanceof UnreadableModel)) throw error;
      throw new AwsError('ValidationException', `The model cannot be served: ${error.message}`, { cause: error });
    }
  }

  async #refer(container: Container, reference: string, call: AwsCall, add: AddModel): Promise<void> {
    if (container.Image !== undefined || container.ModelDataUrl !== undefined || container.ModelDataSource !== undefined) {
      throw new AwsError(
        'ValidationException',
        'A container with ModelPackageName has neither Image nor ModelDataUrl nor ModelDataSource.',
      );
    }
    const record = await this.#options.packages.find(call, reference);
    const { registered } = record;
    const arn = packageArn(call, record);
    if (registered === null) throw new AwsError('ValidationException', `ModelPackage ${arn} is Failed and cannot be deployed.`);
    if (registered.approval !== 'Approved') {
      throw new AwsError('ValidationException', `ModelPackage ${arn} is ${registered.approval}: only an Approved one can be deployed.`);
    }
    if (registered.runtime.kind === 'process' && Object.keys(container.Environment ?? {}).length > 0) {
      throw new AwsError('ValidationException', 'The Environment of a model package is part of it: make another version with this one.');
    }
    const { group, version } = registered;
    const image = String(firstContainer(record.document?.members)?.Image ?? imageOf(registered));
    await inTransaction(this.#options.db, (tx) => add(tx, { model: { group, version }, isImported: false, image }, {}));
  }

  async #describe(name: string, place: AwsPlace): Promise<AwsOutput> {
    const stored = await this.#find(name);
    if (stored !== null) {
      const { PrimaryContainer, Containers, ...members } = stored.content.members;
      return {
        ...(PrimaryContainer === undefined ? {} : { PrimaryContainer: shown(PrimaryContainer as Container) }),
        ...(Containers === undefined ? {} : { Containers: (Containers as Container[]).map(shown) }),
        EnableNetworkIsolation: false,
        ...members,
        ModelName: stored.name,
        ModelArn: arnOf(place, 'model', stored.name),
        CreationTime: new Date(stored.createdAtMs),
      };
    }
    const version = await this.#derivedFrom(name);
    if (version === null) throw missing(place, name);
    const isPackage = !(await this.#options.records.isAside(version.group));
    const reference = { name: version.group, version: version.version };
    return {
      ModelName: name,
      ModelArn: arnOf(place, 'model', name),
      PrimaryContainer: { ...derivedContainer(version), ...(isPackage ? { ModelPackageName: packageArn(place, reference) } : {}) },
      EnableNetworkIsolation: false,
      CreationTime: new Date(version.createdAtMs),
    };
  }

  /** Also while an endpoint serves it: then the version made for it stays as long as that is served. */
  async #delete(name: string, call: AwsCall): Promise<AwsOutput> {
    const { db, documents, tags, imports, audit, events } = this.#options;
    const who = call.caller.keyId;
    const stored = await this.#find(name);
    if (stored === null) {
      const version = await this.#derivedFrom(name);
      if (version === null) throw missing(call, name);
      const arn = packageArn(call, { name: version.group, version: version.version });
      throw new AwsError('ValidationException', `Model ${name} is shown for model package ${arn} and goes when that is deleted.`);
    }
    const news = await inTransaction(db, async (tx) => {
      await documents.remove('model', name, tx);
      await tags.forget({ type: 'model', name, version: null }, tx);
      await audit.record(tx, { who, action: 'DeleteModel', target: stored.name, outcome: 'ok', detail: {} });
      return events.record(tx, { kind: 'model.deleted', subject: stored.name, detail: {} });
    });
    events.publish(news);
    if (stored.content.isImported) await imports.removeAside(stored.content.model, who);
    return {};
  }

  #find(name: string): Promise<StoredDocument<ModelDocument> | null> {
    return this.#options.documents.find<ModelDocument>('model', name);
  }

  /** `digits-3`: so the Model of an endpoint is called that was deployed by another door. */
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

type AddModel = (tx: Transaction, content: Omit<ModelDocument, 'members'>, goesWith: GoesWith) => Promise<void>;

function deployable(name: string, image: string, version: ModelVersion): DeployableModel {
  return { name, group: version.group, version: version.version, image, resolvedImage: `${image.split('@')[0]}@${digestOf(version)}` };
}

function firstContainer(members: AwsInput | undefined): Container | undefined {
  return (members?.['InferenceSpecification'] as { readonly Containers?: readonly Container[] } | undefined)?.Containers?.[0];
}

/** Exactly one of PrimaryContainer and Containers, with one container. Throws `ValidationException`. */
function onlyContainer({ PrimaryContainer: primary, Containers: several }: AwsInput): Container {
  if ((primary === undefined) === (several === undefined)) {
    throw new AwsError('ValidationException', 'You must provide either PrimaryContainer or Containers in the input, and not both.');
  }
  if (primary !== undefined) return primary as Container;
  const [container, ...others] = several as readonly Container[];
  if (container === undefined) throw new AwsError('ValidationException', 'Containers is empty: a model has one container.');
  if (others.length > 0) {
    throw new AwsError('ValidationException', `Pipelines of ${others.length + 1} containers are not served here: expected one.`);
  }
  return container;
}

function checkEnvironment({ Environment: environment = {} }: Container): void {
  const bytes = Buffer.byteLength(Object.entries(environment).flat().join(''));
  if (bytes > environmentBytesMax) {
    throw new AwsError('ValidationException', `Environment has ${bytes} bytes in all, at most ${environmentBytesMax} are allowed.`);
  }
}

/** AWS adds what a container with an image has by default. */
function shown(container: Container): Container {
  return container.ModelPackageName === undefined ? { Mode: 'SingleModel', Environment: {}, ...container } : container;
}

function missing(place: AwsPlace, name: string): AwsError {
  return new AwsError('ValidationException', `Could not find model "${arnOf(place, 'model', name)}".`);
}
