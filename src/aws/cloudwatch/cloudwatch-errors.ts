/** Errors of CloudWatch, with the codes of its query protocol. JSON 1.0 uses the names of shapes instead. */
import { AwsError } from '../service.ts';

export function invalidValue(message: string): AwsError {
  return new AwsError('InvalidParameterValue', message);
}

export function invalidCombination(message: string): AwsError {
  return new AwsError('InvalidParameterCombination', message);
}

export function missingParameter(message: string): AwsError {
  return new AwsError('MissingParameter', message);
}
