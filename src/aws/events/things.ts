/** What events tell of things besides what happened: their Describe operations and their tags, asked for as a client would. */
import type { AwsCall, AwsOutput, AwsPlace, AwsService } from '../service.ts';
import type { Things } from './envelope.ts';

const nameMembers = { DescribeEndpoint: 'EndpointName', DescribeModel: 'ModelName', DescribeTransformJob: 'TransformJobName' } as const;

export function thingsOf({ operations }: AwsService, place: AwsPlace): Things {
  const ask = async (operation: string, input: Readonly<Record<string, string>>): Promise<AwsOutput | null> => {
    const call: AwsCall = {
      ...place,
      operation,
      caller: { keyId: 'penstock', role: 'viewer' },
      requestId: '',
      remoteAddress: undefined,
      userAgent: undefined,
      signal: AbortSignal.abort(), // as it is by now: nothing is waited for
    };
    try {
      return (await operations[operation]?.(input, call)) ?? null;
    } catch {
      return null; // it went meanwhile, and the event is told all the same
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
