/** Events of processing jobs in the format of SageMaker's `SageMaker Processing Job State Change`. */
import type { PlatformEvent } from '../../records/index.ts';
import { arnOf } from '../sagemaker/arn.ts';
import type { AwsLocation, AwsOutput } from '../service.ts';
import { memberOf, outward } from './outward.ts';
import type { EnvelopeFields, ResourceReader } from './resource-reader.ts';

/** Members of DescribeProcessingJob that say more than the event of its moment. */
const later = ['FailureReason', 'ExitMessage', 'ProcessingEndTime'];

/** The job as DescribeProcessingJob shows it, with the status of the event; null for other events. */
export async function processingEnvelope(
  { kind, subject, detail, atMs }: PlatformEvent,
  awsLocation: AwsLocation,
  { describe, tagsOf }: ResourceReader,
): Promise<EnvelopeFields | null> {
  if (!kind.startsWith('processing.')) return null;
  const arn = arnOf(awsLocation, 'processing-job', subject);
  const described = (await describe('DescribeProcessingJob', subject)) ?? {};
  const lasting = Object.fromEntries(Object.entries(described).filter(([name]) => !later.includes(name)));
  const [reason, endedAtMs] = [memberOf(detail, 'reason'), memberOf(detail, 'endedAtMs')];
  return {
    source: 'aws.sagemaker',
    'detail-type': 'SageMaker Processing Job State Change',
    resources: [arn],
    detail: {
      ...(outward(lasting) as AwsOutput),
      ProcessingJobName: subject,
      ProcessingJobArn: arn,
      ProcessingJobStatus: memberOf(detail, 'status'),
      LastModifiedTime: Math.floor(atMs),
      ...(typeof endedAtMs === 'number' ? { ProcessingEndTime: endedAtMs, ...ending(described) } : {}),
      ...(typeof reason === 'string' ? { FailureReason: reason } : {}),
      Tags: await tagsOf(arn),
    },
  };
}

function ending({ ExitMessage: message }: AwsOutput): AwsOutput {
  return message === undefined ? {} : { ExitMessage: message };
}
