import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { defaultPrices } from '../../../costs/index.ts';
import { deployable } from './deployable.ts';
import type { ProductionVariant } from './endpoint-documents.ts';

const model = { name: 'digits', group: 'digits', version: 1, image: 'penstock/onnx', resolvedImage: 'penstock/onnx@sha256:1' };
const instances = { VariantName: 'main', ModelName: 'digits', InstanceType: 'ml.m5.large', InitialInstanceCount: 1 };

function variantOf(variant: ProductionVariant) {
  const settings = { objective: null, late: 'serve', hasOverflow: false } as const;
  const document = { ProductionVariants: [variant] };
  const [made] = deployable({ document, models: [model], settings, prices: defaultPrices, timeoutMs: 60_000, before: null }).variants;
  assert(made !== undefined);
  return made;
}

describe('the deployed variant of a production variant', () => {
  test('has its timeouts of start and unpacking, on instances and on functions', () => {
    const times = { ContainerStartupHealthCheckTimeoutInSeconds: 60, ModelDataDownloadTimeoutInSeconds: 900 };
    const serverless = { VariantName: 'main', ModelName: 'digits', ServerlessConfig: { MemorySizeInMB: 1024, MaxConcurrency: 1 } };
    for (const variant of [instances, serverless]) {
      const { startTimeoutMs, unpackTimeoutMs } = variantOf({ ...variant, ...times });
      assert.deepEqual([startTimeoutMs, unpackTimeoutMs], [60_000, 900_000]);
    }
  });

  test('stores the requested instance type if another replaces it', () => {
    const { instanceType, instanceTypeAsked } = variantOf({ ...instances, InstanceType: 'ml.g5.xlarge' });
    assert.deepEqual([instanceType, instanceTypeAsked], ['ml.g4dn.xlarge', 'ml.g5.xlarge']);
    assert(!('instanceTypeAsked' in variantOf(instances)));
  });

  test('has the default timeouts if it sets none', () => {
    const made = variantOf(instances);
    assert(!('startTimeoutMs' in made) && !('unpackTimeoutMs' in made));
  });
});
