/** The members of CreateTrainingJob that have an effect, and the rejection of unsupported ones. Pure. */
import { AwsError, type AwsInput } from '../../service.ts';

interface S3Source {
  readonly S3DataType: 'S3Prefix' | 'ManifestFile' | 'AugmentedManifestFile' | 'Converse';
  readonly S3Uri: string;
  readonly S3DataDistributionType?: 'FullyReplicated' | 'ShardedByS3Key';
}

/** An input channel; only S3 data is supported. */
export interface ChannelMembers {
  readonly ChannelName: string;
  readonly DataSource: { readonly S3DataSource?: S3Source; readonly FileSystemDataSource?: object; readonly DatasetSource?: object };
  readonly ContentType?: string;
  readonly CompressionType?: 'None' | 'Gzip';
  readonly RecordWrapperType?: 'None' | 'RecordIO';
  readonly InputMode?: 'Pipe' | 'File' | 'FastFile';
  readonly ShuffleConfig?: { readonly Seed: number };
}

export interface TrainingJobMembers {
  readonly TrainingJobName: string;
  readonly HyperParameters?: Readonly<Record<string, string>>;
  readonly AlgorithmSpecification?: {
    readonly TrainingImage?: string;
    readonly AlgorithmName?: string;
    readonly TrainingInputMode: 'Pipe' | 'File' | 'FastFile';
    readonly MetricDefinitions?: readonly { readonly Name: string; readonly Regex: string }[];
    readonly EnableSageMakerMetricsTimeSeries?: boolean;
    readonly ContainerEntrypoint?: readonly string[];
    readonly ContainerArguments?: readonly string[];
    readonly TrainingImageConfig?: { readonly TrainingRepositoryAccessMode?: 'Platform' | 'Vpc' };
  };
  readonly RoleArn: string;
  readonly InputDataConfig?: readonly ChannelMembers[];
  readonly OutputDataConfig: { readonly KmsKeyId?: string; readonly S3OutputPath: string; readonly CompressionType?: 'GZIP' | 'NONE' };
  readonly ResourceConfig?: {
    readonly InstanceType?: string;
    readonly InstanceCount?: number;
    readonly VolumeSizeInGB?: number;
    readonly KeepAlivePeriodInSeconds?: number;
    readonly InstanceGroups?: readonly object[];
    readonly TrainingPlanArn?: string;
  };
  readonly StoppingCondition?: { readonly MaxRuntimeInSeconds?: number; readonly MaxWaitTimeInSeconds?: number };
  readonly EnableNetworkIsolation?: boolean;
  readonly EnableManagedSpotTraining?: boolean;
  readonly CheckpointConfig?: { readonly S3Uri: string; readonly LocalPath?: string };
  readonly Environment?: Readonly<Record<string, string>>;
  readonly RetryStrategy?: { readonly MaximumRetryAttempts: number };
  readonly ModelPackageConfig?: { readonly ModelPackageGroupArn: string };
  readonly ServerlessJobConfig?: object;
  readonly MlflowConfig?: object;
  readonly DebugRuleConfigurations?: readonly object[];
  readonly ProfilerRuleConfigurations?: readonly object[];
  readonly RemoteDebugConfig?: { readonly EnableRemoteDebug?: boolean };
}

/** The shapes were checked before, so no check is repeated here. */
export function trainingMembers(input: AwsInput): TrainingJobMembers {
  return input as unknown as TrainingJobMembers;
}

const pipe = 'TrainingInputMode Pipe is not supported here: use File, or FastFile, which is File here.';

/** Throws `ValidationException` for an unsupported member that would change what runs. */
export function checkServed(members: TrainingJobMembers): void {
  const { AlgorithmSpecification: algorithm, ResourceConfig: resources = {}, InputDataConfig: channels = [] } = members;
  if (members.ServerlessJobConfig !== undefined) throw notServed('ServerlessJobConfig', 'name a TrainingImage and a ResourceConfig');
  if (algorithm === undefined)
    throw invalidTraining('AlgorithmSpecification is required: expected a TrainingImage and TrainingInputMode File');
  if (algorithm.AlgorithmName !== undefined)
    throw notServed('AlgorithmSpecification.AlgorithmName', 'name a TrainingImage, such as penstock/python');
  if (algorithm.TrainingImageConfig?.TrainingRepositoryAccessMode === 'Vpc')
    throw notServed('TrainingImageConfig with TrainingRepositoryAccessMode Vpc', 'images are names in the images table, remove it');
  if (algorithm.TrainingInputMode === 'Pipe' || channels.some(({ InputMode }) => InputMode === 'Pipe')) throw invalidTraining(pipe);
  if (resources.InstanceGroups !== undefined) throw notServed('InstanceGroups', 'name one InstanceType with InstanceCount 1');
  if (resources.TrainingPlanArn !== undefined) throw notServed('TrainingPlanArn', 'remove it');
  const { InstanceCount: count = 1 } = resources;
  if (count !== 1)
    throw invalidTraining(`InstanceCount ${count} is not supported here: a job runs on one instance; choose a larger InstanceType.`);
  for (const channel of channels) checkChannelServed(channel);
  if ((members.DebugRuleConfigurations ?? []).length > 0)
    throw notServed('DebugRuleConfigurations', 'remove them, for example with debugger_hook_config=False and rules=None');
  checkUpdateServed(members);
  if (members.MlflowConfig !== undefined) throw notServed('MlflowConfig', 'set MLFLOW_TRACKING_URI in Environment');
}

/** Checks the members that UpdateTrainingJob also has. */
export function checkUpdateServed(members: Pick<TrainingJobMembers, 'ProfilerRuleConfigurations' | 'RemoteDebugConfig'>): void {
  if ((members.ProfilerRuleConfigurations ?? []).length > 0) throw notServed('ProfilerRuleConfigurations', 'remove them');
  if (members.RemoteDebugConfig?.EnableRemoteDebug === true) throw notServed('RemoteDebugConfig', 'remove it');
}

function checkChannelServed({ ChannelName, DataSource }: ChannelMembers): void {
  const { S3DataSource: s3, FileSystemDataSource, DatasetSource } = DataSource;
  const at = (member: string): string => `${member} of channel '${ChannelName}'`;
  if (FileSystemDataSource !== undefined) throw notServed(at('FileSystemDataSource'), 'copy the data to S3');
  if (DatasetSource !== undefined) throw notServed(at('DatasetSource'), 'name an S3DataSource');
  if (s3 === undefined) throw invalidTraining(`channel '${ChannelName}' has no data source: expected S3DataSource`);
  if (s3.S3DataType !== 'S3Prefix' && s3.S3DataType !== 'ManifestFile')
    throw notServed(at(`S3DataType ${s3.S3DataType}`), 'use S3Prefix or ManifestFile');
}

function notServed(what: string, todo: string): AwsError {
  return invalidTraining(`${what} is not supported here: ${todo}.`);
}

export function invalidTraining(message: string): AwsError {
  return new AwsError('ValidationException', message);
}
