import assert from 'node:assert/strict';
import { test } from 'node:test';
import { AwsError } from '../service.ts';
import { placeOf } from './place.ts';
import { membersOf } from './request-members.ts';

test('a path names an operation and an endpoint, percent-encoded', () => {
  assert.deepEqual(placeOf('POST', '/endpoints/e/invocations'), { operation: 'InvokeEndpoint', endpoint: 'e' });
  assert.deepEqual(placeOf('POST', '/endpoints/e%20p%2F1/invocations-response-stream'), {
    operation: 'InvokeEndpointWithResponseStream',
    endpoint: 'e p/1',
  });
  assert.deepEqual(placeOf('POST', '/endpoints/%zz/async-invocations'), { operation: 'InvokeEndpointAsync', endpoint: '%zz' });
});

for (const [method, path] of [
  ['GET', '/endpoints/e/invocations'],
  ['POST', '/endpoints/e'],
  ['POST', '/endpoints//invocations'],
  ['POST', '/endpoints/e/invocations/more'],
  ['POST', '/endpoints/e/constructor'],
] as const) {
  test(`${method} ${path} is no operation, and those that are get named`, () => {
    assert.throws(
      () => placeOf(method, path),
      (error) =>
        error instanceof AwsError &&
        error.code === 'UnknownOperationException' &&
        /supported are InvokeEndpoint \(POST/.test(error.message),
    );
  });
}

test('headers are the members, held to their shapes; all violations are told at once', () => {
  const place = placeOf('POST', '/endpoints/e/invocations');
  const { Body: _body, ...members } = {
    Body: '',
    ...membersOf({ accept: 'text/csv', 'x-amzn-sagemaker-inference-id': 'i', cookie: 'a' }, place),
  };
  assert.deepEqual(members, { EndpointName: 'e', Accept: 'text/csv', InferenceId: 'i' });
  const given = {
    'x-amzn-sagemaker-custom-attributes': 'Ã©',
    'x-amzn-sagemaker-target-variant': '-',
    'x-amzn-sagemaker-inference-id': 'i'.repeat(65),
  };
  assert.throws(() => membersOf(given, place), {
    code: 'invalid_request',
    message:
      "3 validation errors detected: Value at 'customAttributes' failed to satisfy constraint: Member must satisfy regular expression pattern: \\p{ASCII}*; " +
      "Value '-' at 'targetVariant' failed to satisfy constraint: Member must satisfy regular expression pattern: ^[a-zA-Z0-9](-*[a-zA-Z0-9])*; " +
      `Value '${'i'.repeat(65)}' at 'inferenceId' failed to satisfy constraint: Member must have length less than or equal to 64`,
  });
});

test('a stream says what it accepts in a header of its own', () => {
  const place = placeOf('POST', '/endpoints/e/invocations-response-stream');
  assert.equal(membersOf({ accept: '*/*', 'x-amzn-sagemaker-accept': 'text/csv' }, place).Accept, 'text/csv');
});
