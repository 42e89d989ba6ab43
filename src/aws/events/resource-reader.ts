/** Reads descriptions and tags for events through the same operations that clients call. */
import type { Envelope } from '../../alerts/index.ts';
import type { AwsCall, AwsLocation, AwsOutput, AwsService } from '../service.ts';

const nameMembers = {
  DescribeEndpoint: 'EndpointName',
  DescribeModel: 'ModelName',
  DescribeTransformJob: 'TransformJobName',
  DescribeTrainingJob: 'TrainingJobName',
  DescribeProcessingJob: 'ProcessingJobName',
  DescribeHyperParameterTuningJob: 'HyperParameterTuningJobName',
} as const;

/** The fields of an AWS event that depend on the changed resource; id, time, account and region are added later. */
export type EnvelopeFields = Pick<Envelope, 'source' | 'detail-type' | 'resources' | 'detail'>;

/** Reads the current state of resources, as their Describe operations return it. */
export interface ResourceReader {
  /** Null if it no longer exists. */
  readonly describe: (operation: keyof typeof nameMembers, name: string) => Promise<AwsOutput | null>;
  /** Empty if the resource no longer exists. */
  readonly tagsOf: (arn: string) => Promise<Readonly<Record<string, string>>>;
}

/** Reads with the permissions of a viewer. */
export function resourceReader({ operations }: AwsService, awsLocation: AwsLocation): ResourceReader {
  const ask = async (operation: string, input: Readonly<Record<string, string>>): Promise<AwsOutput | null> => {
    const call: AwsCall = {
      ...awsLocation,
      operation,
      caller: { keyId: 'penstock', role: 'viewer' },
      requestId: '',
      remoteAddress: undefined,
      userAgent: undefined,
      signal: AbortSignal.abort(), // Return the current state without waiting.
    };
    try {
      return (await operations[operation]?.run(input, call)) ?? null;
    } catch {
      return null; // Deleted in the meantime: the event is published without a description.
    }
  };
  return {
    describe: (operation, name) => ask(operation, { [nameMembers[operation]]: name }),
    tagsOf: async (arn) => {
      const { Tags = [] } = ((await ask('ListTags', { ResourceArn: arn })) ?? {}) as { Tags?: readonly { Key: string; Value: string }[] };
      return Object.fromEntries(Tags.map(({ Key, Value }) => [Key, Value] as const));
    },
  };
}
