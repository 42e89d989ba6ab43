/** Targets of rules as clients write them, and why one is refused. Pure. */
import { checkHttpParameters, checkTransformer, checkWebhookUrl, compilePath, type RuleTarget } from '../../monitoring/index.ts';
import type { AwsInput, AwsOutput } from '../service.ts';

/** `RoleArn` is taken and shown: nobody's leave is needed here. */
const kept = ['Id', 'Arn', 'RoleArn', 'Input', 'InputPath', 'InputTransformer', 'HttpParameters', 'RetryPolicy'];
const plain = ['Id', 'Arn', 'Input', 'InputPath'];
/** EventBridge's own, of what a policy leaves open. */
const retryUsual = { MaximumRetryAttempts: 185, MaximumEventAgeInSeconds: 86_400 };

interface GivenHttp {
  readonly PathParameterValues?: readonly string[];
  readonly HeaderParameters?: Readonly<Record<string, string>>;
  readonly QueryStringParameters?: Readonly<Record<string, string>>;
}

export function targetOf(given: AwsInput): RuleTarget {
  const transformer = given.InputTransformer as { InputPathsMap?: Record<string, string>; InputTemplate: string } | undefined;
  const http = given.HttpParameters as GivenHttp | undefined;
  const retry = given.RetryPolicy as Partial<typeof retryUsual> | undefined;
  return {
    id: String(given.Id),
    arn: String(given.Arn),
    input: typeof given.Input === 'string' ? given.Input : null,
    inputPath: typeof given.InputPath === 'string' ? given.InputPath : null,
    transformer: transformer && { paths: transformer.InputPathsMap ?? {}, template: transformer.InputTemplate },
    http: http && { headers: http.HeaderParameters ?? {}, query: http.QueryStringParameters ?? {} },
    retry: retry && {
      retriesMax: retry.MaximumRetryAttempts ?? retryUsual.MaximumRetryAttempts,
      ageSMax: retry.MaximumEventAgeInSeconds ?? retryUsual.MaximumEventAgeInSeconds,
    },
    echo: Object.fromEntries(Object.entries(given).filter(([name]) => !plain.includes(name))),
  };
}

export function targetShown({ id, arn, input, inputPath, echo }: RuleTarget): AwsOutput {
  return {
    Id: id,
    Arn: arn,
    ...(input === null ? {} : { Input: input }),
    ...(inputPath === null ? {} : { InputPath: inputPath }),
    ...echo,
  };
}

/** null where it is heard just as it is written. */
export function complaint(given: AwsInput, target: RuleTarget, canDeliver: (arn: string) => boolean): string | null {
  const unserved = Object.keys(given).find((name) => given[name] !== undefined && !kept.includes(name));
  if (unserved === 'DeadLetterConfig')
    return 'DeadLetterConfig is not served: there are no queues here. A delivery that is given up is told of in the log of the server.';
  if (unserved !== undefined) return `${unserved} is not served: targets are URLs and log groups, and have ${kept.join(', ')}.`;
  const { id, input, inputPath, transformer, http, arn } = target;
  if ([input, inputPath, transformer].filter((each) => each !== null && each !== undefined).length > 1)
    return `Only one of Input, InputPath, or InputTransformer must be provided for target ${id}.`;
  if (input !== null && !isJson(input)) return 'Input is not valid JSON.';
  if (inputPath !== null && compilePath(inputPath) === null) return `InputPath is no path: expected one such as $.detail, got ${inputPath}`;
  const isUrl = !canDeliver(arn);
  if (isUrl && arn.startsWith('arn:'))
    return `Nothing can be delivered to ${arn}: expected the ARN of a log group of this account, or a URL.`;
  if (http !== undefined && !isUrl) return 'HttpParameters are for targets that are URLs.';
  if (((given.HttpParameters as GivenHttp | undefined)?.PathParameterValues ?? []).length > 0)
    return 'PathParameterValues are not served: write them into the URL.';
  try {
    if (isUrl) checkWebhookUrl(arn);
    if (transformer !== undefined) checkTransformer(transformer);
    if (http !== undefined) checkHttpParameters(http);
    return null;
  } catch (error) {
    return (error as Error).message;
  }
}

function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}
