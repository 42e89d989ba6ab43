/** Validates the combination of members in endpoint configs and deployment configs. Pure. */
import type { PriceTable } from '../../../costs/index.ts';
import { AwsError } from '../../service.ts';
import {
  allVariants,
  type CapacitySize,
  type DeployableModel,
  type DeploymentConfig,
  type EndpointConfigDocument,
  type ProductionVariant,
} from './endpoint-documents.ts';
import { nearestInstanceType } from './instance-sizes.ts';

/** AWS allows multiples of 1 GiB; the shape limits the range. */
const memoryStepMiB = 1024;

/** Throws `ValidationException`. Does not check that the models exist. */
export function checkEndpointConfig(document: EndpointConfigDocument, prices: Pick<PriceTable, 'instances'>): void {
  const { ProductionVariants: production } = document;
  const variants = allVariants(document);
  if (document.ExplainerConfig !== undefined) {
    throw validationError('ExplainerConfig is not supported: responses contain no explanations. Remove it.');
  }
  checkShadows(document);
  const names = variants.map(({ VariantName }) => VariantName.toLowerCase());
  const duplicate = variants.find((_, index) => names.indexOf(names[index] as string) !== index);
  if (duplicate !== undefined) throw validationError(`Production variant names must be unique, got ${duplicate.VariantName} twice.`);
  for (const variant of variants) checkVariant(variant, prices);
  if (!production.some(({ InitialVariantWeight = 1 }) => InitialVariantWeight > 0)) {
    throw validationError('At least one production variant must have an InitialVariantWeight above 0.');
  }
}

/** AWS's restrictions of shadow variants. */
function checkShadows({ ProductionVariants, ShadowProductionVariants: shadows = [], AsyncInferenceConfig }: EndpointConfigDocument): void {
  if (shadows.length === 0) return;
  if (shadows.length > 1 || ProductionVariants.length > 1) {
    throw validationError(
      `ShadowProductionVariants require exactly 1 production variant and 1 shadow variant, got ${ProductionVariants.length} and ${shadows.length}.`,
    );
  }
  if (AsyncInferenceConfig !== undefined) {
    throw validationError('ShadowProductionVariants are not supported by asynchronous endpoints. Remove them or AsyncInferenceConfig.');
  }
  const serverless = [...ProductionVariants, ...shadows].find(({ ServerlessConfig }) => ServerlessConfig !== undefined);
  if (serverless === undefined) return;
  throw validationError(
    `ShadowProductionVariants require variants with instances, but ${serverless.VariantName} has a ServerlessConfig. Give it InstanceType and InitialInstanceCount.`,
  );
}

/** AWS's restrictions of multi-model endpoints. Throws `ValidationException`. */
export function checkMultiModel(document: EndpointConfigDocument, models: readonly DeployableModel[]): void {
  const many = models.find(({ isMultiModel }) => isMultiModel === true);
  if (many === undefined) return;
  const what = `Model ${many.name} has the mode MultiModel, which requires`;
  if (document.AsyncInferenceConfig !== undefined) throw validationError(`${what} a real-time endpoint. Remove AsyncInferenceConfig.`);
  if ((document.ShadowProductionVariants ?? []).length > 0) throw validationError(`${what} an endpoint without ShadowProductionVariants.`);
  if (document.ProductionVariants.some(({ ServerlessConfig }) => ServerlessConfig !== undefined)) {
    throw validationError(`${what} instances. Replace ServerlessConfig by InstanceType and InitialInstanceCount.`);
  }
}

function checkVariant(variant: ProductionVariant, prices: Pick<PriceTable, 'instances'>): void {
  const { VariantName, ServerlessConfig, InstanceType, InitialInstanceCount, ManagedInstanceScaling } = variant;
  const where = `Production variant ${VariantName}`;
  if (ManagedInstanceScaling?.Status === 'ENABLED') {
    throw validationError(
      `${where}: ManagedInstanceScaling requires inference components, which are not supported yet. Remove it, and scale the ` +
        'variant with Application Auto Scaling (RegisterScalableTarget, PutScalingPolicy).',
    );
  }
  if (ServerlessConfig === undefined) {
    if (InstanceType === undefined || InitialInstanceCount === undefined) {
      throw validationError(`${where} must have either ServerlessConfig, or both InstanceType and InitialInstanceCount.`);
    }
    nearestInstanceType(InstanceType, prices);
    return;
  }
  if (InstanceType !== undefined || InitialInstanceCount !== undefined) {
    throw validationError(`${where} with ServerlessConfig must have neither InstanceType nor InitialInstanceCount.`);
  }
  const { MemorySizeInMB, MaxConcurrency, ProvisionedConcurrency = 0 } = ServerlessConfig;
  if (MemorySizeInMB % memoryStepMiB !== 0) {
    throw validationError(`${where}: MemorySizeInMB must be one of 1024, 2048, 3072, 4096, 5120, 6144, got ${MemorySizeInMB}.`);
  }
  if (ProvisionedConcurrency > MaxConcurrency) {
    throw validationError(
      `${where}: ProvisionedConcurrency must be at most MaxConcurrency (${MaxConcurrency}), got ${ProvisionedConcurrency}.`,
    );
  }
}

/** Throws `ValidationException`. */
export function checkDeploymentConfig({ BlueGreenUpdatePolicy: blueGreen, RollingUpdatePolicy: rolling }: DeploymentConfig): void {
  if (blueGreen !== undefined && rolling !== undefined) {
    throw validationError('DeploymentConfig must have BlueGreenUpdatePolicy or RollingUpdatePolicy, not both.');
  }
  if (blueGreen !== undefined) checkBlueGreen(blueGreen);
  if (rolling !== undefined) {
    const { MaximumBatchSize, RollbackMaximumBatchSize, WaitIntervalInSeconds, MaximumExecutionTimeoutInSeconds } = rolling;
    checkPercent('MaximumBatchSize', MaximumBatchSize, 5, 50);
    if (RollbackMaximumBatchSize !== undefined) checkPercent('RollbackMaximumBatchSize', RollbackMaximumBatchSize, 5, 100);
    checkTimeout(MaximumExecutionTimeoutInSeconds, WaitIntervalInSeconds);
  }
}

function checkBlueGreen(policy: NonNullable<DeploymentConfig['BlueGreenUpdatePolicy']>): void {
  const { TrafficRoutingConfiguration: routing, TerminationWaitInSeconds = 0, MaximumExecutionTimeoutInSeconds } = policy;
  const { Type, WaitIntervalInSeconds, CanarySize, LinearStepSize } = routing;
  if ((Type === 'CANARY') !== (CanarySize !== undefined))
    throw validationError('CanarySize is required with the type CANARY, and allowed with no other.');
  if ((Type === 'LINEAR') !== (LinearStepSize !== undefined))
    throw validationError('LinearStepSize is required with the type LINEAR, and allowed with no other.');
  if (CanarySize !== undefined) checkPercent('CanarySize', CanarySize, 1, 50);
  if (LinearStepSize !== undefined) checkPercent('LinearStepSize', LinearStepSize, 10, 50);
  checkTimeout(MaximumExecutionTimeoutInSeconds, waits(WaitIntervalInSeconds, LinearStepSize) + TerminationWaitInSeconds);
}

/** Total wait in seconds: a linear shift waits after each step. */
function waits(seconds: number, step: CapacitySize | undefined): number {
  return step?.Type === 'CAPACITY_PERCENT' ? seconds * Math.ceil(100 / step.Value) : seconds;
}

/** Sizes in instances are not checked: their bounds depend on the number of instances. */
function checkPercent(name: string, { Type, Value }: CapacitySize, least: number, most: number): void {
  if (Type === 'CAPACITY_PERCENT' && (Value < least || Value > most)) {
    throw validationError(`${name} must be ${least} to ${most} percent of the capacity, got ${Value}.`);
  }
}

function checkTimeout(timeoutSeconds: number | undefined, waitSeconds: number): void {
  if (timeoutSeconds !== undefined && timeoutSeconds <= waitSeconds) {
    throw validationError(`MaximumExecutionTimeoutInSeconds must exceed the sum of all waits (${waitSeconds} s), got ${timeoutSeconds} s.`);
  }
}

function validationError(message: string): AwsError {
  return new AwsError('ValidationException', message);
}
