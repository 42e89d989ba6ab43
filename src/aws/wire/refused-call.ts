/** A refused call as the audit tells of it. Pure. */
import { asPlatformError, type ErrorCode, messageOf } from '../../errors.ts';
import { AwsError, type AwsInput } from '../service.ts';

export interface RefusedCall {
  /** `CreateEndpoint` */
  readonly action: string;
  /** What it was to be done to, as the caller named it; empty where it named nothing. */
  readonly target: string;
  readonly outcome: ErrorCode;
  /** `code` is AWS's, where the refusal had one. */
  readonly detail: { readonly message: string; readonly code?: string };
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
export function refusedCall(action: string, input: AwsInput, error: unknown): RefusedCall {
  const detail = { message: messageOf(error).slice(0, messageLengthMax), ...(error instanceof AwsError ? { code: error.code } : {}) };
  return { action, target: targetOf(input), outcome: outcomeOf(error), detail };
}

function targetOf(input: AwsInput): string {
  for (const member of naming) {
    const text = nameOf(input[member]);
    if (text !== '') return text.slice(0, targetLengthMax);
  }
  return '';
}

/** A package in a group goes by the registry's name for it, as where its call was not refused. */
function nameOf(value: unknown): string {
  if (Array.isArray(value)) return value.filter((each) => typeof each === 'string').join(' ');
  if (typeof value !== 'string') return '';
  return /:model-package\/([^/]+\/\d+)$/.exec(value)?.[1] ?? value;
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
