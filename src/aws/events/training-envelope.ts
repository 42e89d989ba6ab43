/** Events of training jobs in the format of SageMaker's `SageMaker Training Job State Change`. */
import type { PlatformEvent } from '../../records/index.ts';
import type { TrainingMetricValue, TrainingTransition } from '../../training/index.ts';
import { arnOf } from '../sagemaker/arn.ts';
import type { AwsLocation, AwsOutput } from '../service.ts';
import { memberOf, outward } from './outward.ts';
import type { EnvelopeFields, ResourceReader } from './resource-reader.ts';

/** Members of DescribeTrainingJob that change while a job runs. The event has those of its own moment. */
const changing = [
  'FailureReason',
  'ModelArtifacts',
  'SecondaryStatusTransitions',
  'FinalMetricDataList',
  'TrainingStartTime',
  'TrainingEndTime',
  'TrainingTimeInSeconds',
  'BillableTimeInSeconds',
  'OutputModelPackageArn',
];

/** The job as DescribeTrainingJob showed it at the moment of the event; null for other events. */
export async function trainingEnvelope(
  event: PlatformEvent,
  awsLocation: AwsLocation,
  { describe, tagsOf }: ResourceReader,
): Promise<EnvelopeFields | null> {
  const { kind, subject, detail } = event;
  if (!kind.startsWith('training.')) return null;
  const arn = arnOf(awsLocation, 'training-job', subject);
  const described = (await describe('DescribeTrainingJob', subject)) ?? {};
  const lasting = Object.fromEntries(Object.entries(described).filter(([name]) => !changing.includes(name)));
  const isOver = memberOf(detail, 'endedAtMs') !== null;
  return {
    source: 'aws.sagemaker',
    'detail-type': 'SageMaker Training Job State Change',
    resources: [arn],
    detail: {
      ...(outward(lasting) as AwsOutput),
      TrainingJobName: subject,
      TrainingJobArn: arn,
      TrainingJobStatus: memberOf(detail, 'status'),
      SecondaryStatus: memberOf(detail, 'secondaryStatus'),
      LastModifiedTime: Math.floor(event.atMs),
      ...present('TrainingStartTime', memberOf(detail, 'startedAtMs')),
      ...present('TrainingEndTime', memberOf(detail, 'endedAtMs')),
      SecondaryStatusTransitions: transitionsOf(memberOf(detail, 'transitions')),
      ...present('FailureReason', memberOf(detail, 'reason')),
      ...(isOver ? resultsOf(detail) : {}),
      Tags: await tagsOf(arn),
    },
  };
}

function present(name: string, value: unknown): AwsOutput {
  return value === null || value === undefined ? {} : { [name]: value };
}

function transitionsOf(transitions: unknown): AwsOutput[] {
  return ((transitions ?? []) as readonly TrainingTransition[]).map(({ status, startedAtMs, endedAtMs, message }) => ({
    Status: status,
    StartTime: startedAtMs,
    ...present('EndTime', endedAtMs),
    StatusMessage: message,
  }));
}

function resultsOf(detail: unknown): AwsOutput {
  const metrics = (memberOf(detail, 'metrics') ?? []) as readonly TrainingMetricValue[];
  const uri = memberOf(detail, 'artifactUri');
  const list = metrics.map(({ name, value, atMs }) => ({ MetricName: name, Value: value, Timestamp: atMs }));
  return {
    ...(typeof uri === 'string' ? { ModelArtifacts: { S3ModelArtifacts: uri } } : {}),
    ...(list.length === 0 ? {} : { FinalMetricDataList: list }),
  };
}
