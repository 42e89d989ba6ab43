/** InvokeEndpointAsync: validates the request and submits it to the asynchronous queue. */
import { randomUUID } from 'node:crypto';
import type { IncomingHttpHeaders } from 'node:http';
import {
  type AsyncRequest,
  type AsyncSubmission,
  asyncTimeoutMsDefault,
  formatObjectUri,
  inlineBytesMax,
  type NotificationTopics,
  type ObjectUri,
  ttlMsDefault,
} from '../../async-inference/index.ts';
import type { AsyncInferenceConfig } from '../sagemaker/endpoints/async-config.ts';
import { AwsError } from '../service.ts';
import { checkInput } from '../shapes/check-input.ts';
import { shapesOf } from '../shapes/shapes.ts';

/** The asynchronous queue, as this module needs it. */
export interface AsyncHandler {
  /** null if the endpoint is real-time or does not exist. */
  readonly configOf: (endpoint: string) => Promise<AsyncInferenceConfig | null>;
  readonly submit: (order: AsyncSubmission, body: Uint8Array | null) => Promise<AsyncRequest>;
  /** The bucket for responses of endpoints without an `S3OutputPath`. */
  readonly ownBucket: () => Promise<string>;
}

interface AsyncMembers {
  readonly EndpointName: string;
  readonly ContentType?: string;
  readonly Accept?: string;
  readonly CustomAttributes?: string;
  readonly InferenceId?: string;
  readonly InputLocation?: string;
  readonly S3OutputPathExtension?: string;
  readonly Filename?: string;
  readonly RequestTTLSeconds?: number;
  readonly InvocationTimeoutSeconds?: number;
}

/** Headers after `x-amzn-sagemaker-`, and their members. */
const texts = [
  ['content-type', 'ContentType'],
  ['accept', 'Accept'],
  ['custom-attributes', 'CustomAttributes'],
  ['inference-id', 'InferenceId'],
  ['inputlocation', 'InputLocation'],
  ['s3outputpathextension', 'S3OutputPathExtension'],
  ['filename', 'Filename'],
] as const;
const numbers = [
  ['requestttlseconds', 'RequestTTLSeconds'],
  ['invocationtimeoutseconds', 'InvocationTimeoutSeconds'],
] as const;

/** Throws `invalid_request` with AWS's own message. */
export function asyncMembersOf(input: IncomingHttpHeaders, endpoint: string): AsyncMembers {
  const members: Record<string, unknown> = { EndpointName: endpoint };
  const valueOf = (name: string) => input[`x-amzn-sagemaker-${name}`];
  for (const [name, member] of texts) if (valueOf(name) !== undefined) members[member] = valueOf(name);
  for (const [name, member] of numbers) {
    const value = valueOf(name);
    if (value === undefined) continue;
    if (!/^-?\d{1,9}$/.test(String(value)))
      throw validationError(`${member} must be a whole number of seconds, got ${String(value).slice(0, 40)}`);
    members[member] = Number(value);
  }
  return checkInput(shapesOf('sagemaker-runtime').operation('InvokeEndpointAsync')?.input ?? null, members) as unknown as AsyncMembers;
}

/** `input` of the result is null if the body came with the request instead of an `InputLocation`. Throws `ValidationError`. */
export async function asyncSubmissionOf(
  members: AsyncMembers,
  config: AsyncInferenceConfig,
  { endpoint, hasBody, ownBucket }: { readonly endpoint: string; readonly hasBody: boolean; readonly ownBucket: AsyncHandler['ownBucket'] },
): Promise<AsyncSubmission> {
  const { InputLocation: location } = members;
  if (location !== undefined && hasBody) throw validationError('Both Body and InputLocation are provided. Provide one of them.');
  if (location === undefined && !hasBody) throw validationError('Neither Body nor InputLocation is provided. Provide one of them.');
  const id = randomUUID();
  const { S3OutputPath, S3FailurePath, NotificationConfig } = config.OutputConfig;
  const outputs = S3OutputPath === undefined ? { bucket: await ownBucket(), key: endpoint } : parseS3Uri('S3OutputPath', S3OutputPath);
  const failures = S3FailurePath === undefined ? null : parseS3Uri('S3FailurePath', S3FailurePath);
  const { S3OutputPathExtension: extension, Filename: filename = `${id}.out` } = members;
  return {
    id,
    inferenceId: members.InferenceId ?? id,
    endpoint,
    input: location === undefined ? null : inputOf(location),
    contentType: members.ContentType ?? null,
    accept: members.Accept ?? null,
    customAttributes: members.CustomAttributes ?? null,
    output: below(outputs, [extension ?? '', filename]),
    failure: failures === null ? null : below(failures, [`${id}-error.out`]),
    timeoutMs: members.InvocationTimeoutSeconds === undefined ? asyncTimeoutMsDefault : members.InvocationTimeoutSeconds * 1000,
    ttlMs: members.RequestTTLSeconds === undefined ? ttlMsDefault : members.RequestTTLSeconds * 1000,
    notified: NotificationConfig === undefined ? null : notifiedOf(NotificationConfig),
  };
}

/** Header names and values, alternating. */
export function asyncHeaders({ output, failure }: AsyncRequest): string[] {
  const failures = failure === null ? [] : ['X-Amzn-SageMaker-FailureLocation', formatObjectUri(failure)];
  return ['X-Amzn-SageMaker-OutputLocation', formatObjectUri(output), ...failures];
}

export const asyncBodyBytesMax = inlineBytesMax;

function notifiedOf(config: NonNullable<AsyncInferenceConfig['OutputConfig']['NotificationConfig']>): NotificationTopics {
  const { SuccessTopic = null, ErrorTopic = null, IncludeInferenceResponseIn: included = [] } = config;
  const withAnswer = { success: included.includes('SUCCESS_NOTIFICATION_TOPIC'), error: included.includes('ERROR_NOTIFICATION_TOPIC') };
  return { success: SuccessTopic, error: ErrorTopic, withAnswer };
}

function inputOf(location: string): ObjectUri {
  const objectUri = parseS3Uri('InputLocation', location);
  if (objectUri.key === '') throw validationError(`InputLocation must name an object, got ${location.slice(0, 200)}`);
  return objectUri;
}

function parseS3Uri(member: string, uri: string): ObjectUri {
  const [, bucket, key = ''] = /^s3:\/\/([^/]+)(?:\/(.*))?$/s.exec(uri) ?? [];
  if (bucket === undefined)
    throw validationError(`${member} must be in the S3 of this server: expected s3://BUCKET/KEY, got ${uri.slice(0, 200)}`);
  return { bucket, key };
}

/** Appends path segments to a key without duplicate slashes. */
function below({ bucket, key }: ObjectUri, names: readonly string[]): ObjectUri {
  const folders = [key, ...names].map((part) => part.replace(/\/+$/, '')).filter((part) => part !== '');
  return { bucket, key: folders.join('/') };
}

function validationError(message: string): AwsError {
  return new AwsError('ValidationError', message);
}
