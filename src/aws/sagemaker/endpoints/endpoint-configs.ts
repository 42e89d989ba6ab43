/** Operations on endpoint configs: immutable documents that endpoints are created from. */
import type { PriceTable } from '../../../costs/index.ts';
import type { Deployments, EndpointView } from '../../../deployment/index.ts';
import { nameKey } from '../../../names.ts';
import type { Audit } from '../../../records/index.ts';
import { type Registry } from '../../../registry/index.ts';
import { type Database, inTransaction } from '../../../storage/index.ts';
import { AwsError, type AwsInput, type AwsLocation, type AwsOperation, changeOperation, readOperation } from '../../service.ts';
import { arnOf } from '../arn.ts';
import type { Documents } from '../documents.ts';
import { openedVersion, whyNotApproved } from '../models/opened-version.ts';
import { readPage } from '../pages.ts';
import { type PenstockSettings, readSettings } from '../penstock-tags.ts';
import { readTags, type Tags } from '../tags.ts';
import { derivedConfig, derivedConfigName, type FunctionMemory } from './derived-endpoint.ts';
import { checkEndpointConfig, checkMultiModel } from './endpoint-config-rules.ts';
import { allVariants, type DeployableModel, type EndpointConfigDocument, type ProductionVariant } from './endpoint-documents.ts';
import type { EndpointRecords } from './endpoint-records.ts';

export interface EndpointConfigsOptions {
  readonly db: Database;
  readonly documents: Documents;
  readonly tags: Tags;
  readonly records: EndpointRecords;
  readonly deployments: Pick<Deployments, 'list'>;
  readonly audit: Audit;
  readonly prices: PriceTable;
  /** null if no Model has that name. */
  readonly findModel: (name: string) => Promise<DeployableModel | null>;
  readonly registry: Pick<Registry, 'version' | 'openings'>;
  readonly memoryOf: FunctionMemory;
}

/** An endpoint config with everything it refers to. */
export interface ResolvedConfig {
  readonly name: string;
  readonly document: EndpointConfigDocument;
  readonly models: readonly DeployableModel[];
  readonly settings: PenstockSettings;
}

/** Creates, describes, lists and deletes endpoint configs. Configs of other APIs are derived from their endpoints. */
export class EndpointConfigs {
  readonly #options: EndpointConfigsOptions;

  constructor(options: EndpointConfigsOptions) {
    this.#options = options;
  }

  operations(): Record<string, AwsOperation> {
    return {
      CreateEndpointConfig: changeOperation('create endpoint', (input, call) => this.#create(input, call, call.caller.keyId)),
      DescribeEndpointConfig: readOperation('read endpoints', async ({ EndpointConfigName }, call) =>
        this.#describe(String(EndpointConfigName), call),
      ),
      ListEndpointConfigs: readOperation('read endpoints', (input, call) => this.#list(input, call)),
      DeleteEndpointConfig: changeOperation('delete endpoint', ({ EndpointConfigName }, call) =>
        this.#delete(String(EndpointConfigName), call, call.caller.keyId),
      ),
    };
  }

  /** Throws `ValidationException` if the config or one of its models does not exist. */
  async resolve(awsLocation: AwsLocation, name: string): Promise<ResolvedConfig> {
    const stored = await this.#options.documents.find<EndpointConfigDocument>('endpoint-config', name);
    if (stored === null) {
      const view = await this.#derivedFrom(name);
      if (view === null) throw missing(awsLocation, name);
      const { endpointConfigName, document, models, settings } = derivedConfig(
        view,
        this.#options.memoryOf,
        await this.#options.records.last(view),
      );
      return { name: endpointConfigName, document, models, settings };
    }
    const models = await this.#models(awsLocation, stored.content);
    const settingTags = await this.#options.tags.of({ type: 'endpoint-config', name: stored.name, version: null });
    return { name: stored.name, document: stored.content, models, settings: readSettings(settingTags) };
  }

  async #create(input: AwsInput, awsLocation: AwsLocation, who: string) {
    const { EndpointConfigName, Tags: tagList, ...members } = input;
    const name = String(EndpointConfigName);
    const document = withWeights(members as unknown as EndpointConfigDocument);
    const { db, documents, tags, prices, audit } = this.#options;
    checkEndpointConfig(document, prices);
    const newTags = readTags(tagList);
    const models = await this.#models(awsLocation, document);
    checkMultiModel(document, models);
    await checkApproved(this.#options.registry, models);
    // The name of a derived config counts as taken.
    const derived = await this.#derivedFrom(name);
    const arn = arnOf(awsLocation, 'endpoint-config', name);
    const isNew = await inTransaction(db, async (tx) => {
      if (derived !== null || !(await documents.add({ kind: 'endpoint-config', name, content: document }, tx))) return false;
      await tags.begin({ type: 'endpoint-config', name, version: null }, newTags, {}, tx);
      await audit.record(tx, { who, action: 'CreateEndpointConfig', target: name, outcome: 'ok', detail: { ...document } });
      return true;
    });
    if (!isNew) throw new AwsError('ValidationException', `Cannot create already existing endpoint configuration "${arn}".`);
    return { EndpointConfigArn: arn };
  }

  async #describe(name: string, awsLocation: AwsLocation) {
    const stored = await this.#options.documents.find<EndpointConfigDocument>('endpoint-config', name);
    if (stored !== null) return { ...heading(awsLocation, stored.name, stored.createdAtMs), ...stored.content };
    const view = await this.#derivedFrom(name);
    if (view === null) throw missing(awsLocation, name);
    const { endpointConfigName, document, startedAtMs } = derivedConfig(
      view,
      this.#options.memoryOf,
      await this.#options.records.last(view),
    );
    return { ...heading(awsLocation, endpointConfigName, startedAtMs), ...document };
  }

  async #list(input: AwsInput, awsLocation: AwsLocation) {
    const request = readPage(input, { operation: 'ListEndpointConfigs', sorts: ['CreationTime', 'Name'], orderDefault: 'Descending' });
    const { items, next } = await this.#options.documents.page('endpoint-config', request);
    return { EndpointConfigs: items.map(({ name, createdAtMs }) => heading(awsLocation, name, createdAtMs)), ...next };
  }

  /** Deletes a config even while it is in use: endpoints have a copy. */
  async #delete(name: string, awsLocation: AwsLocation, who: string) {
    const { db, documents, tags, audit } = this.#options;
    const isDeleted = await inTransaction(db, async (tx) => {
      if (!(await documents.remove('endpoint-config', name, tx))) return false;
      await tags.discard({ type: 'endpoint-config', name, version: null }, tx);
      await audit.record(tx, { who, action: 'DeleteEndpointConfig', target: name, outcome: 'ok', detail: {} });
      return true;
    });
    if (isDeleted) return {};
    const view = await this.#derivedFrom(name);
    if (view === null) throw missing(awsLocation, name);
    const arn = arnOf(awsLocation, 'endpoint-config', name);
    throw new AwsError(
      'ValidationException',
      `Endpoint configuration "${arn}" is derived from endpoint ${view.config.name}, which has no stored configuration. It is deleted with the endpoint.`,
    );
  }

  /** The endpoint that a derived config's name refers to, if its current generation has no stored config. */
  async #derivedFrom(name: string): Promise<EndpointView | null> {
    const views = this.#options.deployments.list();
    const view = views.find(({ config, generation }) => nameKey(derivedConfigName(config.name, generation)) === nameKey(name));
    if (view === undefined) return null;
    return (await this.#options.records.deployed(view, view.generation)) === null ? view : null;
  }

  /** Resolves each Model once. Throws `ValidationException` if one does not exist. */
  async #models(awsLocation: AwsLocation, document: EndpointConfigDocument): Promise<DeployableModel[]> {
    const names = [...new Set(allVariants(document).flatMap(({ ModelName }) => (ModelName === undefined ? [] : [ModelName])))];
    return Promise.all(
      names.map(async (name) => {
        const model = await this.#options.findModel(name);
        if (model === null) throw new AwsError('ValidationException', `Could not find model "${arnOf(awsLocation, 'model', name)}".`);
        return model;
      }),
    );
  }
}

/**
 * The approval gate of endpoint configs and endpoints. Throws `ValidationException` unless all versions are Approved. While a Python model is
 * opened, the call waits: programs written for AWS call CreateEndpointConfig right after CreateModel.
 */
export async function checkApproved(
  registry: Pick<Registry, 'version' | 'openings'>,
  versions: readonly { readonly group: string; readonly version: number }[],
): Promise<void> {
  for (const version of versions) {
    const opened = await openedVersion(registry, version);
    const { name, approval } = opened;
    if (approval === 'Approved') continue;
    throw new AwsError(
      'ValidationException',
      `Model version ${name} is ${approval}: expected Approved${whyNotApproved(opened)}. ` +
        `Approve it with UpdateModelPackage or \`penstock approve ${name}\`.`,
    );
  }
}

/** Adds AWS's default weight of 1. */
function withWeights(document: EndpointConfigDocument): EndpointConfigDocument {
  const { ProductionVariants, ShadowProductionVariants: shadows } = document;
  const weighted = (variant: ProductionVariant) => ({ InitialVariantWeight: 1, ...variant });
  return {
    ...document,
    ProductionVariants: ProductionVariants.map(weighted),
    ...(shadows === undefined ? {} : { ShadowProductionVariants: shadows.map(weighted) }),
  };
}

function heading(awsLocation: AwsLocation, name: string, createdAtMs: number) {
  return { EndpointConfigName: name, EndpointConfigArn: arnOf(awsLocation, 'endpoint-config', name), CreationTime: new Date(createdAtMs) };
}

function missing(awsLocation: AwsLocation, name: string): AwsError {
  return new AwsError('ValidationException', `Could not find endpoint configuration "${arnOf(awsLocation, 'endpoint-config', name)}".`);
}
