/**
 * Operations on endpoints. They are those of every door: what AWS's clients make is a deployment like any other, and what other
 * doors made is shown as if it had been made from an endpoint config.
 */
import type { Clock } from '../../clock.ts';
import type { Deployments, EndpointStatus, EndpointView } from '../../deployment/index.ts';
import { PlatformError } from '../../errors.ts';
import type { Registry } from '../../registry/index.ts';
import { type AwsCall, AwsError, type AwsInput, type AwsOperation, type AwsPlace } from '../service.ts';
import { arnOf } from './arn.ts';
import { captureOf } from './data-capture.ts';
import { deployable, type WholeChange } from './deployable.ts';
import { derivedConfig } from './derived-endpoint.ts';
import { changedCapacities, checkQuota, type DesiredWeightAndCapacity, type Retained, retained } from './endpoint-capacities.ts';
import { held } from './endpoint-changes.ts';
import { checkDeploymentConfig } from './endpoint-config-rules.ts';
import { EndpointConfigs, type EndpointConfigsOptions, type ResolvedConfig } from './endpoint-configs.ts';
import { awsStatus, describeEndpoint } from './endpoint-description.ts';
import type { DeployedConfig, DeploymentConfig, EndpointConfigDocument } from './endpoint-documents.ts';
import { EndpointRecords } from './endpoint-records.ts';
import { pageOfAll, readPage } from './pages.ts';
import { checkOnEndpoint } from './penstock-tags.ts';
import { guardOf } from './rollout-guard.ts';
import { readTags } from './tags.ts';

export interface EndpointsOptions extends Omit<EndpointConfigsOptions, 'records' | 'deployments'> {
  readonly clock: Clock;
  readonly deployments: Deployments;
  /** How long an invocation may take, where its endpoint is not asynchronous. */
  readonly timeoutMs: number;
  readonly registry: Pick<Registry, 'version'>;
}

const onTheWay: readonly EndpointStatus[] = ['Creating', 'Updating', 'RollingBack'];
const changing: readonly EndpointStatus[] = [...onTheWay, 'Deleting'];

/** All operations on endpoint configs and endpoints. */
export function endpointOperations(options: EndpointsOptions): Record<string, AwsOperation> {
  const records = new EndpointRecords(options.documents, options.clock);
  options.deployments.rollouts.keepOnRollback(records.keepEarlier());
  const configs = new EndpointConfigs({ ...options, records });
  return { ...configs.operations(), ...new Endpoints(options, configs, records).operations() };
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
      CreateEndpoint: (input, call) => this.#create(input, call),
      DescribeEndpoint: (input, call) => this.#describe(String(input['EndpointName']), call),
      ListEndpoints: (input, call) => this.#list(input, call),
      UpdateEndpoint: (input, call) => this.#update(input, call),
      UpdateEndpointWeightsAndCapacities: (input, call) => this.#updateWeightsAndCapacities(input, call),
      DeleteEndpoint: (input, call) => this.#delete(String(input['EndpointName']), call),
    };
  }

  async #create(input: AwsInput, call: AwsCall) {
    const { deployments, tags, prices, timeoutMs } = this.#options;
    const name = String(input['EndpointName']);
    const arn = arnOf(call, 'endpoint', name);
    const deploymentConfig = deploymentConfigOf(input);
    const words = readTags(input['Tags']);
    const isTaken = () => new AwsError('ValidationException', `Cannot create already existing endpoint "${arn}".`);
    if (this.#find(name) !== null) throw isTaken();
    const config = await this.#configs.resolve(call, String(input['EndpointConfigName']));
    checkOnEndpoint(words, await tags.of({ type: 'endpoint-config', name: config.name, version: null }));
    const keep = this.#records.keep(newDeployed(config, config.document), deploymentConfig);
    const change = deployable({ ...config, prices, timeoutMs });
    await this.#checkApproved(change);
    checkQuota(change.variants, []);
    const view = await deployments
      .create({ name, ...change }, call.caller.keyId, async (tx, endpoint) => {
        await keep(tx, endpoint);
        await tags.begin({ type: 'endpoint', name, version: null }, words, { endpoint: name }, tx);
      })
      .catch((error: unknown) => {
        throw isCode(error, 'already_exists') ? isTaken() : error;
      });
    if (view.status === 'Creating') await held(this.#options, view, ['Creating'], call.signal);
    return { EndpointArn: arn };
  }

  async #describe(name: string, call: AwsCall) {
    const asked = this.#existing(call, name);
    if (changing.includes(asked.status)) {
      await held(this.#options, asked, asked.status === 'Deleting' ? ['Deleting'] : onTheWay, call.signal);
    }
    const view = this.#existing(call, name);
    const { memoryOf } = this.#options;
    const { deployed, deploymentConfig } = await this.#records.of(view.config.name);
    const madeFrom = async (generation: number): Promise<DeployedConfig> => {
      const known = deployed.find((each) => each.generation === generation);
      return known ?? this.#withImages({ ...derivedConfig(view, memoryOf), generation });
    };
    const { generation, servedGeneration } = view;
    const isReplaced = servedGeneration !== null && servedGeneration !== generation;
    const pending = isReplaced && view.status === 'Updating' ? await madeFrom(generation) : null;
    return describeEndpoint(call, { view, current: await madeFrom(servedGeneration ?? generation), pending, deploymentConfig, memoryOf });
  }

  #list(input: AwsInput, place: AwsPlace) {
    const sorts = ['CreationTime', 'Name', 'Status'] as const;
    const request = readPage(input, { operation: 'ListEndpoints', sorts, orderDefault: 'Descending' });
    const { StatusEquals, LastModifiedTimeAfter: after, LastModifiedTimeBefore: before } = input;
    const views = this.#options.deployments.list().filter(({ status, updatedAtMs }) => {
      if (StatusEquals !== undefined && awsStatus[status] !== StatusEquals) return false;
      return !(typeof after === 'number' && updatedAtMs <= after) && !(typeof before === 'number' && updatedAtMs >= before);
    });
    const { items, next } = pageOfAll(views, request, {
      listed: ({ config, createdAtMs }) => ({ name: config.name, createdAtMs }),
      sortValue: ({ config, createdAtMs, status }, sortBy) =>
        sortBy === 'CreationTime' ? createdAtMs : sortBy === 'Name' ? config.name.toLowerCase() : awsStatus[status],
    });
    return { Endpoints: items.map((view) => summary(place, view)), ...next };
  }

  async #update(input: AwsInput, call: AwsCall) {
    const { deployments, prices, timeoutMs } = this.#options;
    const view = this.#idle(call, String(input['EndpointName']));
    const { name } = view.config;
    const before = await this.#records.of(name);
    const given = deploymentConfigOf(input);
    const deploymentConfig = given ?? (input['RetainDeploymentConfig'] === true ? before.deploymentConfig : null);
    const config = await this.#configs.resolve(call, String(input['EndpointConfigName']));
    const keeps = retainedOf(input);
    const change = deployable({ ...config, prices, timeoutMs });
    await this.#checkApproved(change);
    const variants = change.variants.map((variant) => retained(variant, view.config.variants, keeps));
    checkQuota(variants, view.config.variants);
    const served = before.deployed.find(({ generation }) => generation === view.generation);
    const document = keeps.capture ? withCapture(config.document, served?.document) : config.document;
    const wanted = captureOf(document.DataCaptureConfig);
    // AWS has no word for what is redacted: what another door said holds on.
    const capture = wanted === null ? null : { ...wanted, redact: view.config.capture?.redact ?? [] };
    const keep = this.#records.keep(newDeployed(config, document), deploymentConfig);
    const guard = deploymentConfig === null ? null : guardOf(deploymentConfig, variants);
    await deployments.update(name, { ...change, variants, capture }, call.caller.keyId, keep, guard);
    return { EndpointArn: arnOf(call, 'endpoint', name) };
  }

  async #updateWeightsAndCapacities(input: AwsInput, call: AwsCall) {
    const { deployments } = this.#options;
    const view = this.#idle(call, String(input['EndpointName']));
    const { name, variants: before } = view.config;
    const { variants, counts } = changedCapacities(before, input['DesiredWeightsAndCapacities'] as DesiredWeightAndCapacity[]);
    checkQuota(variants, before);
    await deployments.update(name, { variants }, call.caller.keyId, this.#records.keepAgain());
    for (const { variant, count } of counts) await deployments.setCount(name, variant, count, call.caller.keyId);
    return { EndpointArn: arnOf(call, 'endpoint', name) };
  }

  async #delete(name: string, call: AwsCall) {
    this.#existing(call, name);
    await this.#options.deployments.remove(name, call.caller.keyId).catch((error: unknown) => {
      if (!isCode(error, 'not_found')) throw error; // somebody else's deletion has come to its end meanwhile
    });
    return {};
  }

  /** A derived model has the image of its version, where no other Model bears that name. */
  async #withImages(derived: DeployedConfig): Promise<DeployedConfig> {
    const models = derived.models.map(async (model) => {
      const found = await this.#options.findModel(model.name).catch(nullIfGone);
      return found?.group === model.group && found.version === model.version ? found : model;
    });
    return { ...derived, models: await Promise.all(models) };
  }

  /** What a version that is served already may stay, a new deployment may not take. */
  async #checkApproved({ variants }: WholeChange): Promise<void> {
    for (const { group, version } of variants) {
      const { name, approval } = await this.#options.registry.version(group, version);
      if (approval === 'Approved') continue;
      throw new AwsError(
        'ValidationException',
        `Model package ${name} is ${approval}, and only Approved ones deploy: UpdateModelPackage with ModelApprovalStatus=Approved first.`,
      );
    }
  }

  #find(name: string): EndpointView | null {
    try {
      return this.#options.deployments.get(name);
    } catch (error) {
      if (isCode(error, 'not_found')) return null;
      throw error;
    }
  }

  #existing(place: AwsPlace, name: string): EndpointView {
    const view = this.#find(name);
    if (view === null) throw missing(place, name);
    return view;
  }

  /** Throws `ValidationException` while it is on its way from one state to another. */
  #idle(place: AwsPlace, name: string): EndpointView {
    const view = this.#existing(place, name);
    if (changing.includes(view.status)) {
      throw new AwsError('ValidationException', `Cannot update in-progress endpoint "${arnOf(place, 'endpoint', view.config.name)}".`);
    }
    return view;
  }
}

function newDeployed({ name, models }: ResolvedConfig, document: EndpointConfigDocument) {
  return { endpointConfigName: name, document, models };
}

function deploymentConfigOf({ DeploymentConfig: given }: AwsInput): DeploymentConfig | null {
  if (given === undefined) return null;
  checkDeploymentConfig(given as DeploymentConfig);
  return given;
}

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

function summary(place: AwsPlace, { config, createdAtMs, updatedAtMs, status }: EndpointView) {
  return {
    EndpointName: config.name,
    EndpointArn: arnOf(place, 'endpoint', config.name),
    CreationTime: new Date(createdAtMs),
    LastModifiedTime: new Date(updatedAtMs),
    EndpointStatus: awsStatus[status],
  };
}

function isCode(error: unknown, code: PlatformError['code']): boolean {
  return error instanceof PlatformError && error.code === code;
}

function missing(place: AwsPlace, name: string): AwsError {
  return new AwsError('ValidationException', `Could not find endpoint "${arnOf(place, 'endpoint', name)}".`);
}

/** Another Model bears the name, and its package was deleted. */
function nullIfGone(error: unknown): null {
  if (error instanceof AwsError) return null;
  throw error;
}
