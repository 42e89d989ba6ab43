/** Events of tuning jobs in the format of SageMaker's `SageMaker HyperParameter Tuning Job State Change`. */
import type { PlatformEvent } from '../../records/index.ts';
import { arnOf } from '../sagemaker/arn.ts';
import type { AwsLocation, AwsOutput } from '../service.ts';
import { memberOf, outward } from './outward.ts';
import type { EnvelopeFields, ResourceReader } from './resource-reader.ts';

/** Members of DescribeHyperParameterTuningJob that say more than the event of its moment. */
const later = ['FailureReason', 'BestTrainingJob', 'OverallBestTrainingJob', 'HyperParameterTuningEndTime'];

/** The job as DescribeHyperParameterTuningJob shows it, with the status and the counts of the event; null for other events. */
export async function tuningEnvelope(
  { kind, subject, detail, atMs }: PlatformEvent,
  awsLocation: AwsLocation,
  { describe, tagsOf }: ResourceReader,
): Promise<EnvelopeFields | null> {
  if (!kind.startsWith('tuning.')) return null;
  const arn = arnOf(awsLocation, 'hyper-parameter-tuning-job', subject);
  const described = (await describe('DescribeHyperParameterTuningJob', subject)) ?? {};
  const lasting = Object.fromEntries(Object.entries(described).filter(([name]) => !later.includes(name)));
  const [status, reason, counts] = [memberOf(detail, 'status'), memberOf(detail, 'reason'), memberOf(detail, 'counts')];
  const count = (name: string): number => Number(memberOf(counts, name) ?? 0);
  return {
    source: 'aws.sagemaker',
    'detail-type': 'SageMaker HyperParameter Tuning Job State Change',
    resources: [arn],
    detail: {
      ...(outward(lasting) as AwsOutput),
      HyperParameterTuningJobName: subject,
      HyperParameterTuningJobArn: arn,
      HyperParameterTuningJobStatus: status,
      LastModifiedTime: Math.floor(atMs),
      TrainingJobStatusCounters: {
        Completed: count('completed'),
        InProgress: count('inProgress'),
        RetryableError: 0,
        NonRetryableError: count('failed'),
        Stopped: count('stopped'),
      },
      ObjectiveStatusCounters: { Succeeded: count('judged'), Pending: count('inProgress'), Failed: count('unjudged') },
      ...(status === 'Failed' && typeof reason === 'string' ? { FailureReason: reason } : {}),
      Tags: await tagsOf(arn),
    },
  };
}
