/** Targets of rules as clients write them, and why one is refused. Pure. */
import { checkHttpParameters, checkTransformer, checkWebhookUrl, compilePath, type RuleTarget } from '../../monitoring/index.ts';
import type { AwsInput, AwsOutput } from '../service.ts';

/** `RoleArn` is taken and shown: nobody's leave is needed here. */
const kept = ['Id', 'Arn', 'RoleArn', 'Input', 'InputPath', 'InputTransformer', 'HttpParameters', 'RetryPolicy'];
const plain = ['Id', 'Arn', 'Input', 'InputPath'];
/** EventBridge's own, of what a policy leaves open. */
const retryUsual = { MaximumRetryAttempts: 185, MaximumEventAgeInSeconds: 86_400 };

/** What is shown in place of a value that is a key of somebody's receiver. */
const mask = '***';

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

/** Values of headers and query parameters are keys of somebody's receiver: that there are some is shown, not what they are. */
export function targetShown(target: RuleTarget): AwsOutput {
  const { HttpParameters: http, ...others } = membersOf(target);
  return http === undefined
    ? others
    : { ...others, HttpParameters: eachValue(http as GivenHttp, (value) => (isPath(value) ? value : mask)) };
}

/** With the values that it has already, where what was shown comes back. To another address none is sent that was meant for this one. */
export function withKnownValues(given: AwsInput, known: RuleTarget | undefined): AwsInput {
  const http = given.HttpParameters as GivenHttp | undefined;
  if (http === undefined || known?.http === undefined || known.arn !== given.Arn) return given;
  const { headers, query } = known.http;
  const of = { HeaderParameters: headers, QueryStringParameters: query };
  const kept = eachValue(http, (value, name, member) =>
    value === mask && Object.hasOwn(of[member], name) ? (of[member][name] as string) : value,
  );
  return { ...given, HttpParameters: kept };
}

/** As it is delivered by now, whatever an older server made of its members; and what of them is not heeded. */
export function targetAsServed(stored: RuleTarget, canDeliver: (arn: string) => boolean): { target: RuleTarget; fault: string | null } {
  const all = Object.entries(membersOf(stored));
  const members = Object.fromEntries(all.filter(([name]) => kept.includes(name)));
  const target = targetOf(members);
  const wrong = complaint(members, target, canDeliver);
  if (wrong !== null) return { target: { ...stored, echo: heeded(stored) }, fault: wrong };
  return { target, fault: unservedOf(Object.fromEntries(all)) };
}

/** Which of the refused is whose fault is not guessed: what was heeded still is, and nothing else is shown. */
function heeded({ echo = {}, transformer, http, retry }: RuleTarget): RuleTarget['echo'] {
  const { RoleArn, InputTransformer, HttpParameters, RetryPolicy } = echo;
  return {
    ...(RoleArn === undefined ? {} : { RoleArn }),
    ...(transformer === undefined ? {} : { InputTransformer }),
    ...(http === undefined ? {} : { HttpParameters }),
    ...(retry === undefined ? {} : { RetryPolicy }),
  };
}

function membersOf({ id, arn, input, inputPath, echo }: RuleTarget): AwsOutput {
  return {
    Id: id,
    Arn: arn,
    ...(input === null ? {} : { Input: input }),
    ...(inputPath === null ? {} : { InputPath: inputPath }),
    ...echo,
  };
}

type Valued = 'HeaderParameters' | 'QueryStringParameters';

function eachValue(http: GivenHttp, change: (value: string, name: string, member: Valued) => string): GivenHttp {
  const changed = (['HeaderParameters', 'QueryStringParameters'] as const).flatMap((member) => {
    const values = http[member];
    if (values === undefined) return [];
    return [[member, Object.fromEntries(Object.entries(values).map(([name, value]) => [name, change(value, name, member)]))]];
  });
  return { ...http, ...(Object.fromEntries(changed) as Pick<GivenHttp, Valued>) };
}

function isPath(value: string): boolean {
  return value.startsWith('$');
}

/** null where it is heard just as it is written. */
export function complaint(given: AwsInput, target: RuleTarget, canDeliver: (arn: string) => boolean): string | null {
  const unserved = unservedOf(given);
  if (unserved !== null) return unserved;
  const { id, input, inputPath, transformer, http, arn } = target;
  const hidden = [...Object.entries(http?.headers ?? {}), ...Object.entries(http?.query ?? {})].find(([, value]) => value === mask);
  if (hidden !== undefined)
    return `${hidden[0]} is '${mask}', which is what is shown in place of a value: give the value, for none is known of target ${id} at ${arn}.`;
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

function unservedOf(given: AwsInput): string | null {
  const unserved = Object.keys(given).find((name) => given[name] !== undefined && !kept.includes(name));
  if (unserved === 'DeadLetterConfig')
    return 'DeadLetterConfig is not served: there are no queues here. A delivery that is given up is told of in the log of the server.';
  return unserved === undefined ? null : `${unserved} is not served: targets are URLs and log groups, and have ${kept.join(', ')}.`;
}

function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}
