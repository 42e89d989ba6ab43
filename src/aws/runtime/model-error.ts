/** Maps failures of a model or its worker to AWS's `ModelError`. */
import { PlatformError } from '../../errors.ts';
import { ModelError } from '../../serving/index.ts';
import { AwsError, type AwsLocation } from '../service.ts';
import { MediaTypeError } from './media-type.ts';

/** Limit of `Message` and `OriginalMessage` in AWS's shape. */
const messageCharactersMax = 2048;
const quotedCharactersMax = 1500;

const timedOut =
  'Your invocation timed out while waiting for a response from container primary. ' +
  'Review the latency metrics for each container in Amazon CloudWatch, resolve the issue, and try again.';

/** A failure of the model becomes a `ModelError` with the status that a container returned or would return. Other errors pass unchanged. */
export function awsErrorOf(awsLocation: AwsLocation, endpoint: string, error: PlatformError): PlatformError | AwsError {
  if (error instanceof ModelError) return modelError(awsLocation, endpoint, error.reply.status, error.reply.body.toString());
  const { code, message, hint } = error;
  const full = hint === undefined ? message : `${message}; ${hint}`;
  switch (code) {
    case 'invalid_request':
    case 'unsupported':
      return modelError(awsLocation, endpoint, error instanceof MediaTypeError ? error.status : (error.callerStatus ?? 400), full);
    case 'model_failed':
      return modelError(awsLocation, endpoint, 500, full);
    case 'deadline_exceeded':
      return modelError(awsLocation, endpoint, 0, timedOut);
    default:
      return error;
  }
}

/** `status` is the container's; 0 if it did not respond in time. */
export function modelError(awsLocation: AwsLocation, endpoint: string, status: number, message: string): AwsError {
  const group = `/aws/sagemaker/Endpoints/${endpoint}`;
  const side = status >= 400 && status < 500 ? 'client' : 'server';
  const quoted = message.length > quotedCharactersMax ? `${message.slice(0, quotedCharactersMax)}…` : message;
  const text = `Received ${side} error (${status}) from primary with message "${quoted}". See ${group} in account ${awsLocation.account} for more information.`;
  return new AwsError('ModelError', text.slice(0, messageCharactersMax), {
    httpStatus: 424,
    members: {
      OriginalStatusCode: status,
      OriginalMessage: message.slice(0, messageCharactersMax),
      LogStreamArn: `arn:aws:logs:${awsLocation.region}:${awsLocation.account}:log-group:${group}`,
    },
  });
}

/** The endpoint does not exist. A separate type, because such a request appears in no endpoint's log or metrics. */
export class EndpointNotFound extends AwsError {
  constructor(account: string, endpoint: string) {
    super('ValidationError', `Endpoint ${endpoint} of account ${account} not found.`);
  }
}
