/** A refused call as the audit tells of it. Pure. */
import { asPlatformError, type ErrorCode, messageOf } from '../../errors.ts';
import { AwsError, type AwsInput, type AwsServiceName } from '../service.ts';
import type { Route } from './route.ts';
import { readSignature, type SignedRequest } from './signature.ts';
import { SignatureRefusal } from './signature-refusal.ts';

export interface RefusedCall {
  /** `CreateEndpoint` */
  readonly action: string;
  /** What it was to be done to, as the caller named it; empty where it named nothing. */
  readonly target: string;
  readonly outcome: ErrorCode;
  /** `code` is AWS's, where the refusal had one. */
  readonly detail: {
    readonly service: AwsServiceName;
    readonly message: string;
    readonly code?: string;
    /** The key that whoever could not show its secret named. */
    readonly claimed?: string;
  };
}

const messageLengthMax = 1024;
const targetLengthMax = 512;

/** The members that name what a call is about, the narrower before the wider. */
const naming = [
  'EndpointName',
  'EndpointConfigName',
  'ModelPackageArn',
  'ModelPackageName',
  'ModelPackageGroupName',
  'TransformJobName',
  'ModelName',
  'ResourceArn',
  'ResourceARN',
  'ResourceId',
  'AlarmName',
  'AlarmNames',
  'DashboardName',
  'DashboardNames',
  'RuleName',
  'Rule',
  'logStreamName',
  'logGroupName',
  'resourceArn',
  'Name',
  'Namespace',
] as const;

/** `input` is as it came, checked or not. */
export function refusedCall(service: AwsServiceName, action: string, input: AwsInput, error: unknown): RefusedCall {
  const detail = {
    service,
    message: messageOf(error).slice(0, messageLengthMax),
    ...(error instanceof AwsError ? { code: error.code } : {}),
  };
  return { action, target: targetOf(input), outcome: outcomeOf(error), detail };
}

/** One of whom nothing is known but what he says: his signature is missing or wrong. */
export function unsignedCall(
  { service, form }: Pick<Route, 'service' | 'form'>,
  signed: SignedRequest,
  path: string,
  error: SignatureRefusal,
): RefusedCall {
  const called = service ?? (form === 'query' ? 'sts' : 'sagemaker');
  const isS3 = called === 's3';
  const detail = { service: called, message: error.message.slice(0, messageLengthMax), code: error.reason, ...claimed(signed) };
  const target = isS3 || called === 'sagemaker-runtime' ? path.slice(1, targetLengthMax) : '';
  return { action: operationNamed(called, signed, path), target, outcome: 'unauthenticated', detail };
}

function claimed(signed: SignedRequest): { readonly claimed?: string } {
  try {
    return { claimed: readSignature(signed).keyId.slice(0, 64) };
  } catch {
    return {};
  }
}

/** Without a look at the body, which anybody may have written. */
function operationNamed(service: AwsServiceName, { method, headers, query }: SignedRequest, path: string): string {
  const target = headers['x-amz-target'];
  if (typeof target === 'string') return nameIn(target.slice(target.lastIndexOf('.') + 1));
  if (service === 'sagemaker-runtime') return path.endsWith('/async-invocations') ? 'InvokeEndpointAsync' : 'InvokeEndpoint';
  if (service === 's3') return bucketOperation(method, path) ?? `${nameIn(method.charAt(0) + method.slice(1).toLowerCase())}Object`;
  return nameIn(/(?:^|&)Action=(\w+)/.exec(query)?.[1] ?? '');
}

/** Making and deleting buckets is what the audit has of S3; null of anything else. */
export function bucketOperation(method: string, path: string): 'CreateBucket' | 'DeleteBucket' | null {
  if (!/^\/[^/]+\/?$/.test(path)) return null;
  return method === 'PUT' ? 'CreateBucket' : method === 'DELETE' ? 'DeleteBucket' : null;
}

function nameIn(text: string): string {
  return /^[A-Za-z]{1,64}$/.test(text) ? text : 'UnknownOperation';
}

/** What a call is about, as its caller named it; empty where it names nothing. */
export function targetOf(input: AwsInput): string {
  for (const member of naming) {
    const text = nameOf(input[member]);
    if (text !== '') return text.slice(0, targetLengthMax);
  }
  return '';
}

/** What SageMaker has goes by its name, as in the records of those who made it: of an ARN, and of a variant that scales, too. */
function nameOf(value: unknown): string {
  if (Array.isArray(value)) return value.filter((each) => typeof each === 'string').join(' ');
  if (typeof value !== 'string') return '';
  return /^arn:[^:]*:sagemaker:[^:]*:[^:]*:[\w-]+\/(.+)$/.exec(value)?.[1] ?? /^endpoint\/([^/]+)\/variant\//i.exec(value)?.[1] ?? value;
}

const byStatus: Readonly<Record<number, ErrorCode>> = {
  401: 'unauthenticated',
  403: 'forbidden',
  404: 'not_found',
  409: 'wrong_state',
  413: 'too_large',
  424: 'model_failed',
  429: 'overloaded',
  501: 'unsupported',
  503: 'unavailable',
};

/** In the platform's words, whatever AWS calls it. */
function outcomeOf(error: unknown): ErrorCode {
  if (!(error instanceof AwsError)) return asPlatformError(error).code;
  const { code, httpStatus, message } = error;
  if (/NotFound/.test(code) || message.startsWith('Could not find ')) return 'not_found';
  if (/AlreadyExists/.test(code) || message.startsWith('Cannot create already existing ')) return 'already_exists';
  if (/Conflict|InUse/.test(code)) return 'wrong_state';
  if (/UnknownOperation|NotImplemented/.test(code)) return 'unsupported';
  return byStatus[httpStatus] ?? (httpStatus >= 500 ? 'internal' : 'invalid_request');
}
