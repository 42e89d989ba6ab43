import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { defaultPrices } from '../../costs/index.ts';
import type { ModelVersion } from '../../registry/index.ts';
import type { VariantConfig } from './endpoint-config.ts';
import { sharesWorkers, withSharedWorkers } from './shared-workers.ts';

const live: VariantConfig = { name: 'live', group: 'digits', version: 1, weight: 1, instanceCount: 1, instanceType: 'local.1' };
const shadow: VariantConfig = { ...live, name: 'next', version: 2, isShadow: true };
const signature = {
  inputs: [{ name: 'x', datatype: 'FP32', shape: [-1, 64] }],
  outputs: [{ name: 'label', datatype: 'INT64', shape: [-1] }],
} as const;
const first = {
  name: 'digits/1',
  batchable: true,
  runtime: { kind: 'onnx' },
  signature,
  artifact: { bytes: 1e6 },
} as unknown as ModelVersion;
const second: ModelVersion = { ...first, name: 'digits/2' };

describe('a shadow', () => {
  test('runs on the workers of the production variant if one executor holds both models', () => {
    const variants = withSharedWorkers([live, shadow], [first, second], defaultPrices);
    assert.deepEqual(variants, [{ ...live, shadowModel: 'digits/2' }, shadow]);
    assert.equal(sharesWorkers(shadow, variants), true);
    const alone = withSharedWorkers(variants.slice(0, 1), [first], defaultPrices);
    assert.deepEqual(alone, [live], 'without its shadow a variant loads one model again');
  });

  const other = { ...signature, inputs: [{ name: 'y', datatype: 'FP32', shape: [-1, 64] }] } as const;
  for (const [why, variants, versions] of [
    ['has another instance type', [live, { ...shadow, instanceType: 'local.2' }], [first, second]],
    ['runs as functions', [live, { ...shadow, functions: {} as never }], [first, second]],
    ['scales', [live, { ...shadow, scaling: {} as never }], [first, second]],
    ['takes other inputs', [live, shadow], [first, { ...second, signature: other }]],
    ['is a Python model', [live, shadow], [first, { ...second, runtime: { kind: 'python' } as never }]],
    ['takes one request at a time', [live, shadow], [first, { ...second, batchable: false }]],
    ['is too large for the memory of one instance', [live, shadow], [first, { ...second, artifact: { ...second.artifact, bytes: 4e8 } }]],
  ] as const) {
    test(`has workers of its own if it ${why}`, () => {
      const next = withSharedWorkers(variants, versions, defaultPrices);
      assert.deepEqual(next, variants);
      assert.equal(sharesWorkers(variants[1], next), false);
    });
  }
});
