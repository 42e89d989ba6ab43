/** Describes rejected calls for the audit. Pure. */
import { asPlatformError, type ErrorCode, messageOf } from '../../errors.ts';
import { hasSubresource } from '../s3/routing.ts';
import { AwsError, type AwsInput, type AwsServiceName } from '../service.ts';
import type { AwsRoute } from './route.ts';
import { readSignature, type SignedRequest } from './signatures/signature.ts';
import { SignatureError } from './signatures/signature-error.ts';

/** The audit entry of a call that was rejected. */
export interface RejectedAwsCall {
  /** `CreateEndpoint` */
  readonly action: string;
  /** The resource as the caller named it; empty if the call names none. */
  readonly target: string;
  readonly outcome: ErrorCode;
  /** `code` is AWS's error code, if the error has one. */
  readonly detail: {
    readonly service: AwsServiceName;
    readonly message: string;
    readonly code?: string;
    /** The key id that an unauthenticated caller claimed. */
    readonly claimed?: string;
  };
}

const messageLengthMax = 1024;
const targetLengthMax = 512;

/** Members that name the target of a call, the most specific first. */
const targetMembers = [
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
  'RoleArn',
] as const;

/** `input` may be unchecked. */
export function rejectedCallOf(service: AwsServiceName, action: string, input: AwsInput, error: unknown): RejectedAwsCall {
  const detail = {
    service,
    message: messageOf(error).slice(0, messageLengthMax),
    ...(error instanceof AwsError ? { code: error.code } : {}),
  };
  return { action, target: auditTargetOf(input), outcome: outcomeOf(error), detail };
}

/** Describes a request with a missing or invalid signature: nothing in it is verified. */
export function unsignedCallOf(
  { service, form }: Pick<AwsRoute, 'service' | 'form'>,
  signed: SignedRequest,
  path: string,
  error: SignatureError,
): RejectedAwsCall {
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

/** Ignores the body, which is unauthenticated. */
function operationNamed(service: AwsServiceName, { method, headers, query }: SignedRequest, path: string): string {
  const target = headers['x-amz-target'];
  if (typeof target === 'string') return nameIn(target.slice(target.lastIndexOf('.') + 1));
  if (service === 'sagemaker-runtime') return path.endsWith('/async-invocations') ? 'InvokeEndpointAsync' : 'InvokeEndpoint';
  if (service === 's3')
    return bucketOperation(method, path, new URLSearchParams(query)) ?? `${nameIn(method.charAt(0) + method.slice(1).toLowerCase())}Object`;
  return nameIn(/(?:^|&)Action=(\w+)/.exec(query)?.[1] ?? '');
}

/** The audit covers only the creation and deletion of S3 buckets. Null for any other operation. */
export function bucketOperation(method: string, path: string, query: URLSearchParams): 'CreateBucket' | 'DeleteBucket' | null {
  if (!/^\/[^/]+\/?$/.test(path) || hasSubresource(query)) return null;
  return method === 'PUT' ? 'CreateBucket' : method === 'DELETE' ? 'DeleteBucket' : null;
}

function nameIn(text: string): string {
  return /^[A-Za-z]{1,64}$/.test(text) ? text : 'UnknownOperation';
}

/** The target of a call as the caller named it, by `member` or the most specific one; empty if the call names none. */
export function auditTargetOf(input: AwsInput, member?: string): string {
  for (const each of member === undefined ? targetMembers : [member]) {
    const text = nameOf(input[each]);
    if (text !== '') return text.slice(0, targetLengthMax);
  }
  return '';
}

/** Reduces SageMaker ARNs and scalable variants to the plain name that the rest of the audit uses. */
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

/** The platform's error code for any error, including AWS's own. */
function outcomeOf(error: unknown): ErrorCode {
  if (!(error instanceof AwsError)) return asPlatformError(error).code;
  const { code, httpStatus, message } = error;
  if (/NotFound/.test(code) || message.startsWith('Could not find ')) return 'not_found';
  if (/AlreadyExists/.test(code) || message.startsWith('Cannot create already existing ')) return 'already_exists';
  if (/Conflict|InUse/.test(code)) return 'wrong_state';
  if (/UnknownOperation|NotImplemented/.test(code)) return 'unsupported';
  return byStatus[httpStatus] ?? (httpStatus >= 500 ? 'internal' : 'invalid_request');
}
