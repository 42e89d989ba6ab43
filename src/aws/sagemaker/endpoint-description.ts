/** An endpoint as DescribeEndpoint tells it. Pure. */
import { type EndpointStatus, type EndpointView, isUnderWay, stepOf, type VariantConfig } from '../../deployment/index.ts';
import { keyOf } from '../../registry/index.ts';
import type { AwsOutput, AwsPlace } from '../service.ts';
import { arnOf } from './arn.ts';
import { type FunctionMemory, serverlessConfig } from './derived-endpoint.ts';
import type { DataCaptureConfig, DeployableModel, DeployedConfig, DeploymentConfig } from './endpoint-documents.ts';

export const awsStatus: Readonly<Record<EndpointStatus, string>> = {
  Creating: 'Creating',
  Updating: 'Updating',
  InService: 'InService',
  Failed: 'Failed',
  Deleting: 'Deleting',
  Unloaded: 'OutOfService',
  RollingBack: 'RollingBack',
};

const reasonLengthMax = 1024;

export interface Described {
  readonly view: EndpointView;
  /** What serves; where nothing does yet, what is to. */
  readonly current: DeployedConfig;
  /** What is to take its place; null where nothing is. */
  readonly pending: DeployedConfig | null;
  readonly deploymentConfig: DeploymentConfig | null;
  readonly memoryOf: FunctionMemory;
}

export function describeEndpoint(place: AwsPlace, described: Described): AwsOutput {
  const { view, current, pending, deploymentConfig } = described;
  const { name } = view.config;
  const { AsyncInferenceConfig, DataCaptureConfig, ...others } = current.document;
  const reason = failureReason(view);
  return {
    EndpointName: name,
    EndpointArn: arnOf(place, 'endpoint', name),
    EndpointConfigName: current.endpointConfigName,
    ProductionVariants: current.variants.map((variant) => variantSummary(variant, current, described)),
    EndpointStatus: awsStatus[view.status],
    CreationTime: new Date(view.createdAtMs),
    LastModifiedTime: new Date(view.updatedAtMs),
    ...(reason === null ? {} : { FailureReason: reason }),
    ...(DataCaptureConfig === undefined ? {} : { DataCaptureConfig: captureSummary(DataCaptureConfig, view) }),
    ...(AsyncInferenceConfig === undefined ? {} : { AsyncInferenceConfig }),
    ...echoed(others),
    ...(deploymentConfig === null ? {} : { LastDeploymentConfig: deploymentConfig }),
    // AWS has no member for it; clients that know none leave it away.
    ...(view.notes.length === 0 ? {} : { Notes: view.notes }),
    ...(pending === null ? {} : { PendingDeploymentSummary: pendingSummary(pending, described) }),
  };
}

/** Members of an endpoint config that DescribeEndpoint has too. */
function echoed({ ExplainerConfig, MetricsConfig }: Readonly<Record<string, unknown>>) {
  return { ...(ExplainerConfig === undefined ? {} : { ExplainerConfig }), ...(MetricsConfig === undefined ? {} : { MetricsConfig }) };
}

function pendingSummary(pending: DeployedConfig, described: Described) {
  return {
    EndpointConfigName: pending.endpointConfigName,
    ProductionVariants: pending.variants.map((variant) => ({
      ...variantSummary(variant, pending, described),
      ...instanceTypeOf(pending, variant),
    })),
    StartTime: new Date(pending.startedAtMs),
  };
}

function instanceTypeOf({ document }: DeployedConfig, variant: VariantConfig) {
  const InstanceType = document.ProductionVariants.find(({ VariantName }) => keyOf(VariantName) === keyOf(variant.name))?.InstanceType;
  return InstanceType === undefined ? {} : { InstanceType };
}

function variantSummary(variant: VariantConfig, deployed: DeployedConfig, { view, memoryOf }: Described) {
  const { name, weight } = variant;
  const isWanted = deployed.generation === view.generation;
  const wanted = view.config.variants.find((each) => keyOf(each.name) === keyOf(name));
  const isServed = deployed.generation === view.servedGeneration;
  const summary = {
    VariantName: name,
    DeployedImages: deployed.models
      .filter((model) => isModelOf(variant, model))
      .slice(0, 1)
      .map((model) => image(model, deployed)),
    CurrentWeight: isServed ? weight : 0,
    DesiredWeight: isWanted ? (wanted?.weight ?? weight) : weight,
    ...variantStatus(variant, isWanted, view),
  };
  if (variant.instanceCount === 0 && variant.functions !== undefined) {
    const now = serverlessConfig(variant.functions, memoryOf(view.config.name, name));
    return { ...summary, CurrentServerlessConfig: now, DesiredServerlessConfig: now };
  }
  const observed = view.variants.find((each) => keyOf(each.name) === keyOf(name));
  const ready = (observed?.workers ?? []).filter(({ spec, state }) => state === 'ready' && runs(spec, variant)).length;
  const desired = isWanted ? (observed?.wanted ?? variant.instanceCount) : variant.instanceCount;
  return { ...summary, CurrentInstanceCount: ready, DesiredInstanceCount: desired };
}

function isModelOf({ group, version }: VariantConfig, model: DeployableModel): boolean {
  return keyOf(model.group) === keyOf(group) && model.version === version;
}

function image({ image: SpecifiedImage, resolvedImage: ResolvedImage }: DeployableModel, { startedAtMs }: DeployedConfig) {
  return { SpecifiedImage, ResolvedImage, ResolutionTime: new Date(startedAtMs) };
}

interface RunningSpec {
  readonly kind: string;
  readonly modelName: string;
  readonly instanceType: string;
}

function runs({ kind, modelName, instanceType }: RunningSpec, variant: VariantConfig): boolean {
  const isModel = keyOf(modelName) === `${keyOf(variant.group)}/${variant.version}`;
  return kind === 'instance' && isModel && instanceType === variant.instanceType;
}

/** What its instances are about, in AWS's words; none where they are as they are to be. */
function variantStatus({ name }: VariantConfig, isWanted: boolean, view: EndpointView) {
  const instances = isWanted ? (view.variants.find((each) => keyOf(each.name) === keyOf(name))?.instances ?? []) : [];
  const launching = instances.filter(({ state }) => state === 'launching');
  const leaving = instances.filter(({ state }) => state === 'draining').length;
  const starting = view.status === 'Creating' ? 'Creating' : 'Updating';
  const statuses = [
    ...baking(isWanted, view),
    ...(launching.length === 0
      ? []
      : [
          {
            Status: starting,
            StatusMessage: `Launching ${launching.length} instance(s).`,
            StartTime: new Date(Math.min(...launching.map(({ startedAtMs }) => startedAtMs))),
          },
        ]),
    ...(leaving === 0 ? [] : [{ Status: 'Deleting', StatusMessage: `Terminating ${leaving} instance(s).` }]),
  ];
  return statuses.length === 0 ? {} : { VariantStatus: statuses };
}

/** Of an update that is watched: what goes to its instances by now. */
function baking(isWanted: boolean, { rollout }: EndpointView) {
  if (!isWanted || !isUnderWay(rollout)) return [];
  const { share, bakeMs } = stepOf(rollout);
  const part = share === 1 ? 'full capacity' : `${Number((100 * share).toFixed(2))} percent of the requests`;
  if (rollout.stepSinceMs === null)
    return [{ Status: 'ActivatingTraffic', StatusMessage: `Activating traffic on ${part}.`, StartTime: new Date(rollout.startedAtMs) }];
  const StatusMessage = `Baking for ${bakeMs / 1000} seconds with traffic enabled on ${part}.`;
  return [{ Status: 'Baking', StatusMessage, StartTime: new Date(rollout.stepSinceMs) }];
}

function captureSummary(
  { EnableCapture = true, InitialSamplingPercentage, DestinationS3Uri, KmsKeyId = '' }: DataCaptureConfig,
  view: EndpointView,
) {
  const isCapturing = EnableCapture && view.servedGeneration !== null;
  return {
    EnableCapture,
    CaptureStatus: isCapturing ? 'Started' : 'Stopped',
    CurrentSamplingPercentage: InitialSamplingPercentage,
    DestinationS3Uri,
    KmsKeyId,
  };
}

/** Why it failed, or why its last update did and what was before it still serves. */
function failureReason({ status, reason, generation, servedGeneration, rollout }: EndpointView): string | null {
  const hasUpdateFailed = status === 'RollingBack' || (status === 'InService' && (servedGeneration !== generation || rollout !== null));
  if (reason === null || !(status === 'Failed' || hasUpdateFailed)) return null;
  const [, variant] = /variant (\S+): worker /.exec(reason) ?? [];
  const health =
    variant === undefined
      ? ''
      : `The primary container for production variant ${variant} did not pass the ping health check. Please check CloudWatch logs for this endpoint. `;
  return `${health}${reason}`.slice(0, reasonLengthMax);
}
