/** What the model, or the worker that runs it, answers to an invocation that it does not serve, as AWS hands it on. */
import type { PlatformError } from '../../errors.ts';
import { ModelError } from '../../serving/index.ts';
import { AwsError, type AwsPlace } from '../service.ts';
import { TypeRefusal } from './type-refusal.ts';

/** Of `Message` and `OriginalMessage`, in the shape. */
const messageCharactersMax = 2048;
const quotedCharactersMax = 1500;

const timedOut =
  'Your invocation timed out while waiting for a response from container primary. ' +
  'Review the latency metrics for each container in Amazon CloudWatch, resolve the issue, and try again.';

/** A failure of a model as its container told it, or would have; all others as they are. */
export function refusalOf(place: AwsPlace, endpoint: string, error: PlatformError): PlatformError | AwsError {
  if (error instanceof ModelError) return modelError(place, endpoint, error.reply.status, error.reply.body.toString());
  const { code, message, hint } = error;
  const full = hint === undefined ? message : `${message}; ${hint}`;
  switch (code) {
    case 'invalid_request':
    case 'unsupported':
      return modelError(place, endpoint, error instanceof TypeRefusal ? error.status : 400, full);
    case 'model_failed':
      return modelError(place, endpoint, 500, full);
    case 'deadline_exceeded':
      return modelError(place, endpoint, 0, timedOut);
    default:
      return error;
  }
}

/** `status` is what the container answered; 0 where it did not in time. */
function modelError(place: AwsPlace, endpoint: string, status: number, message: string): AwsError {
  const group = `/aws/sagemaker/Endpoints/${endpoint}`;
  const side = status >= 400 && status < 500 ? 'client' : 'server';
  const quoted = message.length > quotedCharactersMax ? `${message.slice(0, quotedCharactersMax)}…` : message;
  const text = `Received ${side} error (${status}) from primary with message "${quoted}". See ${group} in account ${place.account} for more information.`;
  return new AwsError('ModelError', text.slice(0, messageCharactersMax), {
    httpStatus: 424,
    members: {
      OriginalStatusCode: status,
      OriginalMessage: message.slice(0, messageCharactersMax),
      LogStreamArn: `arn:aws:logs:${place.region}:${place.account}:log-group:${group}`,
    },
  });
}
