/** Maps failures to load a model of a multi-model endpoint to AWS's errors. */
import { asPlatformError, PlatformError } from '../../errors.ts';
import { NoTargetModel, TargetModelRejected } from '../multi-model/target-models.ts';
import { AwsError, type AwsLocation } from '../service.ts';
import { modelError } from './model-error.ts';

/** A missing object is a `ValidationError`, an object that is not served a `ModelError`, a load that takes too long `ModelNotReadyException`. */
export function targetModelError(awsLocation: AwsLocation, endpoint: string, thrown: unknown): Error {
  if (thrown instanceof NoTargetModel) return new AwsError('ValidationError', thrown.message);
  if (thrown instanceof TargetModelRejected) return modelError(awsLocation, endpoint, thrown.status, thrown.message);
  const error = asPlatformError(thrown);
  if (error.code !== 'unavailable') return error;
  return new AwsError('ModelNotReadyException', `The model is not ready: ${error.message}. Try again.`, { httpStatus: 429 });
}

/** The failure as it is counted and logged. */
export function targetFailure(thrown: unknown): PlatformError {
  if (thrown instanceof NoTargetModel) return new PlatformError('not_found', thrown.message);
  if (thrown instanceof TargetModelRejected)
    return new PlatformError(thrown.status === 403 ? 'forbidden' : 'invalid_request', thrown.message);
  return asPlatformError(thrown);
}
