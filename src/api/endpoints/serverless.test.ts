import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { type FunctionsConfig, functionsDefault, newVariant, type VariantConfig } from '../../deployment/index.ts';
import type { FunctionProfile } from '../../profiling/index.ts';
import { checkMemory, functionsBody, functionsBodyOf, functionsInput, functionsOf } from './serverless.ts';

const read = (provided: unknown) => {
  const change = functionsOf(functionsInput.parse(provided));
  return newVariant({ name: 'AllTraffic', model: { group: 'digits', version: 1 }, functions: change }).functions as FunctionsConfig;
};

describe('functions of a variant in the API', () => {
  test('have a default for every member', () => {
    assert.deepEqual(read({}), functionsDefault);
  });

  test('are shown under their request names and can be sent back unchanged', () => {
    for (const provided of [
      { memory_mib: 2048, max_concurrency: 3, provisioned: 1, keep_alive_ms: 500, batching: 'batch' },
      {
        memory_mib: 'auto',
        max_concurrency: 10,
        provisioned: 0,
        keep_alive_ms: 60_000,
        batching: 'fixed',
        batch_size_max: 8,
        wait_ms_max: 12.5,
      },
    ]) {
      const shown = functionsBodyOf(read(provided));
      assert.deepEqual(functionsBody.parse(shown), provided);
      assert.deepEqual(read(shown), read(provided));
    }
  });

  test('accept batch_size_max and wait_ms_max only for fixed batching', () => {
    const expected = (name: string) => ({ code: 'invalid_request', message: new RegExp(`${name} is only for fixed batching.*'slack'`) });
    assert.throws(() => read({ batch_size_max: 8 }), expected('batch_size_max'));
    assert.throws(() => read({ batching: 'slack', wait_ms_max: 8 }), expected('wait_ms_max'));
  });

  test('reject unknown members and values', () => {
    for (const provided of [{ memory: 2048 }, { memory_mib: '2048' }, { batching: 'magic' }])
      assert.throws(() => functionsInput.parse(provided));
  });
});

describe('a memory size that is known to be too small', () => {
  const sizes = [
    { memoryMiB: 128, fits: false, peakMemoryMiB: 180.2 },
    { memoryMiB: 256, fits: true, peakMemoryMiB: 200 },
  ] as FunctionProfile[];
  const variant = (memoryMiB: number | 'auto'): VariantConfig => ({
    name: 'AllTraffic',
    group: 'wide',
    version: 1,
    weight: 1,
    instanceCount: 0,
    instanceType: 'local.1',
    functions: { ...functionsDefault, memoryMiB },
  });
  const check = (memoryMiB: number | 'auto', known: readonly FunctionProfile[] = sizes) =>
    checkMemory({ of: async () => known }, [variant(memoryMiB)]);

  test('is rejected with the memory the model needs', async () => {
    const message =
      'variant AllTraffic: wide/1 needs 181 MiB for a single row, but its functions would have 128 MiB: choose auto or one of 256';
    await assert.rejects(check(128), { code: 'invalid_request', message });
  });

  test('is the only rejected case: a larger size, auto and an unmeasured model are accepted', async () => {
    await check(256);
    await check('auto');
    await check(128, []);
  });
});
