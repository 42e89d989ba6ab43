/** What the members of an endpoint config, and of a deployment config, must be to each other. Pure. */
import type { PriceTable } from '../../costs/index.ts';
import { AwsError } from '../service.ts';
import type { CapacitySize, DeploymentConfig, EndpointConfigDocument, ProductionVariant } from './endpoint-documents.ts';
import { nearestInstanceType } from './instance-sizes.ts';

const memoryStepMiB = 1024;

/** Throws `ValidationException`. Whether its models exist is for others to say. */
export function checkEndpointConfig(document: EndpointConfigDocument, prices: Pick<PriceTable, 'instances'>): void {
  const { ProductionVariants: variants, ShadowProductionVariants: shadows = [] } = document;
  if (shadows.length > 0) throw refused('ShadowProductionVariants are not served here yet: leave them out.');
  const names = variants.map(({ VariantName }) => VariantName.toLowerCase());
  const twice = variants.find((_, index) => names.indexOf(names[index] as string) !== index);
  if (twice !== undefined) throw refused(`Production variant names must be unique: ${twice.VariantName} is given twice.`);
  for (const variant of variants) checkVariant(variant, prices);
  if (!variants.some(({ InitialVariantWeight = 1 }) => InitialVariantWeight > 0)) {
    throw refused('At least one production variant must have an InitialVariantWeight above 0.');
  }
}

function checkVariant(variant: ProductionVariant, prices: Pick<PriceTable, 'instances'>): void {
  const { VariantName, ServerlessConfig, InstanceType, InitialInstanceCount, ManagedInstanceScaling } = variant;
  const where = `Production variant ${VariantName}`;
  if (ManagedInstanceScaling?.Status === 'ENABLED') {
    throw refused(
      `${where}: ManagedInstanceScaling is for inference components, which are not served here yet: leave it out, and let ` +
        'Application Auto Scaling scale the variant (RegisterScalableTarget, PutScalingPolicy).',
    );
  }
  if (ServerlessConfig === undefined) {
    if (InstanceType === undefined || InitialInstanceCount === undefined) {
      throw refused(`${where} must have either ServerlessConfig, or both InstanceType and InitialInstanceCount.`);
    }
    nearestInstanceType(InstanceType, prices);
    return;
  }
  if (InstanceType !== undefined || InitialInstanceCount !== undefined) {
    throw refused(`${where} has ServerlessConfig: it must have neither InstanceType nor InitialInstanceCount.`);
  }
  const { MemorySizeInMB, MaxConcurrency, ProvisionedConcurrency = 0 } = ServerlessConfig;
  if (MemorySizeInMB % memoryStepMiB !== 0) {
    throw refused(`${where}: MemorySizeInMB must be one of 1024, 2048, 3072, 4096, 5120, 6144, got ${MemorySizeInMB}.`);
  }
  if (ProvisionedConcurrency > MaxConcurrency) {
    throw refused(
      `${where}: ProvisionedConcurrency must be at most MaxConcurrency, which is ${MaxConcurrency}, got ${ProvisionedConcurrency}.`,
    );
  }
}

/** Throws `ValidationException`. */
export function checkDeploymentConfig({ BlueGreenUpdatePolicy: blueGreen, RollingUpdatePolicy: rolling }: DeploymentConfig): void {
  if (blueGreen !== undefined && rolling !== undefined) {
    throw refused('DeploymentConfig must have BlueGreenUpdatePolicy or RollingUpdatePolicy, not both.');
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
  if ((Type === 'CANARY') !== (CanarySize !== undefined)) throw refused('CanarySize must be given with the type CANARY, and only then.');
  if ((Type === 'LINEAR') !== (LinearStepSize !== undefined))
    throw refused('LinearStepSize must be given with the type LINEAR, and only then.');
  if (CanarySize !== undefined) checkPercent('CanarySize', CanarySize, 1, 50);
  if (LinearStepSize !== undefined) checkPercent('LinearStepSize', LinearStepSize, 10, 50);
  checkTimeout(MaximumExecutionTimeoutInSeconds, waits(WaitIntervalInSeconds, LinearStepSize) + TerminationWaitInSeconds);
}

/** A linear shift waits after each step. */
function waits(seconds: number, step: CapacitySize | undefined): number {
  return step?.Type === 'CAPACITY_PERCENT' ? seconds * Math.ceil(100 / step.Value) : seconds;
}

/** Of a number of instances the bounds depend on how many there are. */
function checkPercent(name: string, { Type, Value }: CapacitySize, least: number, most: number): void {
  if (Type === 'CAPACITY_PERCENT' && (Value < least || Value > most)) {
    throw refused(`${name} must be ${least} to ${most} percent of the capacity, got ${Value}.`);
  }
}

function checkTimeout(timeoutSeconds: number | undefined, waitSeconds: number): void {
  if (timeoutSeconds !== undefined && timeoutSeconds <= waitSeconds) {
    throw refused(
      `MaximumExecutionTimeoutInSeconds must be more than all waits together, which are ${waitSeconds} s, got ${timeoutSeconds} s.`,
    );
  }
}

function refused(message: string): AwsError {
  return new AwsError('ValidationException', message);
}
