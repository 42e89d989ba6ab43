/** Converts CreateProcessingJob to the spec of a job, and a job to the members of its description. Pure. */
import {
  channelDefaults,
  type JobOutput,
  jobNameOf,
  processingJobId,
  type TrainingChannel,
  type TrainingJob,
  type TrainingSpec,
  trainingDefaults,
} from '../../../training/index.ts';
import type { AwsInput, AwsLocation, AwsOutput } from '../../service.ts';
import { arnOf } from '../arn.ts';
import { nearestInstanceType } from '../endpoints/instance-sizes.ts';
import { invalidTraining } from './training-members.ts';
import type { TrainingSpecDeps } from './training-spec.ts';

interface InputMembers {
  readonly InputName: string;
  readonly DatasetDefinition?: object;
  readonly S3Input?: {
    readonly S3Uri: string;
    readonly LocalPath?: string;
    readonly S3DataType: 'S3Prefix' | 'ManifestFile';
    readonly S3InputMode?: 'Pipe' | 'File';
    readonly S3DataDistributionType?: 'FullyReplicated' | 'ShardedByS3Key';
    readonly S3CompressionType?: 'None' | 'Gzip';
  };
}

interface OutputMembers {
  readonly OutputName: string;
  readonly FeatureStoreOutput?: object;
  readonly S3Output?: { readonly S3Uri: string; readonly LocalPath?: string; readonly S3UploadMode: 'Continuous' | 'EndOfJob' };
}

interface ProcessingMembers {
  readonly ProcessingJobName: string;
  readonly ProcessingInputs?: readonly InputMembers[];
  readonly ProcessingOutputConfig?: { readonly Outputs: readonly OutputMembers[] };
  readonly ProcessingResources: {
    readonly ClusterConfig: { readonly InstanceCount: number; readonly InstanceType: string; readonly VolumeSizeInGB: number };
  };
  readonly StoppingCondition?: { readonly MaxRuntimeInSeconds: number };
  readonly AppSpecification: {
    readonly ImageUri: string;
    readonly ContainerEntrypoint?: readonly string[];
    readonly ContainerArguments?: readonly string[];
  };
  readonly Environment?: Readonly<Record<string, string>>;
  readonly NetworkConfig?: { readonly EnableNetworkIsolation?: boolean };
}

const s3Uri = /^s3:\/\/([^/]+)(?:\/(.*))?$/s;
/** A separate folder below it, for members without a LocalPath. */
const folder = '/opt/ml/processing';

/** Throws `ValidationException` for unsupported members. */
export function processingSpecOf(input: AwsInput, { prices, imageOf }: TrainingSpecDeps): TrainingSpec {
  const members = input as unknown as ProcessingMembers;
  const { ProcessingResources: resources, AppSpecification: app, StoppingCondition: stopping } = members;
  const { InstanceCount: count, InstanceType: type, VolumeSizeInGB: volumeGb } = resources.ClusterConfig;
  if (count !== 1) throw notServed(`InstanceCount ${count}`, 'a job runs on one instance; choose a larger InstanceType');
  const image = imageOf(app.ImageUri);
  return {
    ...trainingDefaults,
    name: processingJobId(members.ProcessingJobName),
    environment: image.environment,
    command: commandOf(app, image.command),
    channels: (members.ProcessingInputs ?? []).map(channelOf),
    output: { bucket: 'unused', prefix: '', isPacked: false },
    outputs: (members.ProcessingOutputConfig?.Outputs ?? []).map(outputOf),
    instanceType: nearestInstanceType(type, prices),
    volumeGb,
    maxRuntimeMs: stopping === undefined ? trainingDefaults.maxRuntimeMs : stopping.MaxRuntimeInSeconds * 1000,
    environmentVariables: { ...image.variables, ...members.Environment },
    isIsolated: members.NetworkConfig?.EnableNetworkIsolation === true,
    image: app.ImageUri,
  };
}

function commandOf(
  { ContainerEntrypoint: entrypoint, ContainerArguments: words = [] }: ProcessingMembers['AppSpecification'],
  program: readonly string[] | null,
): readonly string[] {
  const started = entrypoint ?? program;
  if (started !== null) return [...started, ...words];
  throw invalidTraining('nothing to run: expected AppSpecification.ContainerEntrypoint, or an image with a command');
}

function channelOf({ InputName: name, S3Input: s3, DatasetDefinition: dataset }: InputMembers): TrainingChannel {
  const of = (member: string): string => `${member} of input '${name}'`;
  if (dataset !== undefined) throw notServed(of('DatasetDefinition'), 'copy the data to S3');
  if (s3 === undefined) throw invalidTraining(`${of('S3Input')} is missing: expected S3Input`);
  if (s3.S3InputMode === 'Pipe') throw notServed(of('S3InputMode Pipe'), 'use File');
  return {
    ...channelDefaults,
    name,
    source: { kind: 's3', ...objectsOf(s3.S3Uri, of('S3Uri')), ...(s3.S3DataType === 'ManifestFile' ? { isManifest: true } : {}) },
    isGzip: s3.S3CompressionType === 'Gzip',
    distribution: s3.S3DataDistributionType ?? channelDefaults.distribution,
    path: pathOf(s3.LocalPath, `${folder}/input/${name}`),
  };
}

function outputOf({ OutputName: name, S3Output: s3, FeatureStoreOutput: store }: OutputMembers): JobOutput {
  const of = (member: string): string => `${member} of output '${name}'`;
  if (store !== undefined) throw notServed(of('FeatureStoreOutput'), 'write to S3Output');
  if (s3 === undefined) throw invalidTraining(`${of('S3Output')} is missing: expected S3Output`);
  const { bucket, prefix } = objectsOf(s3.S3Uri, of('S3Uri'));
  return {
    name,
    bucket,
    prefix: prefix.replace(/\/+$/, ''),
    path: pathOf(s3.LocalPath, `${folder}/output/${name}`),
    isContinuous: s3.S3UploadMode === 'Continuous',
  };
}

function pathOf(given: string | undefined, otherwise: string): string {
  return (given ?? otherwise).replace(/\/+$/, '');
}

function objectsOf(uri: string, member: string): { readonly bucket: string; readonly prefix: string } {
  const [, bucket, prefix = ''] = s3Uri.exec(uri) ?? [];
  if (bucket === undefined) throw invalidTraining(`${member} '${uri.slice(0, 200)}' is invalid: expected s3://BUCKET/PREFIX`);
  return { bucket, prefix };
}

function notServed(what: string, todo: string): Error {
  return invalidTraining(`${what} is not supported here: ${todo}.`);
}

/** The members of DescribeProcessingJob: as they were sent, followed by the current state. */
export function describeProcessing(awsLocation: AwsLocation, job: TrainingJob): AwsOutput {
  const { spec, document, exitMessage, failureReason, startedAtMs, secondaryStatus } = job;
  const { Tags: _tags, ...created } = document ?? {};
  const limit = `ClientError: the job ran longer than MaxRuntimeInSeconds = ${spec.maxRuntimeMs / 1000}`;
  const reason = secondaryStatus === 'MaxRuntimeExceeded' ? limit : failureReason;
  return {
    StoppingCondition: { MaxRuntimeInSeconds: spec.maxRuntimeMs / 1000 },
    ...created,
    ...summarizeProcessing(awsLocation, job),
    ...(startedAtMs === null ? {} : { ProcessingStartTime: new Date(startedAtMs) }),
    ...(exitMessage === null ? {} : { ExitMessage: exitMessage }),
    ...(reason === null ? {} : { FailureReason: reason }),
  };
}

/** The members that ListProcessingJobs and DescribeProcessingJob share. */
export function summarizeProcessing(awsLocation: AwsLocation, job: TrainingJob): AwsOutput {
  const { spec, status, createdAtMs, endedAtMs, updatedAtMs, exitMessage, failureReason } = job;
  const name = jobNameOf(spec.name);
  return {
    ProcessingJobName: name,
    ProcessingJobArn: arnOf(awsLocation, 'processing-job', name),
    CreationTime: new Date(createdAtMs),
    ...(endedAtMs === null ? {} : { ProcessingEndTime: new Date(endedAtMs) }),
    LastModifiedTime: new Date(updatedAtMs),
    ProcessingJobStatus: status,
    ...(failureReason === null ? {} : { FailureReason: failureReason }),
    ...(exitMessage === null ? {} : { ExitMessage: exitMessage }),
  };
}
