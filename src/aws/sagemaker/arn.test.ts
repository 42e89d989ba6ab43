import assert from 'node:assert/strict';
import { test } from 'node:test';
import { AwsError } from '../service.ts';
import { arnOf, readReference, resourceOf } from './arn.ts';

const awsLocation = { account: '000000000000', region: 'us-east-1' };

for (const { type, name, version, arn } of [
  { type: 'model', name: 'Iris', version: null, arn: 'arn:aws:sagemaker:us-east-1:000000000000:model/iris' },
  { type: 'model-package-group', name: 'g', version: null, arn: 'arn:aws:sagemaker:us-east-1:000000000000:model-package-group/g' },
  { type: 'model-package', name: 'Digits', version: 3, arn: 'arn:aws:sagemaker:us-east-1:000000000000:model-package/digits/3' },
  { type: 'endpoint-config', name: 'a-b', version: null, arn: 'arn:aws:sagemaker:us-east-1:000000000000:endpoint-config/a-b' },
] as const) {
  test(`formats and parses ${arn}`, () => {
    assert.equal(arnOf(awsLocation, type, name, version), arn);
    assert.deepEqual(resourceOf(awsLocation, arn), { type, name: name.toLowerCase(), version });
    assert.deepEqual(readReference(awsLocation, type, arn), { type, name: name.toLowerCase(), version });
  });
}

test('reads a name, a name with a version and an ARN', () => {
  assert.deepEqual(readReference(awsLocation, 'model-package', 'Digits/3'), { type: 'model-package', name: 'Digits', version: 3 });
  assert.deepEqual(readReference(awsLocation, 'model-package', 'Digits'), { type: 'model-package', name: 'Digits', version: null });
});

for (const text of [
  'arn:aws:sagemaker:us-east-1:000000000000:model/iris',
  'arn:aws:sagemaker:eu-west-1:000000000000:model-package-group/iris',
  'arn:aws:sagemaker:us-east-1:111111111111:model-package-group/iris',
  'arn:aws:sagemaker:us-east-1:000000000000:model-package-group/iris/3',
  'iris/3',
  'a b',
  '',
]) {
  test(`rejects '${text}' as a model package group`, () => {
    assert.throws(
      () => readReference(awsLocation, 'model-package-group', text),
      (error) => error instanceof AwsError && error.code === 'ValidationException',
    );
  });
}
