/** Converts CreateTrainingJob to the spec of a job, and the spec of a job from another API to AWS's members. Pure. */
import type { PriceTable } from '../../../costs/index.ts';
import type { TrainingImage } from '../../../registry/index.ts';
import {
  channelDefaults,
  checkpointPathDefault,
  type TrainingChannel,
  type TrainingSpec,
  trainingDefaults,
} from '../../../training/index.ts';
import type { AwsInput, AwsLocation } from '../../service.ts';
import { arnOf, readReference } from '../arn.ts';
import { nearestInstanceType } from '../endpoints/instance-sizes.ts';
import { groupTag } from '../penstock-tags.ts';
import { type ChannelMembers, checkServed, invalidTraining, type TrainingJobMembers, trainingMembers } from './training-members.ts';

export interface TrainingSpecDeps {
  readonly prices: Pick<PriceTable, 'instances'>;
  /** Throws `invalid_request` for an unknown image. */
  readonly imageOf: (image: string) => TrainingImage;
}

/** Throws `ValidationException` for unsupported members, and for those that contradict each other. */
export function createdSpecOf(
  input: AwsInput,
  tags: Readonly<Record<string, string>>,
  awsLocation: AwsLocation,
  { prices, imageOf }: TrainingSpecDeps,
): TrainingSpec {
  const members = trainingMembers(input);
  checkServed(members);
  const { AlgorithmSpecification: algorithm, ResourceConfig: resources = {}, StoppingCondition: stopping = {} } = members;
  const { HyperParameters: hyperparameters = {}, CheckpointConfig: checkpoints, OutputDataConfig: output } = members;
  const { TrainingImage: name } = algorithm ?? {};
  if (name === undefined)
    throw invalidTraining('AlgorithmSpecification.TrainingImage is required: expected a name such as penstock/python');
  if (resources.InstanceType === undefined)
    throw invalidTraining('ResourceConfig.InstanceType is required: expected, for example, ml.m5.large');
  const image = imageOf(name);
  const { MaxRuntimeInSeconds: runtimeSeconds, MaxWaitTimeInSeconds: waitSeconds } = stopping;
  return {
    ...trainingDefaults,
    name: members.TrainingJobName,
    environment: image.environment,
    command: startedBy(algorithm ?? {}, image, hyperparameters),
    hyperparameters,
    channels: (members.InputDataConfig ?? []).map(channelOf),
    output: { ...objectsOf(output.S3OutputPath, 'OutputDataConfig.S3OutputPath'), isPacked: output.CompressionType !== 'NONE' },
    checkpoints:
      checkpoints === undefined
        ? null
        : { ...objectsOf(checkpoints.S3Uri, 'CheckpointConfig.S3Uri'), path: checkpoints.LocalPath ?? checkpointPathDefault },
    instanceType: nearestInstanceType(resources.InstanceType, prices),
    volumeGb: resources.VolumeSizeInGB ?? trainingDefaults.volumeGb,
    maxRuntimeMs: runtimeSeconds === undefined ? trainingDefaults.maxRuntimeMs : runtimeSeconds * 1000,
    maxWaitMs: waitSeconds === undefined ? null : waitSeconds * 1000,
    isSpot: members.EnableManagedSpotTraining === true,
    retries: members.RetryStrategy?.MaximumRetryAttempts ?? trainingDefaults.retries,
    metrics: (algorithm?.MetricDefinitions ?? []).map(({ Name, Regex }) => ({ name: Name, regex: Regex })),
    environmentVariables: { ...image.variables, ...members.Environment },
    isIsolated: members.EnableNetworkIsolation === true,
    group: groupOf(members, tags, awsLocation),
    image: name,
  };
}

/** In the order of SageMaker's containers: the entrypoint, then script mode (null), then the program of the image. */
function startedBy(
  { ContainerEntrypoint: entrypoint, ContainerArguments: words = [] }: Partial<NonNullable<TrainingJobMembers['AlgorithmSpecification']>>,
  { command }: TrainingImage,
  hyperparameters: Readonly<Record<string, string>>,
): readonly string[] | null {
  if (entrypoint !== undefined) return [...entrypoint, ...words];
  if (hyperparameters['sagemaker_program'] !== undefined) return null;
  if (command !== null) return [...command, ...(words.length > 0 ? words : ['train'])];
  throw invalidTraining(
    'nothing to run: expected ContainerEntrypoint, the hyperparameter sagemaker_program with sagemaker_submit_directory, or an image with a command',
  );
}

function channelOf({ ChannelName, DataSource, ...channel }: ChannelMembers): TrainingChannel {
  const { S3Uri, S3DataType, S3DataDistributionType } = DataSource.S3DataSource ?? { S3Uri: '', S3DataType: 'S3Prefix' };
  const [, bucket, prefix = ''] = s3Uri.exec(S3Uri) ?? [];
  if (bucket === undefined) throw invalidUri(S3Uri, `S3Uri of channel '${ChannelName}'`);
  return {
    ...channelDefaults,
    name: ChannelName,
    source: { kind: 's3', bucket, prefix, ...(S3DataType === 'ManifestFile' ? { isManifest: true } : {}) },
    isGzip: channel.CompressionType === 'Gzip',
    contentType: channel.ContentType ?? null,
    shuffleSeed: channel.ShuffleConfig?.Seed ?? null,
    recordWrapper: channel.RecordWrapperType ?? channelDefaults.recordWrapper,
    distribution: S3DataDistributionType ?? channelDefaults.distribution,
  };
}

const s3Uri = /^s3:\/\/([^/]+)(?:\/(.*))?$/s;

/** A folder of objects: its prefix has no slash at the end. */
function objectsOf(uri: string, member: string): { readonly bucket: string; readonly prefix: string } {
  const [, bucket, prefix = ''] = s3Uri.exec(uri) ?? [];
  if (bucket === undefined) throw invalidUri(uri, member);
  return { bucket, prefix: prefix.replace(/\/+$/, '') };
}

function invalidUri(uri: string, member: string): Error {
  return invalidTraining(`${member} '${uri.slice(0, 200)}' is invalid: expected s3://BUCKET/PREFIX`);
}

/** By ModelPackageConfig, or by the tag. */
function groupOf(
  { ModelPackageConfig: config }: TrainingJobMembers,
  tags: Readonly<Record<string, string>>,
  awsLocation: AwsLocation,
): string | null {
  if (config === undefined) return Object.hasOwn(tags, groupTag) ? (tags[groupTag] ?? null) : null;
  return readReference(awsLocation, 'model-package-group', config.ModelPackageGroupArn).name;
}

/** The members of a job that another API created. */
export function trainingMembersOf(spec: TrainingSpec, awsLocation: AwsLocation): AwsInput {
  const { hyperparameters, channels, output, checkpoints, environmentVariables, command, metrics } = spec;
  const channelMembers = channels.flatMap(
    ({ name, source, isGzip, contentType }) =>
      source.kind === 's3'
        ? [
            {
              ChannelName: name,
              DataSource: {
                S3DataSource: {
                  S3DataType: source.isManifest === true ? 'ManifestFile' : 'S3Prefix',
                  S3Uri: `s3://${source.bucket}/${source.prefix}`,
                  S3DataDistributionType: 'FullyReplicated',
                },
              },
              ...(contentType === null ? {} : { ContentType: contentType }),
              CompressionType: isGzip ? 'Gzip' : 'None',
            },
          ]
        : [], // captured traffic has no member in AWS's model
  );
  return {
    ...(Object.keys(hyperparameters).length === 0 ? {} : { HyperParameters: hyperparameters }),
    AlgorithmSpecification: {
      TrainingImage: spec.image ?? `penstock/python${spec.environment === null ? '' : `:${spec.environment}`}`,
      TrainingInputMode: 'File',
      ...(metrics.length === 0 ? {} : { MetricDefinitions: metrics.map(({ name: Name, regex: Regex }) => ({ Name, Regex })) }),
      ...(command === null ? {} : { ContainerEntrypoint: command }),
    },
    ...(channelMembers.length === 0 ? {} : { InputDataConfig: channelMembers }),
    OutputDataConfig: { S3OutputPath: uriOf(output), CompressionType: output.isPacked ? 'GZIP' : 'NONE' },
    ResourceConfig: { InstanceType: spec.instanceType, InstanceCount: 1, VolumeSizeInGB: spec.volumeGb },
    StoppingCondition: {
      MaxRuntimeInSeconds: Math.ceil(spec.maxRuntimeMs / 1000),
      ...(spec.maxWaitMs === null ? {} : { MaxWaitTimeInSeconds: Math.ceil(spec.maxWaitMs / 1000) }),
    },
    ...(checkpoints === null ? {} : { CheckpointConfig: { S3Uri: uriOf(checkpoints), LocalPath: checkpoints.path } }),
    ...(Object.keys(environmentVariables).length === 0 ? {} : { Environment: environmentVariables }),
    RetryStrategy: { MaximumRetryAttempts: Math.max(1, spec.retries) },
    EnableNetworkIsolation: spec.isIsolated,
    EnableManagedSpotTraining: spec.isSpot,
    ...(spec.group === null ? {} : { ModelPackageConfig: { ModelPackageGroupArn: arnOf(awsLocation, 'model-package-group', spec.group) } }),
  };
}

function uriOf({ bucket, prefix }: { readonly bucket: string; readonly prefix: string }): string {
  return prefix === '' ? `s3://${bucket}` : `s3://${bucket}/${prefix}`;
}
