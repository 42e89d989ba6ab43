/** Parses, validates and redacts rule targets. Pure. */
import { checkHttpParameters, checkTransformer, compilePath, type RuleTarget, webhookUrl } from '../../alerts/index.ts';
import type { AwsInput, AwsOutput } from '../service.ts';

/** `RoleArn` is stored and returned but not evaluated: deliveries need no role. */
const retainedMembers = [
  'Id',
  'Arn',
  'RoleArn',
  'Input',
  'InputPath',
  'InputTransformer',
  'HttpParameters',
  'RetryPolicy',
  'SageMakerPipelineParameters',
];
const plain = ['Id', 'Arn', 'Input', 'InputPath'];
/** EventBridge's defaults for members that a retry policy omits. */
const retryDefaults = { MaximumRetryAttempts: 185, MaximumEventAgeInSeconds: 86_400 };

/** Replaces values that are credentials of a target. */
const mask = '***';

interface PipelineParametersInput {
  readonly PipelineParameterList?: readonly { readonly Name: string; readonly Value: string }[];
}

interface HttpParametersInput {
  readonly PathParameterValues?: readonly string[];
  readonly HeaderParameters?: Readonly<Record<string, string>>;
  readonly QueryStringParameters?: Readonly<Record<string, string>>;
}

/** Converts the members of PutTargets; members that are absent become null or get the defaults of AWS's retry policy. */
export function ruleTargetOf(input: AwsInput): RuleTarget {
  const transformer = input.InputTransformer as { InputPathsMap?: Record<string, string>; InputTemplate: string } | undefined;
  const http = input.HttpParameters as HttpParametersInput | undefined;
  const ofPipeline = input.SageMakerPipelineParameters as PipelineParametersInput | undefined;
  const retry = input.RetryPolicy as Partial<typeof retryDefaults> | undefined;
  return {
    id: String(input.Id),
    arn: String(input.Arn),
    input: typeof input.Input === 'string' ? input.Input : null,
    inputPath: typeof input.InputPath === 'string' ? input.InputPath : null,
    transformer: transformer && { paths: transformer.InputPathsMap ?? {}, template: transformer.InputTemplate },
    parameters: ofPipeline && Object.fromEntries((ofPipeline.PipelineParameterList ?? []).map(({ Name, Value }) => [Name, Value])),
    http: http && { headers: http.HeaderParameters ?? {}, query: http.QueryStringParameters ?? {} },
    retry: retry && {
      retriesMax: retry.MaximumRetryAttempts ?? retryDefaults.MaximumRetryAttempts,
      ageSMax: retry.MaximumEventAgeInSeconds ?? retryDefaults.MaximumEventAgeInSeconds,
    },
    echo: Object.fromEntries(Object.entries(input).filter(([name]) => !plain.includes(name))),
  };
}

/** Values of headers and query parameters are credentials, so only their names are shown. */
export function redactedTarget(target: RuleTarget): AwsOutput {
  const { HttpParameters: http, ...others } = membersOf(target);
  return http === undefined
    ? others
    : { ...others, HttpParameters: eachValue(http as HttpParametersInput, (value) => (isPath(value) ? value : mask)) };
}

/** Restores the stored values if a client sends redacted ones back. Values are never copied to another address. */
export function withStoredSecrets(input: AwsInput, known: RuleTarget | undefined): AwsInput {
  const http = input.HttpParameters as HttpParametersInput | undefined;
  if (http === undefined || known?.http === undefined || known.arn !== input.Arn) return input;
  const { headers, query } = known.http;
  const of = { HeaderParameters: headers, QueryStringParameters: query };
  const retained = eachValue(http, (value, name, member) =>
    value === mask && Object.hasOwn(of[member], name) ? (of[member][name] as string) : value,
  );
  return { ...input, HttpParameters: retained };
}

/** The target as it is delivered now, even if an older server ignored some members. `fault` names a member that is not applied. */
export function deliverableTarget(stored: RuleTarget, canDeliver: (arn: string) => boolean): { target: RuleTarget; fault: string | null } {
  const all = Object.entries(membersOf(stored));
  const members = Object.fromEntries(all.filter(([name]) => retainedMembers.includes(name)));
  const target = ruleTargetOf(members);
  const wrong = targetError(members, target, { canDeliver, checkUrl: webhookUrl });
  if (wrong !== null) return { target: { ...stored, echo: appliedMembers(stored) }, fault: wrong };
  return { target, fault: unsupportedMember(Object.fromEntries(all)) };
}

/** If the faulty member cannot be determined, the previously applied members remain, and no others are shown. */
function appliedMembers({ echo = {}, transformer, http, retry }: RuleTarget): RuleTarget['echo'] {
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

function eachValue(http: HttpParametersInput, change: (value: string, name: string, member: Valued) => string): HttpParametersInput {
  const changed = (['HeaderParameters', 'QueryStringParameters'] as const).flatMap((member) => {
    const values = http[member];
    if (values === undefined) return [];
    return [[member, Object.fromEntries(Object.entries(values).map(([name, value]) => [name, change(value, name, member)]))]];
  });
  return { ...http, ...(Object.fromEntries(changed) as Pick<HttpParametersInput, Valued>) };
}

function isPath(value: string): boolean {
  return value.startsWith('$');
}

/** Which targets are allowed. */
export interface TargetRules {
  /** Whether events can be delivered to this ARN. */
  readonly canDeliver: (arn: string) => boolean;
  /** Throws `invalid_request` for a URL that webhooks must not call. */
  readonly checkUrl: (url: string) => void;
}

/** Null if the target can be delivered exactly as written. */
export function targetError(members: AwsInput, target: RuleTarget, { canDeliver, checkUrl }: TargetRules): string | null {
  const unsupported = unsupportedMember(members);
  if (unsupported !== null) return unsupported;
  const { id, input, inputPath, transformer, http, arn } = target;
  const hidden = [...Object.entries(http?.headers ?? {}), ...Object.entries(http?.query ?? {})].find(([, value]) => value === mask);
  if (hidden !== undefined)
    return `${hidden[0]} is the redacted value '${mask}', but target ${id} at ${arn} has no stored value for it. Send the real value.`;
  if ([input, inputPath, transformer].filter((each) => each !== null && each !== undefined).length > 1)
    return `Only one of Input, InputPath, or InputTransformer must be provided for target ${id}.`;
  if (input !== null && !isJson(input)) return 'Input is not valid JSON.';
  if (inputPath !== null && compilePath(inputPath) === null) return `Invalid InputPath: expected a path such as $.detail, got ${inputPath}`;
  const isUrl = !canDeliver(arn);
  if (isUrl && arn.startsWith('arn:'))
    return `Cannot deliver to ${arn}: expected the ARN of a log group or a pipeline of this account, or a URL.`;
  if (target.parameters !== undefined && !/:pipeline\//.test(arn))
    return 'SageMakerPipelineParameters are only allowed for targets that are pipelines.';
  if (http !== undefined && !isUrl) return 'HttpParameters are only allowed for targets that are URLs.';
  if (((members.HttpParameters as HttpParametersInput | undefined)?.PathParameterValues ?? []).length > 0)
    return 'PathParameterValues are not supported: write them into the URL.';
  try {
    if (isUrl) checkUrl(arn);
    if (transformer !== undefined) checkTransformer(transformer);
    if (http !== undefined) checkHttpParameters(http);
    return null;
  } catch (error) {
    return (error as Error).message;
  }
}

function unsupportedMember(input: AwsInput): string | null {
  const unsupported = Object.keys(input).find((name) => input[name] !== undefined && !retainedMembers.includes(name));
  if (unsupported === 'DeadLetterConfig')
    return 'DeadLetterConfig is not supported, because there are no queues. Failed deliveries are logged by the server.';
  return unsupported === undefined
    ? null
    : `${unsupported} is not supported: targets are URLs, log groups or pipelines with the members ${retainedMembers.join(', ')}.`;
}

function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}
