/** From an endpoint config of AWS to what is deployed for it. Pure. */
import type { PriceTable } from '../../costs/index.ts';
import { type EndpointChange, functionsDefault, instanceTypeDefault, type VariantConfig } from '../../deployment/index.ts';
import { AwsError } from '../service.ts';
import { captureOf } from './data-capture.ts';
import type { DeployableModel, EndpointConfigDocument, ProductionVariant } from './endpoint-documents.ts';
import { nearestInstanceType } from './instance-sizes.ts';
import type { PenstockSettings } from './penstock-tags.ts';

/** The most that an invocation of an asynchronous endpoint may ask for. */
const asyncTimeoutMs = 3_600_000;

export interface Deployable {
  readonly document: EndpointConfigDocument;
  readonly models: readonly DeployableModel[];
  readonly settings: PenstockSettings;
  readonly prices: PriceTable;
  /** How long an invocation may take, where it is not asynchronous. */
  readonly timeoutMs: number;
}

/** The whole of what an endpoint is by its config; how it scales is nobody's word here. */
export type WholeChange = Required<Pick<EndpointChange, 'variants' | 'objective' | 'late' | 'timeoutMs' | 'capture'>>;

/** Throws `ValidationException` for a variant that names no model, or none that is among `models`. */
export function deployable({ document, models, settings, prices, timeoutMs }: Deployable): WholeChange {
  const { ProductionVariants, AsyncInferenceConfig, DataCaptureConfig } = document;
  return {
    variants: ProductionVariants.map((variant) => deployableVariant(variant, modelOf(variant, models), settings, prices)),
    objective: settings.objective,
    late: settings.late,
    timeoutMs: AsyncInferenceConfig === undefined ? timeoutMs : asyncTimeoutMs,
    capture: captureOf(DataCaptureConfig),
  };
}

function modelOf({ VariantName, ModelName }: ProductionVariant, models: readonly DeployableModel[]): DeployableModel {
  if (ModelName === undefined) {
    throw new AwsError(
      'ValidationException',
      `Production variant ${VariantName} names no model: inference components are not served here yet.`,
    );
  }
  const model = models.find(({ name }) => name.toLowerCase() === ModelName.toLowerCase());
  if (model === undefined) throw new AwsError('ValidationException', `Could not find model "${ModelName}".`);
  return model;
}

function deployableVariant(
  production: ProductionVariant,
  { group, version }: DeployableModel,
  { hasOverflow }: PenstockSettings,
  prices: PriceTable,
): VariantConfig {
  const { VariantName, InstanceType, InitialInstanceCount = 1, InitialVariantWeight = 1, ServerlessConfig } = production;
  const variant = { name: VariantName, group, version, weight: InitialVariantWeight, ...workerTimeouts(production) };
  if (ServerlessConfig !== undefined) {
    const { MemorySizeInMB: memoryMiB, MaxConcurrency: maxConcurrency, ProvisionedConcurrency: provisioned = 0 } = ServerlessConfig;
    const functions = { ...functionsDefault, memoryMiB, maxConcurrency, provisioned };
    return { ...variant, instanceCount: 0, instanceType: instanceTypeDefault, functions };
  }
  const instances = {
    ...variant,
    instanceCount: InitialInstanceCount,
    ...typeFor(InstanceType, prices),
  };
  return hasOverflow ? { ...instances, functions: functionsDefault } : instances;
}

function typeFor(asked: string | undefined, prices: PriceTable): Pick<VariantConfig, 'instanceType' | 'instanceTypeAsked'> {
  if (asked === undefined) return { instanceType: instanceTypeDefault };
  const instanceType = nearestInstanceType(asked, prices);
  return instanceType === asked ? { instanceType } : { instanceType, instanceTypeAsked: asked };
}

/** A container has nothing to download here: what may take as long is to unpack its archive. */
function workerTimeouts(production: ProductionVariant): Pick<VariantConfig, 'startTimeoutMs' | 'unpackTimeoutMs'> {
  const { ContainerStartupHealthCheckTimeoutInSeconds: start, ModelDataDownloadTimeoutInSeconds: download } = production;
  return {
    ...(start === undefined ? {} : { startTimeoutMs: start * 1000 }),
    ...(download === undefined ? {} : { unpackTimeoutMs: download * 1000 }),
  };
}
