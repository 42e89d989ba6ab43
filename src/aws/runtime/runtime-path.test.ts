import assert from 'node:assert/strict';
import { test } from 'node:test';
import { AwsError } from '../service.ts';
import { invocationMembersOf } from './request-members.ts';
import { parseRuntimePath } from './runtime-path.ts';

test('parses operation and percent-encoded endpoint from the path', () => {
  assert.deepEqual(parseRuntimePath('POST', '/endpoints/e/invocations'), { operation: 'InvokeEndpoint', endpoint: 'e' });
  assert.deepEqual(parseRuntimePath('POST', '/endpoints/e%20p%2F1/invocations-response-stream'), {
    operation: 'InvokeEndpointWithResponseStream',
    endpoint: 'e p/1',
  });
  assert.deepEqual(parseRuntimePath('POST', '/endpoints/%zz/async-invocations'), { operation: 'InvokeEndpointAsync', endpoint: '%zz' });
});

for (const [method, path] of [
  ['GET', '/endpoints/e/invocations'],
  ['POST', '/endpoints/e'],
  ['POST', '/endpoints//invocations'],
  ['POST', '/endpoints/e/invocations/more'],
  ['POST', '/endpoints/e/constructor'],
] as const) {
  test(`rejects ${method} ${path} and lists the operations`, () => {
    assert.throws(
      () => parseRuntimePath(method, path),
      (error) =>
        error instanceof AwsError &&
        error.code === 'UnknownOperationException' &&
        /expected one of InvokeEndpoint \(POST/.test(error.message),
    );
  });
}

test('validates members from headers and reports all violations at once', () => {
  const runtimePath = parseRuntimePath('POST', '/endpoints/e/invocations');
  const { Body: _body, ...members } = {
    Body: '',
    ...invocationMembersOf({ accept: 'text/csv', 'x-amzn-sagemaker-inference-id': 'i', cookie: 'a' }, runtimePath),
  };
  assert.deepEqual(members, { EndpointName: 'e', Accept: 'text/csv', InferenceId: 'i' });
  const input = {
    'x-amzn-sagemaker-custom-attributes': 'Ã©',
    'x-amzn-sagemaker-target-variant': '-',
    'x-amzn-sagemaker-inference-id': 'i'.repeat(65),
  };
  assert.throws(() => invocationMembersOf(input, runtimePath), {
    code: 'invalid_request',
    message:
      "3 validation errors detected: Value at 'customAttributes' failed to satisfy constraint: Member must satisfy regular expression pattern: \\p{ASCII}*; " +
      "Value '-' at 'targetVariant' failed to satisfy constraint: Member must satisfy regular expression pattern: ^[a-zA-Z0-9](-*[a-zA-Z0-9])*; " +
      `Value '${'i'.repeat(65)}' at 'inferenceId' failed to satisfy constraint: Member must have length less than or equal to 64`,
  });
});

test('reads Accept of a streaming invocation from its own header', () => {
  const runtimePath = parseRuntimePath('POST', '/endpoints/e/invocations-response-stream');
  assert.equal(invocationMembersOf({ accept: '*/*', 'x-amzn-sagemaker-accept': 'text/csv' }, runtimePath).Accept, 'text/csv');
});
