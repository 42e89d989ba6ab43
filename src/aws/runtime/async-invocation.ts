/** InvokeEndpointAsync: checks what is asked, and hands it to those who will work on it. */
import { randomUUID } from 'node:crypto';
import type { IncomingHttpHeaders } from 'node:http';
import {
  type AsyncOrder,
  type AsyncRequest,
  inlineBytesMax,
  type Notified,
  type ObjectPlace,
  timeoutMsDefault,
  ttlMsDefault,
  uriOf,
} from '../../async-inference/index.ts';
import type { AsyncInferenceConfig } from '../sagemaker/async-config.ts';
import { AwsError } from '../service.ts';
import { checkInput } from '../shapes/check-input.ts';
import { shapesOf } from '../shapes/shapes.ts';

/** Who works on requests later. */
export interface AsyncDoor {
  /** null where the endpoint works in real time, or is not there. */
  readonly configOf: (endpoint: string) => Promise<AsyncInferenceConfig | null>;
  readonly submit: (order: AsyncOrder, body: Uint8Array | null) => Promise<AsyncRequest>;
  /** Where answers go that nobody said a place for. */
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

/** Throws `invalid_request` in AWS's words. */
export function asyncMembersOf(given: IncomingHttpHeaders, endpoint: string): AsyncMembers {
  const members: Record<string, unknown> = { EndpointName: endpoint };
  const valueOf = (name: string) => given[`x-amzn-sagemaker-${name}`];
  for (const [name, member] of texts) if (valueOf(name) !== undefined) members[member] = valueOf(name);
  for (const [name, member] of numbers) {
    const value = valueOf(name);
    if (value === undefined) continue;
    if (!/^-?\d{1,9}$/.test(String(value))) throw refused(`${member} is a whole number of seconds, got ${String(value).slice(0, 40)}`);
    members[member] = Number(value);
  }
  return checkInput(shapesOf('sagemaker-runtime').operation('InvokeEndpointAsync')?.input ?? null, members) as unknown as AsyncMembers;
}

/** What is to be done; the body goes with it where no place of one is named. */
export async function asyncOrder(
  members: AsyncMembers,
  config: AsyncInferenceConfig,
  { endpoint, hasBody, ownBucket }: { readonly endpoint: string; readonly hasBody: boolean; readonly ownBucket: AsyncDoor['ownBucket'] },
): Promise<AsyncOrder> {
  const { InputLocation: location } = members;
  if (location !== undefined && hasBody) throw refused('Body and InputLocation must not be given together.');
  if (location === undefined && !hasBody) throw refused('Either Body or InputLocation must be given.');
  const id = randomUUID();
  const { S3OutputPath, S3FailurePath, NotificationConfig } = config.OutputConfig;
  const outputs = S3OutputPath === undefined ? { bucket: await ownBucket(), key: endpoint } : placeOf('S3OutputPath', S3OutputPath);
  const failures = S3FailurePath === undefined ? null : placeOf('S3FailurePath', S3FailurePath);
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
    timeoutMs: members.InvocationTimeoutSeconds === undefined ? timeoutMsDefault : members.InvocationTimeoutSeconds * 1000,
    ttlMs: members.RequestTTLSeconds === undefined ? ttlMsDefault : members.RequestTTLSeconds * 1000,
    notified: NotificationConfig === undefined ? null : notifiedOf(NotificationConfig),
  };
}

/** Header names and values, one after the other. */
export function asyncHeaders({ output, failure }: AsyncRequest): string[] {
  const failures = failure === null ? [] : ['X-Amzn-SageMaker-FailureLocation', uriOf(failure)];
  return ['X-Amzn-SageMaker-OutputLocation', uriOf(output), ...failures];
}

export const asyncBodyBytesMax = inlineBytesMax;

function notifiedOf(config: NonNullable<AsyncInferenceConfig['OutputConfig']['NotificationConfig']>): Notified {
  const { SuccessTopic = null, ErrorTopic = null, IncludeInferenceResponseIn: included = [] } = config;
  const withAnswer = { success: included.includes('SUCCESS_NOTIFICATION_TOPIC'), error: included.includes('ERROR_NOTIFICATION_TOPIC') };
  return { success: SuccessTopic, error: ErrorTopic, withAnswer };
}

function inputOf(location: string): ObjectPlace {
  const place = placeOf('InputLocation', location);
  if (place.key === '') throw refused(`InputLocation must name an object, got ${location.slice(0, 200)}`);
  return place;
}

function placeOf(member: string, uri: string): ObjectPlace {
  const [, bucket, key = ''] = /^s3:\/\/([^/]+)(?:\/(.*))?$/s.exec(uri) ?? [];
  if (bucket === undefined) throw refused(`${member} must be in the S3 of this server: expected s3://BUCKET/KEY, got ${uri.slice(0, 200)}`);
  return { bucket, key };
}

function below({ bucket, key }: ObjectPlace, names: readonly string[]): ObjectPlace {
  const folders = [key, ...names].map((part) => part.replace(/\/+$/, '')).filter((part) => part !== '');
  return { bucket, key: folders.join('/') };
}

function refused(message: string): AwsError {
  return new AwsError('ValidationError', message);
}
