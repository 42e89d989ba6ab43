/**
 * Operations on endpoints. All APIs share the same deployments: an endpoint that another API created is shown with a derived endpoint
 * config.
 */

import type { Clock } from '../../../clock.ts';
import { type Deployments, type EndpointStatus, type EndpointView, inOrder, type VariantConfig } from '../../../deployment/index.ts';
import { PlatformError } from '../../../errors.ts';
import { nameKey } from '../../../names.ts';
import { holdMsOf, readHoldMs } from '../../held-reads.ts';
import {
  type AwsCall,
  AwsError,
  type AwsInput,
  type AwsLocation,
  type AwsOperation,
  changeOperation,
  readOperation,
} from '../../service.ts';
import { arnOf } from '../arn.ts';
import { pageOfAll, readPage } from '../pages.ts';
import { checkOnEndpoint } from '../penstock-tags.ts';
import type { Searchable } from '../search.ts';
import { readTags, tagList } from '../tags.ts';
import { deployable } from './deployable.ts';
import { derivedConfig } from './derived-endpoint.ts';
import {
  changedCapacities,
  checkQuota,
  type DesiredWeightAndCapacity,
  instancesMaxOf,
  type Retained,
  retained,
} from './endpoint-capacities.ts';
import { holdWhileUpdating } from './endpoint-changes.ts';
import { checkDeploymentConfig } from './endpoint-config-rules.ts';
import { checkApproved, EndpointConfigs, type EndpointConfigsOptions, type ResolvedConfig } from './endpoint-configs.ts';
import { awsStatus, describeEndpoint, modifiedAtMs } from './endpoint-description.ts';
import type { DeployedConfig, DeploymentConfig, EndpointConfigDocument } from './endpoint-documents.ts';
import { EndpointRecords } from './endpoint-records.ts';
import { awsGuardOf } from './rollout-guard.ts';
import { type TaggedSelectionDeps, withSelection } from './tagged-selection.ts';

export interface EndpointsOptions extends Omit<EndpointConfigsOptions, 'records' | 'deployments'>, TaggedSelectionDeps {
  readonly clock: Clock;
  readonly deployments: Deployments;
  /** Timeout of real-time invocations. */
  readonly timeoutMs: number;
  /** Memory of this machine. */
  readonly memoryBytes: number;
}

/** Transitional statuses. DescribeEndpoint waits a moment for them to end. */
const inProgress: readonly EndpointStatus[] = ['Creating', 'Updating', 'RollingBack'];
const changing: readonly EndpointStatus[] = [...inProgress, 'Deleting'];

/** All operations on endpoint configs and endpoints. */
export function endpointOperations(options: EndpointsOptions): { operations: Record<string, AwsOperation>; searchable: Searchable } {
  const records = new EndpointRecords(options.documents, options.clock);
  options.deployments.rollouts.onRollback(records.storeEarlier());
  const configs = new EndpointConfigs({ ...options, records });
  const endpoints = new Endpoints(options, configs, records);
  return { operations: { ...configs.operations(), ...endpoints.operations() }, searchable: endpoints.searchable };
}

class Endpoints {
  readonly #options: EndpointsOptions;
  readonly #configs: EndpointConfigs;
  readonly #records: EndpointRecords;

  constructor(options: EndpointsOptions, configs: EndpointConfigs, records: EndpointRecords) {
    this.#options = options;
    this.#configs = configs;
    this.#records = records;
  }

  operations(): Record<string, AwsOperation> {
    return {
      CreateEndpoint: changeOperation('create endpoint', (input, call) => this.#create(input, call)),
      DescribeEndpoint: readOperation('read endpoints', (input, call) => this.#describe(String(input['EndpointName']), call)),
      ListEndpoints: readOperation('read endpoints', (input, call) => this.#list(input, call)),
      UpdateEndpoint: changeOperation('update endpoint', (input, call) => this.#update(input, call)),
      UpdateEndpointWeightsAndCapacities: changeOperation('update endpoint', (input, call) =>
        this.#updateWeightsAndCapacities(input, call),
      ),
      DeleteEndpoint: changeOperation('delete endpoint', (input, call) => this.#delete(String(input['EndpointName']), call)),
    };
  }

  /** For Search. */
  readonly searchable: Searchable = {
    names: ['EndpointName'],
    all: async (call, { limit }) => {
      const { deployments, tags } = this.#options;
      const views = deployments.list().slice(0, limit);
      const tagsOf = async (name: string) => tagList(await tags.of({ type: 'endpoint', name, version: null }));
      return Promise.all(views.map(async (view) => ({ ...(await this.#describedNow(view, call)), Tags: await tagsOf(view.config.name) })));
    },
  };

  async #create(input: AwsInput, call: AwsCall) {
    const { deployments, registry, tags, prices, timeoutMs } = this.#options;
    const name = String(input['EndpointName']);
    const arn = arnOf(call, 'endpoint', name);
    const deploymentConfig = deploymentConfigOf(input);
    const newTags = readTags(input['Tags']);
    const alreadyExists = () => new AwsError('ValidationException', `Cannot create already existing endpoint "${arn}".`);
    if (this.#find(name) !== null) throw alreadyExists();
    const config = await this.#configs.resolve(call, String(input['EndpointConfigName']));
    checkOnEndpoint(newTags, await tags.of({ type: 'endpoint-config', name: config.name, version: null }));
    const storeRecord = this.#records.store(newDeployed(config, config.document), deploymentConfig);
    const change = deployable({ ...config, prices, timeoutMs, before: null });
    await checkApproved(registry, change.variants);
    await this.#checkQuota(change.variants, []);
    const { variants, recording } = await withSelection(name, change, config.settings.selection ?? null, this.#options);
    const view = await deployments
      .create({ name, ...change, variants }, call.caller.keyId, async (tx, endpoint, before) => {
        await storeRecord(tx, endpoint);
        await recording?.hook(tx, endpoint, before);
        await tags.begin({ type: 'endpoint', name, version: null }, newTags, { endpoint: name }, tx);
      })
      .catch((error: unknown) => {
        throw isCode(error, 'already_exists') ? alreadyExists() : error;
      });
    recording?.publish();
    // A short creation ends before the response, so the waiter's first poll succeeds.
    if (view.status === 'Creating') await holdWhileUpdating(this.#options, view, ['Creating'], { call, ms: readHoldMs });
    return { EndpointArn: arn };
  }

  async #describe(name: string, call: AwsCall) {
    const requested = this.#existing(call, name);
    if (changing.includes(requested.status)) {
      const statuses = requested.status === 'Deleting' ? (['Deleting'] as const) : inProgress;
      await holdWhileUpdating(this.#options, requested, statuses, { call, ms: holdMsOf(call) });
    }
    return this.#describedNow(this.#existing(call, name), call);
  }

  async #describedNow(view: EndpointView, call: AwsLocation) {
    const { memoryOf } = this.#options;
    const { deployed, deploymentConfig } = await this.#records.of(view.config.name);
    const last = deployed.at(-1)?.document;
    const configOf = async (generation: number): Promise<DeployedConfig> => {
      const known = deployed.find((each) => each.generation === generation);
      return known ?? this.#withImages({ ...derivedConfig(view, memoryOf, last), generation });
    };
    // The served generation is the current config; a newer one is pending until it serves.
    const { generation, servedGeneration } = view;
    const isReplaced = servedGeneration !== null && servedGeneration !== generation;
    const pending = isReplaced && view.status === 'Updating' ? await configOf(generation) : null;
    return describeEndpoint(call, { view, current: await configOf(servedGeneration ?? generation), pending, deploymentConfig, memoryOf });
  }

  #list(input: AwsInput, awsLocation: AwsLocation) {
    const sorts = ['CreationTime', 'Name', 'Status'] as const;
    const request = readPage(input, { operation: 'ListEndpoints', sorts, orderDefault: 'Descending' });
    const { StatusEquals, LastModifiedTimeAfter: after, LastModifiedTimeBefore: before } = input;
    const views = this.#options.deployments.list().filter((view) => {
      if (StatusEquals !== undefined && awsStatus[view.status] !== StatusEquals) return false;
      const atMs = modifiedAtMs(view);
      return !(typeof after === 'number' && atMs <= after) && !(typeof before === 'number' && atMs >= before);
    });
    const { items, next } = pageOfAll(views, request, {
      entryOf: ({ config, createdAtMs }) => ({ name: config.name, createdAtMs }),
      sortValue: ({ config, createdAtMs, status }, sortBy) =>
        sortBy === 'CreationTime' ? createdAtMs : sortBy === 'Name' ? nameKey(config.name) : awsStatus[status],
    });
    return { Endpoints: items.map((view) => summary(awsLocation, view)), ...next };
  }

  async #update(input: AwsInput, call: AwsCall) {
    const { deployments, registry, prices, timeoutMs, memoryOf } = this.#options;
    const view = this.#idle(call, String(input['EndpointName']));
    const { name } = view.config;
    const before = await this.#records.of(name);
    const requestedConfig = deploymentConfigOf(input);
    const deploymentConfig = requestedConfig ?? (input['RetainDeploymentConfig'] === true ? before.deploymentConfig : null);
    const config = await this.#configs.resolve(call, String(input['EndpointConfigName']));
    const retains = retainedOf(input);
    const served = before.deployed.find(({ generation }) => generation === view.generation) ?? before.deployed.at(-1);
    const document = retains.capture ? withCapture(config.document, served?.document) : config.document;
    const isAsync = served?.document.AsyncInferenceConfig !== undefined;
    const change = deployable({ ...config, document, prices, timeoutMs, before: { config: view.config, isAsync, memoryOf } });
    await checkApproved(registry, change.variants);
    const retainedVariants = change.variants.map((variant) => retained(variant, view.config.variants, retains));
    await this.#checkQuota(retainedVariants, view.config.variants);
    const wanted = { ...change, variants: retainedVariants };
    const { variants, recording } = await withSelection(name, wanted, config.settings.selection ?? null, this.#options);
    const storeRecord = this.#records.store(newDeployed(config, document), deploymentConfig);
    const guard = deploymentConfig === null ? null : awsGuardOf(deploymentConfig, variants);
    await deployments.update(name, { ...change, variants }, call.caller.keyId, inOrder(storeRecord, recording?.hook), guard);
    recording?.publish();
    return { EndpointArn: arnOf(call, 'endpoint', name) };
  }

  async #updateWeightsAndCapacities(input: AwsInput, call: AwsCall) {
    const { deployments } = this.#options;
    const view = this.#idle(call, String(input['EndpointName']));
    const { name, variants: before } = view.config;
    const { variants, counts } = changedCapacities(before, input['DesiredWeightsAndCapacities'] as DesiredWeightAndCapacity[]);
    await this.#checkQuota(variants, before);
    await deployments.update(name, { variants }, call.caller.keyId, this.#records.storeAgain());
    // The count of an autoscaled variant is a desired value and not a setting, so no update applies it.
    for (const { variant, count } of counts) await deployments.setCount(name, variant, count, call.caller.keyId);
    return { EndpointArn: arnOf(call, 'endpoint', name) };
  }

  async #delete(name: string, call: AwsCall) {
    this.#existing(call, name);
    await this.#options.deployments.remove(name, call.caller.keyId).catch((error: unknown) => {
      if (!isCode(error, 'not_found')) throw error; // a concurrent call has deleted it
    });
    return {};
  }

  /** Adds the version's image to derived models, unless another Model has the same name. */
  async #withImages(derived: DeployedConfig): Promise<DeployedConfig> {
    const models = derived.models.map(async (model) => {
      const found = await this.#options.findModel(model.name).catch(nullIfMissing);
      return found?.group === model.group && found.version === model.version ? found : model;
    });
    return { ...derived, models: await Promise.all(models) };
  }

  async #checkQuota(variants: readonly VariantConfig[], before: readonly VariantConfig[]): Promise<void> {
    const { registry, memoryBytes } = this.#options;
    const models = await Promise.all(variants.map(({ group, version }) => registry.version(group, version)));
    const limits = models.map(({ artifact }) => instancesMaxOf(memoryBytes, artifact.bytes));
    checkQuota(variants, before, limits);
  }

  #find(name: string): EndpointView | null {
    try {
      return this.#options.deployments.get(name);
    } catch (error) {
      if (isCode(error, 'not_found')) return null;
      throw error;
    }
  }

  #existing(awsLocation: AwsLocation, name: string): EndpointView {
    const view = this.#find(name);
    if (view === null) throw missing(awsLocation, name);
    return view;
  }

  /** Throws `ValidationException` while the endpoint is in a transitional status. */
  #idle(awsLocation: AwsLocation, name: string): EndpointView {
    const view = this.#existing(awsLocation, name);
    if (changing.includes(view.status)) {
      throw new AwsError(
        'ValidationException',
        `Cannot update in-progress endpoint "${arnOf(awsLocation, 'endpoint', view.config.name)}".`,
      );
    }
    return view;
  }
}

function newDeployed({ name, models }: ResolvedConfig, document: EndpointConfigDocument) {
  return { endpointConfigName: name, document, models };
}

function deploymentConfigOf({ DeploymentConfig: input }: AwsInput): DeploymentConfig | null {
  if (input === undefined) return null;
  checkDeploymentConfig(input as DeploymentConfig);
  return input;
}

/** AWS retains properties only with `RetainAllVariantProperties`, except the excluded ones. */
function retainedOf({
  RetainAllVariantProperties,
  ExcludeRetainedVariantProperties: excluded = [],
}: AwsInput): Retained & { capture: boolean } {
  const isAll = RetainAllVariantProperties === true;
  const isExcluded = (type: string) => (excluded as { VariantPropertyType: string }[]).some((each) => each.VariantPropertyType === type);
  return {
    weights: isAll && !isExcluded('DesiredWeight'),
    counts: isAll && !isExcluded('DesiredInstanceCount'),
    capture: isAll && !isExcluded('DataCaptureConfig'),
  };
}

function withCapture(
  { DataCaptureConfig: _new, ...document }: EndpointConfigDocument,
  before: EndpointConfigDocument | undefined,
): EndpointConfigDocument {
  return before?.DataCaptureConfig === undefined ? document : { ...document, DataCaptureConfig: before.DataCaptureConfig };
}

function summary(awsLocation: AwsLocation, view: EndpointView) {
  const { config, createdAtMs, status } = view;
  return {
    EndpointName: config.name,
    EndpointArn: arnOf(awsLocation, 'endpoint', config.name),
    CreationTime: new Date(createdAtMs),
    LastModifiedTime: new Date(modifiedAtMs(view)),
    EndpointStatus: awsStatus[status],
  };
}

function isCode(error: unknown, code: PlatformError['code']): boolean {
  return error instanceof PlatformError && error.code === code;
}

function missing(awsLocation: AwsLocation, name: string): AwsError {
  return new AwsError('ValidationException', `Could not find endpoint "${arnOf(awsLocation, 'endpoint', name)}".`);
}

/** A Model of that name exists, but its package was deleted. */
function nullIfMissing(error: unknown): null {
  if (error instanceof AwsError) return null;
  throw error;
}
