/** An endpoint in the format of DescribeEndpoint. Pure. */
import {
  type EndpointStatus,
  type EndpointView,
  isUnderWay,
  productionVariants,
  rolloutStepOf,
  type VariantConfig,
} from '../../../deployment/index.ts';
import { nameKey } from '../../../names.ts';
import type { AwsLocation, AwsOutput } from '../../service.ts';
import { arnOf } from '../arn.ts';
import { type FunctionMemory, serverlessConfig } from './derived-endpoint.ts';
import {
  allVariants,
  type DataCaptureConfig,
  type DeployableModel,
  type DeployedConfig,
  type DeploymentConfig,
  type EndpointConfigDocument,
} from './endpoint-documents.ts';

/** AWS's `EndpointStatus`. */
export const awsStatus: Readonly<Record<EndpointStatus, string>> = {
  Creating: 'Creating',
  Updating: 'Updating',
  InService: 'InService',
  Failed: 'Failed',
  Deleting: 'Deleting',
  Unloaded: 'OutOfService',
  RollingBack: 'RollingBack',
};

/** AWS's limit of `FailureReason`. */
const reasonLengthMax = 1024;

/** Everything that DescribeEndpoint shows of an endpoint. */
export interface EndpointDescription {
  readonly view: EndpointView;
  /** The served config; before the first is served, the desired one. */
  readonly current: DeployedConfig;
  /** The config of an update in progress; null if there is none. */
  readonly pending: DeployedConfig | null;
  readonly deploymentConfig: DeploymentConfig | null;
  readonly memoryOf: FunctionMemory;
}

/** The members of DescribeEndpoint. Members without an effect are listed among the notes. */
export function describeEndpoint(awsLocation: AwsLocation, described: EndpointDescription): AwsOutput {
  const { view, current, pending, deploymentConfig } = described;
  const { name } = view.config;
  const { AsyncInferenceConfig, DataCaptureConfig, ...others } = current.document;
  const reason = failureReason(view);
  const notes = [...view.notes, ...notesOnMembers(others)];
  return {
    EndpointName: name,
    EndpointArn: arnOf(awsLocation, 'endpoint', name),
    EndpointConfigName: current.endpointConfigName,
    ...summaries(current, (variant) => variantSummary(variant, current, described)),
    EndpointStatus: awsStatus[view.status],
    CreationTime: new Date(view.createdAtMs),
    LastModifiedTime: new Date(modifiedAtMs(view)),
    ...(reason === null ? {} : { FailureReason: reason }),
    ...(DataCaptureConfig === undefined ? {} : { DataCaptureConfig: captureSummary(DataCaptureConfig, view) }),
    ...(AsyncInferenceConfig === undefined ? {} : { AsyncInferenceConfig }),
    ...echoed(others),
    ...(deploymentConfig === null ? {} : { LastDeploymentConfig: deploymentConfig }),
    // A Penstock extension: AWS's clients ignore it.
    ...(notes.length === 0 ? {} : { Notes: notes }),
    ...(pending === null ? {} : { PendingDeploymentSummary: pendingSummary(pending, described) }),
  };
}

/** As on AWS, a change of the status counts as well. */
export function modifiedAtMs({ updatedAtMs, statusSinceMs }: Pick<EndpointView, 'updatedAtMs' | 'statusSinceMs'>): number {
  return Math.max(updatedAtMs, statusSinceMs ?? 0);
}

/** Members of an endpoint config that DescribeEndpoint returns unchanged. */
function echoed({ MetricsConfig }: Pick<EndpointConfigDocument, 'MetricsConfig'>) {
  return MetricsConfig === undefined ? {} : { MetricsConfig };
}

/** Accepted members that change nothing. */
function notesOnMembers({ MetricsConfig }: Pick<EndpointConfigDocument, 'MetricsConfig'>): string[] {
  return MetricsConfig === undefined ? [] : ['MetricsConfig has no effect: all metrics are always recorded'];
}

function pendingSummary(pending: DeployedConfig, described: EndpointDescription) {
  return {
    EndpointConfigName: pending.endpointConfigName,
    ...summaries(pending, (variant) => ({ ...variantSummary(variant, pending, described), ...instanceTypeOf(pending, variant) })),
    StartTime: new Date(pending.startedAtMs),
  };
}

function summaries({ variants }: DeployedConfig, of: (variant: VariantConfig) => AwsOutput): AwsOutput {
  const shadows = variants.filter(({ isShadow }) => isShadow === true);
  return {
    ProductionVariants: productionVariants(variants).map(of),
    ...(shadows.length === 0 ? {} : { ShadowProductionVariants: shadows.map(of) }),
  };
}

function instanceTypeOf({ document }: DeployedConfig, variant: VariantConfig) {
  const InstanceType = allVariants(document).find(({ VariantName }) => nameKey(VariantName) === nameKey(variant.name))?.InstanceType;
  return InstanceType === undefined ? {} : { InstanceType };
}

function variantSummary(variant: VariantConfig, deployed: DeployedConfig, { view, memoryOf }: EndpointDescription) {
  const { name, weight } = variant;
  const isWanted = deployed.generation === view.generation;
  const wanted = view.config.variants.find((each) => nameKey(each.name) === nameKey(name));
  const isServed = deployed.generation === view.servedGeneration;
  const summary = {
    VariantName: name,
    DeployedImages: deployed.models
      .filter((model) => isModelOf(variant, model))
      .slice(0, 1)
      .map((model) => image(model, deployed)),
    // A config that does not serve yet has no traffic.
    CurrentWeight: isServed ? weight : 0,
    DesiredWeight: isWanted ? (wanted?.weight ?? weight) : weight,
    ...variantStatus(variant, isWanted, view),
  };
  if (variant.instanceCount === 0 && variant.functions !== undefined) {
    const now = serverlessConfig(variant.functions, memoryOf(view.config.name, name));
    return { ...summary, CurrentServerlessConfig: now, DesiredServerlessConfig: now };
  }
  const observed = view.variants.find((each) => nameKey(each.name) === nameKey(name));
  const own = (observed?.workers ?? []).filter(({ spec, state }) => state === 'ready' && runs(spec, variant)).length;
  const ready = observed?.sharesWorkers === true ? observed.ready : own;
  const desired = isWanted ? (observed?.wanted ?? variant.instanceCount) : variant.instanceCount;
  return { ...summary, CurrentInstanceCount: ready, DesiredInstanceCount: desired };
}

function isModelOf({ group, version }: VariantConfig, model: DeployableModel): boolean {
  return nameKey(model.group) === nameKey(group) && model.version === version;
}

function image({ image: SpecifiedImage, resolvedImage: ResolvedImage }: DeployableModel, { startedAtMs }: DeployedConfig) {
  return { SpecifiedImage, ResolvedImage, ResolutionTime: new Date(startedAtMs) };
}

interface RunningSpec {
  readonly kind: string;
  readonly modelName: string;
  readonly instanceType: string;
}

/** Whether a worker runs the variant's version: during an update workers of both versions exist. */
function runs({ kind, modelName, instanceType }: RunningSpec, variant: VariantConfig): boolean {
  const isModel = nameKey(modelName) === `${nameKey(variant.group)}/${variant.version}`;
  return kind === 'instance' && isModel && instanceType === variant.instanceType;
}

/** AWS's `VariantStatus` from the instances in transition; omitted if there are none. */
function variantStatus({ name }: VariantConfig, isWanted: boolean, view: EndpointView) {
  const instances = isWanted ? (view.variants.find((each) => nameKey(each.name) === nameKey(name))?.instances ?? []) : [];
  const launching = instances.filter(({ state }) => state === 'launching');
  const draining = instances.filter(({ state }) => state === 'draining').length;
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
    ...(draining === 0 ? [] : [{ Status: 'Deleting', StatusMessage: `Terminating ${draining} instance(s).` }]),
  ];
  return statuses.length === 0 ? {} : { VariantStatus: statuses };
}

/** The step of a monitored update: the share of traffic on the new version. */
function baking(isWanted: boolean, { rollout }: EndpointView) {
  if (!isWanted || !isUnderWay(rollout)) return [];
  const { share, bakeMs } = rolloutStepOf(rollout);
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

/** Why the endpoint failed, or why its last update did while the previous version still serves. */
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
