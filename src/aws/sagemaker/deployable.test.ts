import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { defaultPrices } from '../../costs/index.ts';
import { deployable } from './deployable.ts';
import type { ProductionVariant } from './endpoint-documents.ts';

const model = { name: 'digits', group: 'digits', version: 1, image: 'penstock/onnx', resolvedImage: 'penstock/onnx@sha256:1' };
const instances = { VariantName: 'main', ModelName: 'digits', InstanceType: 'ml.m5.large', InitialInstanceCount: 1 };

function variantOf(variant: ProductionVariant) {
  const settings = { objective: null, late: 'serve', hasOverflow: false } as const;
  const document = { ProductionVariants: [variant] };
  const [made] = deployable({ document, models: [model], settings, prices: defaultPrices, timeoutMs: 60_000 }).variants;
  assert(made !== undefined);
  return made;
}

describe('what is deployed for a production variant', () => {
  test('has as long to start and to unpack as that says, on instances and on functions', () => {
    const times = { ContainerStartupHealthCheckTimeoutInSeconds: 60, ModelDataDownloadTimeoutInSeconds: 900 };
    const serverless = { VariantName: 'main', ModelName: 'digits', ServerlessConfig: { MemorySizeInMB: 1024, MaxConcurrency: 1 } };
    for (const variant of [instances, serverless]) {
      const { startTimeoutMs, unpackTimeoutMs } = variantOf({ ...variant, ...times });
      assert.deepEqual([startTimeoutMs, unpackTimeoutMs], [60_000, 900_000]);
    }
  });

  test('remembers the type that another stands for', () => {
    const { instanceType, instanceTypeAsked } = variantOf({ ...instances, InstanceType: 'ml.g5.xlarge' });
    assert.deepEqual([instanceType, instanceTypeAsked], ['ml.g4dn.xlarge', 'ml.g5.xlarge']);
    assert(!('instanceTypeAsked' in variantOf(instances)));
  });

  test('has the times of every door where that says none', () => {
    const made = variantOf(instances);
    assert(!('startTimeoutMs' in made) && !('unpackTimeoutMs' in made));
  });
});
