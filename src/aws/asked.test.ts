import assert from 'node:assert/strict';
import { test } from 'node:test';
import { askedOf } from './asked.ts';
import { shapesOf } from './shapes/shapes.ts';

const inputOf = (operation: string) => shapesOf('sagemaker').operation(operation)?.input ?? null;
const sizeOf = (asked: object): number => Buffer.byteLength(JSON.stringify(asked));

test('members are told in lowerCamel, keys of maps as they are, and nothing is told that is secret', () => {
  const asked = askedOf(
    {
      ModelName: 'digits',
      PrimaryContainer: { Image: 'penstock/onnx:1', Environment: { API_KEY: 'hush' } },
      Tags: [{ Key: 'Team', Value: 'vision' }],
      SomePassword: 'hush',
    },
    inputOf('CreateModel'),
  );
  assert.deepEqual(asked, {
    modelName: 'digits',
    primaryContainer: { image: 'penstock/onnx:1', environment: { API_KEY: '***' } },
    tags: [{ key: 'Team', value: 'vision' }],
    somePassword: '***',
  });
  const words = { CustomerMetadataProperties: { Owner: 'me' } };
  assert.deepEqual(askedOf(words, inputOf('UpdateModelPackage')), { customerMetadataProperties: { Owner: 'me' } });
});

test('long texts are cut, and the largest members are left out of what is too much', () => {
  const cut = askedOf({ ModelName: 'digits', ModelPackageDescription: 'x'.repeat(2000) }, inputOf('CreateModelPackage'));
  assert.deepEqual(cut, { modelName: 'digits', modelPackageDescription: `${'x'.repeat(512)}…` });
  const Tags = Array.from({ length: 50 }, (_, i) => ({ Key: `k${i}`, Value: 'v'.repeat(200) }));
  assert.deepEqual(askedOf({ EndpointName: 'digits', Tags }, inputOf('CreateEndpoint')), { endpointName: 'digits', tags: '…' });
});

test('what nobody knows the shape of is bounded, too, however deep and wide it is', () => {
  let deep: object = {};
  for (let i = 0; i < 100_000; i++) deep = { deep };
  const wide = Object.fromEntries(Array.from({ length: 1000 }, (_, i) => [`${i}${'n'.repeat(500)}`, 'x'.repeat(500)]));
  assert(sizeOf(askedOf({ EndpointName: 'digits', deep }, null)) < 4096);
  assert(sizeOf(askedOf(wide, null)) < 16_384);
});
