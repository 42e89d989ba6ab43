/** A training job in the format of DescribeTrainingJob, ListTrainingJobs and Search. Pure. */
import type { TrainingJob, TrainingTransition } from '../../../training/index.ts';
import type { AwsInput, AwsLocation, AwsOutput } from '../../service.ts';
import { arnOf } from '../arn.ts';
import { trainingMembers } from './training-members.ts';
import { trainingMembersOf } from './training-spec.ts';

/** Members of CreateTrainingJob that descriptions lack. */
const unshown = ['TrainingJobName', 'Tags', 'SessionChainingConfig'] as const;
/** Members of a description that the shape of Search's records lacks. */
const unsearched = ['BillableTimeInSeconds', 'TrainingTimeInSeconds', 'ProfilingStatus', 'WarmPoolStatus'] as const;

/** The members that a job was created with, or equivalent ones for a job from another API. */
export function createdMembers({ spec, document }: Pick<TrainingJob, 'spec' | 'document'>, awsLocation: AwsLocation): AwsInput {
  return document ?? trainingMembersOf(spec, awsLocation);
}

/** Members without a value are absent. */
export function describeTraining(awsLocation: AwsLocation, job: TrainingJob): AwsOutput {
  const { spec, usage, version } = job;
  const created = createdMembers(job, awsLocation);
  const { AlgorithmSpecification: algorithm, OutputDataConfig: output, ResourceConfig: resources } = trainingMembers(created);
  const { KeepAlivePeriodInSeconds: keepAlive } = resources ?? {};
  return {
    ...heading(awsLocation, spec.name),
    TrainingJobStatus: job.status,
    SecondaryStatus: job.secondaryStatus,
    ...without(created, unshown),
    AlgorithmSpecification: { EnableSageMakerMetricsTimeSeries: false, ...algorithm },
    OutputDataConfig: { KmsKeyId: '', CompressionType: 'GZIP', ...output },
    StoppingCondition: { MaxRuntimeInSeconds: spec.maxRuntimeMs / 1000, ...trainingMembers(created).StoppingCondition },
    EnableNetworkIsolation: spec.isIsolated,
    EnableInterContainerTrafficEncryption: created['EnableInterContainerTrafficEncryption'] === true,
    EnableManagedSpotTraining: spec.isSpot,
    ProfilingStatus: 'Disabled',
    ...times(job),
    SecondaryStatusTransitions: job.transitions.map(transitionOf),
    ...(job.artifactUri === null ? {} : { ModelArtifacts: { S3ModelArtifacts: job.artifactUri } }),
    ...(job.failureReason === null ? {} : { FailureReason: job.failureReason }),
    ...(job.metrics.length === 0 ? {} : { FinalMetricDataList: job.metrics.map(metricOf) }),
    ...(usage === null ? {} : { TrainingTimeInSeconds: usage.seconds, BillableTimeInSeconds: usage.billableSeconds }),
    // No warm pool is needed: a start takes less than a second, and data and packages are cached for every job.
    ...(keepAlive === undefined ? {} : { WarmPoolStatus: { Status: 'Terminated', ResourceRetainedBillableTimeInSeconds: 0 } }),
    ...(version === null ? {} : { OutputModelPackageArn: packageArn(awsLocation, version) }),
  };
}

/** As in the results of Search. */
export function searchedTraining(awsLocation: AwsLocation, job: TrainingJob): AwsOutput {
  return without(describeTraining(awsLocation, job), unsearched);
}

/** As in the results of ListTrainingJobs. */
export function summarizeTraining(awsLocation: AwsLocation, job: TrainingJob): AwsOutput {
  const { spec, status, secondaryStatus, createdAtMs, endedAtMs, updatedAtMs } = job;
  return {
    ...heading(awsLocation, spec.name),
    CreationTime: new Date(createdAtMs),
    ...(endedAtMs === null ? {} : { TrainingEndTime: new Date(endedAtMs) }),
    LastModifiedTime: new Date(updatedAtMs),
    TrainingJobStatus: status,
    SecondaryStatus: secondaryStatus,
  };
}

function heading(awsLocation: AwsLocation, name: string): AwsOutput {
  return { TrainingJobName: name, TrainingJobArn: arnOf(awsLocation, 'training-job', name) };
}

function times({ createdAtMs, startedAtMs, endedAtMs, updatedAtMs }: TrainingJob): AwsOutput {
  return {
    CreationTime: new Date(createdAtMs),
    ...(startedAtMs === null ? {} : { TrainingStartTime: new Date(startedAtMs) }),
    ...(endedAtMs === null ? {} : { TrainingEndTime: new Date(endedAtMs) }),
    LastModifiedTime: new Date(updatedAtMs),
  };
}

/** SDKs read `StatusMessage` of each transition without a default. */
function transitionOf({ status, startedAtMs, endedAtMs, message }: TrainingTransition): AwsOutput {
  return {
    Status: status,
    StartTime: new Date(startedAtMs),
    ...(endedAtMs === null ? {} : { EndTime: new Date(endedAtMs) }),
    StatusMessage: message,
  };
}

function metricOf({ name, value, atMs }: TrainingJob['metrics'][number]): AwsOutput {
  return { MetricName: name, Value: value, Timestamp: new Date(atMs) };
}

/** The ARN of `digits/7`. */
function packageArn(awsLocation: AwsLocation, version: string): string {
  const [group = '', number] = version.split('/');
  return arnOf(awsLocation, 'model-package', group, number === undefined ? null : Number(number));
}

function without(members: AwsInput, names: readonly string[]): AwsOutput {
  return Object.fromEntries(Object.entries(members).filter(([name]) => !names.includes(name)));
}
