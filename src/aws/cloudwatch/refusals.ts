/** How CloudWatch refuses, by the names of its query protocol; JSON 1.0 has the names of shapes. */
import { AwsError } from '../service.ts';

export function wrongValue(message: string): AwsError {
  return new AwsError('InvalidParameterValue', message);
}

export function wrongCombination(message: string): AwsError {
  return new AwsError('InvalidParameterCombination', message);
}

export function missing(message: string): AwsError {
  return new AwsError('MissingParameter', message);
}
