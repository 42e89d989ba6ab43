import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { PlatformError } from '../../errors.ts';
import { AwsError } from '../service.ts';
import { rejectedCallOf } from './rejected-call.ts';

const error = new PlatformError('forbidden', 'no');

describe('describes a rejected call', () => {
  for (const [input, target] of [
    [{ EndpointConfigName: 'c', EndpointName: 'e' }, 'e'],
    [{ EndpointConfigName: 'c', ProductionVariants: [] }, 'c'],
    [{ ModelPackageGroupName: 'g' }, 'g'],
    [{ ModelPackageArn: 'arn:aws:sagemaker:us-east-1:000000000000:model-package/g/2' }, 'g/2'],
    [{ ModelName: 'm', TransformJobName: 'j' }, 'j'],
    [{ ResourceArn: 'arn:aws:sagemaker:us-east-1:000000000000:endpoint/e', Tags: [] }, 'e'],
    [{ ResourceArn: 'arn:aws:sagemaker:us-east-1:000000000000:model-package/g' }, 'g'],
    [
      { ResourceARN: 'arn:aws:application-autoscaling:us-east-1:0:scalable-target/1' },
      'arn:aws:application-autoscaling:us-east-1:0:scalable-target/1',
    ],
    [{ ResourceId: 'endpoint/e/variant/v' }, 'e'],
    [{ AlarmNames: ['a', 'b', 3] }, 'a b'],
    [{ Rule: 'r', Targets: [] }, 'r'],
    [{ EndpointName: { not: 'a name' } }, ''],
    [{}, ''],
    [{ EndpointName: 'x'.repeat(5000) }, 'x'.repeat(512)],
  ] as const) {
    test(`with its target: ${JSON.stringify(input).slice(0, 80)}`, () => {
      assert.equal(rejectedCallOf('sagemaker', 'Do', input, error).target, target);
    });
  }

  for (const [thrown, outcome, code] of [
    [error, 'forbidden', undefined],
    [new TypeError('ours'), 'internal', undefined],
    [new AwsError('ValidationException', 'Value 1 at … failed'), 'invalid_request', 'ValidationException'],
    [new AwsError('ValidationException', 'Could not find model "m".'), 'not_found', 'ValidationException'],
    [new AwsError('ValidationException', 'Cannot create already existing endpoint "e".'), 'already_exists', 'ValidationException'],
    [new AwsError('ResourceNotFoundException', 'none'), 'not_found', 'ResourceNotFoundException'],
    [new AwsError('ConflictException', 'in use'), 'wrong_state', 'ConflictException'],
    [new AwsError('AccessDenied', 'no', { httpStatus: 403 }), 'forbidden', 'AccessDenied'],
    [new AwsError('ServiceUnavailable', 'no', { httpStatus: 503 }), 'unavailable', 'ServiceUnavailable'],
  ] as const) {
    test(`with the platform's error code: ${thrown.message} is ${outcome}`, () => {
      const reported = rejectedCallOf('sagemaker', 'Do', {}, thrown);
      assert.deepEqual(
        [reported.action, reported.outcome, reported.detail.message, reported.detail.code],
        ['Do', outcome, thrown.message, code],
      );
    });
  }
});
