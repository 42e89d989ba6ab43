/** Operations on endpoint configs: documents that an endpoint is made from, and that nobody changes. */
import type { PriceTable } from '../../costs/index.ts';
import type { Deployments, EndpointView } from '../../deployment/index.ts';
import type { Audit } from '../../monitoring/index.ts';
import { keyOf } from '../../registry/index.ts';
import { type Database, inTransaction } from '../../storage/index.ts';
import { AwsError, type AwsInput, type AwsOperation, type AwsPlace } from '../service.ts';
import { arnOf } from './arn.ts';
import { derivedConfig, derivedConfigName, type FunctionMemory } from './derived-endpoint.ts';
import type { Documents } from './documents.ts';
import { checkEndpointConfig } from './endpoint-config-rules.ts';
import type { DeployableModel, EndpointConfigDocument } from './endpoint-documents.ts';
import type { EndpointRecords } from './endpoint-records.ts';
import { readPage } from './pages.ts';
import { type PenstockSettings, readSettings } from './penstock-tags.ts';
import { readTags, type Tags } from './tags.ts';

export interface EndpointConfigsOptions {
  readonly db: Database;
  readonly documents: Documents;
  readonly tags: Tags;
  readonly records: EndpointRecords;
  readonly deployments: Pick<Deployments, 'list'>;
  readonly audit: Audit;
  readonly prices: PriceTable;
  /** null where there is no Model of that name. */
  readonly findModel: (name: string) => Promise<DeployableModel | null>;
  readonly memoryOf: FunctionMemory;
}

/** An endpoint config with all that an endpoint is made from by it. */
export interface ResolvedConfig {
  readonly name: string;
  readonly document: EndpointConfigDocument;
  readonly models: readonly DeployableModel[];
  readonly settings: PenstockSettings;
}

export class EndpointConfigs {
  readonly #options: EndpointConfigsOptions;

  constructor(options: EndpointConfigsOptions) {
    this.#options = options;
  }

  operations(): Record<string, AwsOperation> {
    return {
      CreateEndpointConfig: (input, call) => this.#create(input, call, call.caller.keyId),
      DescribeEndpointConfig: async ({ EndpointConfigName }, call) => this.#describe(String(EndpointConfigName), call),
      ListEndpointConfigs: (input, call) => this.#list(input, call),
      DeleteEndpointConfig: ({ EndpointConfigName }, call) => this.#delete(String(EndpointConfigName), call, call.caller.keyId),
    };
  }

  /** Throws `ValidationException` where there is none of that name, or a model of it is gone. */
  async resolve(place: AwsPlace, name: string): Promise<ResolvedConfig> {
    const stored = await this.#options.documents.find<EndpointConfigDocument>('endpoint-config', name);
    if (stored === null) {
      const view = await this.#derivedFrom(name);
      if (view === null) throw missing(place, name);
      const { endpointConfigName, document, models, settings } = derivedConfig(view, this.#options.memoryOf);
      return { name: endpointConfigName, document, models, settings };
    }
    const models = await this.#models(place, stored.content);
    const words = await this.#options.tags.of({ type: 'endpoint-config', name: stored.name, version: null });
    return { name: stored.name, document: stored.content, models, settings: readSettings(words) };
  }

  async #create(input: AwsInput, place: AwsPlace, who: string) {
    const { EndpointConfigName, Tags: given, ...members } = input;
    const name = String(EndpointConfigName);
    const document = withWeights(members as unknown as EndpointConfigDocument);
    const { db, documents, tags, prices, audit } = this.#options;
    checkEndpointConfig(document, prices);
    const words = readTags(given);
    await this.#models(place, document);
    const derived = await this.#derivedFrom(name);
    const arn = arnOf(place, 'endpoint-config', name);
    const isNew = await inTransaction(db, async (tx) => {
      if (derived !== null || !(await documents.add({ kind: 'endpoint-config', name, content: document }, tx))) return false;
      await tags.begin({ type: 'endpoint-config', name, version: null }, words, {}, tx);
      await audit.record(tx, { who, action: 'CreateEndpointConfig', target: name, outcome: 'ok', detail: { ...document } });
      return true;
    });
    if (!isNew) throw new AwsError('ValidationException', `Cannot create already existing endpoint configuration "${arn}".`);
    return { EndpointConfigArn: arn };
  }

  async #describe(name: string, place: AwsPlace) {
    const stored = await this.#options.documents.find<EndpointConfigDocument>('endpoint-config', name);
    if (stored !== null) return { ...heading(place, stored.name, stored.createdAtMs), ...stored.content };
    const view = await this.#derivedFrom(name);
    if (view === null) throw missing(place, name);
    const { endpointConfigName, document, startedAtMs } = derivedConfig(view, this.#options.memoryOf);
    return { ...heading(place, endpointConfigName, startedAtMs), ...document };
  }

  async #list(input: AwsInput, place: AwsPlace) {
    const request = readPage(input, { operation: 'ListEndpointConfigs', sorts: ['CreationTime', 'Name'], orderDefault: 'Descending' });
    const { items, next } = await this.#options.documents.page('endpoint-config', request);
    return { EndpointConfigs: items.map(({ name, createdAtMs }) => heading(place, name, createdAtMs)), ...next };
  }

  /** Also while it is in use: endpoints keep a copy. */
  async #delete(name: string, place: AwsPlace, who: string) {
    const { db, documents, tags, audit } = this.#options;
    const isDeleted = await inTransaction(db, async (tx) => {
      if (!(await documents.remove('endpoint-config', name, tx))) return false;
      await tags.forget({ type: 'endpoint-config', name, version: null }, tx);
      await audit.record(tx, { who, action: 'DeleteEndpointConfig', target: name, outcome: 'ok', detail: {} });
      return true;
    });
    if (isDeleted) return {};
    const view = await this.#derivedFrom(name);
    if (view === null) throw missing(place, name);
    const arn = arnOf(place, 'endpoint-config', name);
    throw new AwsError(
      'ValidationException',
      `Endpoint configuration "${arn}" only describes endpoint ${view.config.name}, which was not made from one: it goes with that.`,
    );
  }

  /** The endpoint that the name of a derived config means, as it is now. */
  async #derivedFrom(name: string): Promise<EndpointView | null> {
    const views = this.#options.deployments.list();
    const view = views.find(({ config, generation }) => keyOf(derivedConfigName(config.name, generation)) === keyOf(name));
    if (view === undefined) return null;
    return (await this.#options.records.deployed(view, view.generation)) === null ? view : null;
  }

  async #models(place: AwsPlace, { ProductionVariants }: EndpointConfigDocument): Promise<DeployableModel[]> {
    const names = [...new Set(ProductionVariants.flatMap(({ ModelName }) => (ModelName === undefined ? [] : [ModelName])))];
    return Promise.all(
      names.map(async (name) => {
        const model = await this.#options.findModel(name);
        if (model === null) throw new AwsError('ValidationException', `Could not find model "${arnOf(place, 'model', name)}".`);
        return model;
      }),
    );
  }
}

function withWeights(document: EndpointConfigDocument): EndpointConfigDocument {
  return { ...document, ProductionVariants: document.ProductionVariants.map((variant) => ({ InitialVariantWeight: 1, ...variant })) };
}

function heading(place: AwsPlace, name: string, createdAtMs: number) {
  return { EndpointConfigName: name, EndpointConfigArn: arnOf(place, 'endpoint-config', name), CreationTime: new Date(createdAtMs) };
}

function missing(place: AwsPlace, name: string): AwsError {
  return new AwsError('ValidationException', `Could not find endpoint configuration "${arnOf(place, 'endpoint-config', name)}".`);
}
