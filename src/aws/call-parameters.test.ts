import assert from 'node:assert/strict';
import { test } from 'node:test';
import { auditOutcome, auditParameters } from './call-parameters.ts';
import { shapesOf } from './shapes/shapes.ts';

const inputOf = (operation: string) => shapesOf('sagemaker').operation(operation)?.input ?? null;
const sizeOf = (requested: object): number => Buffer.byteLength(JSON.stringify(requested));

test('writes members in lowerCamel, leaves map keys unchanged and removes secrets', () => {
  const requested = auditParameters(
    {
      ModelName: 'digits',
      PrimaryContainer: { Image: 'penstock/onnx:1', Environment: { API_KEY: 'hush' } },
      Tags: [{ Key: 'Team', Value: 'vision' }],
      SomePassword: 'hush',
    },
    inputOf('CreateModel'),
  );
  assert.deepEqual(requested, {
    modelName: 'digits',
    primaryContainer: { image: 'penstock/onnx:1', environment: { API_KEY: '***' } },
    tags: [{ key: 'Team', value: 'vision' }],
    somePassword: '***',
  });
  const words = { CustomerMetadataProperties: { Owner: 'me' } };
  assert.deepEqual(auditParameters(words, inputOf('UpdateModelPackage')), { customerMetadataProperties: { Owner: 'me' } });
});

test('records hyperparameters, but not those whose name suggests a secret', () => {
  const HyperParameters = { lr: '0.1', api_key: 'hush', HF_TOKEN: 'hush', dbPassword: 'hush', my_secret: 'hush' };
  const { hyperParameters, environment } = auditParameters(
    { TrainingJobName: 'digits-7', HyperParameters, Environment: { MODE: 'hush' } },
    inputOf('CreateTrainingJob'),
  );
  assert.deepEqual(hyperParameters, { lr: '0.1', api_key: '***', HF_TOKEN: '***', dbPassword: '***', my_secret: '***' });
  assert.deepEqual(environment, { MODE: '***' });
});

test('truncates long texts and omits the largest members if the total is too large', () => {
  const cut = auditParameters({ ModelName: 'digits', ModelPackageDescription: 'x'.repeat(2000) }, inputOf('CreateModelPackage'));
  assert.deepEqual(cut, { modelName: 'digits', modelPackageDescription: `${'x'.repeat(512)}…` });
  const Tags = Array.from({ length: 50 }, (_, i) => ({ Key: `k${i}`, Value: 'v'.repeat(200) }));
  assert.deepEqual(auditParameters({ EndpointName: 'digits', Tags }, inputOf('CreateEndpoint')), { endpointName: 'digits', tags: '…' });
});

test('bounds input without a shape, however deep and wide it is', () => {
  let deep: object = {};
  for (let i = 0; i < 100_000; i++) deep = { deep };
  const wide = Object.fromEntries(Array.from({ length: 1000 }, (_, i) => [`${i}${'n'.repeat(500)}`, 'x'.repeat(500)]));
  assert(sizeOf(auditParameters({ EndpointName: 'digits', deep }, null)) < 4096);
  assert(sizeOf(auditParameters(wide, null)) < 16_384);
});

const requested = [
  { Id: 'a', Arn: 'https://a.example/' },
  { Id: 'b', Arn: 'arn:aws:sqs:us-east-1:000000000000:b' },
];
const failedTarget = (id: string) => ({ TargetId: id, ErrorCode: 'ValidationException', ErrorMessage: `no log group for ${id}` });

for (const { when, failed, outcome, expected } of [
  { when: 'all entries succeeded', failed: [], outcome: 'ok', expected: [undefined, undefined] },
  { when: 'some failed', failed: ['b'], outcome: 'ok', expected: [undefined, [failedTarget('b')]] },
  {
    when: 'all failed',
    failed: ['a', 'b'],
    outcome: 'invalid_request',
    expected: ['no log group for a', [failedTarget('a'), failedTarget('b')]],
  },
]) {
  test(`a batch change is recorded as ${outcome}, with its failed entries and reasons, if ${when}`, () => {
    const output = { FailedEntryCount: failed.length, FailedEntries: failed.map(failedTarget) };
    const recorded = auditOutcome({ Rule: 'r', Targets: requested }, output, {});
    const detail = recorded.detail as { Targets: unknown; message?: string; FailedEntries?: unknown };
    assert.deepEqual([recorded.outcome, detail.Targets], [outcome, requested]);
    assert.deepEqual([detail.message, detail.FailedEntries], expected);
  });
}

test('a change is recorded without the values of headers and query parameters, which are secrets, and without what is too large', () => {
  const http = { HeaderParameters: { Authorization: 'Bearer s3cret' }, QueryStringParameters: { key: 's3cret' } };
  const input = { Targets: [{ Id: '1', HttpParameters: http }], DashboardBody: '{}' };
  const { detail } = auditOutcome(input, {}, { omit: 'DashboardBody' });
  const masked = { HeaderParameters: { Authorization: '***' }, QueryStringParameters: { key: '***' } };
  assert.deepEqual(detail, { Targets: [{ Id: '1', HttpParameters: masked }] });
});
