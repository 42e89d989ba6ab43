import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { functionsDefault, type VariantConfig } from '../deployment/index.ts';
import type { FunctionProfile } from '../profiling/index.ts';
import { checkMemory, functionsBody, functionsBodyOf, functionsInput, functionsOf } from './serverless.ts';

const read = (given: unknown) => functionsOf(functionsInput.parse(given));

describe('functions of a variant, as the API takes them', () => {
  test('have a default for everything', () => {
    assert.deepEqual(read({}), functionsDefault);
  });

  test('are shown in the words in which they are asked for, and may be given back as they are shown', () => {
    for (const given of [
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
      const shown = functionsBodyOf(read(given));
      assert.deepEqual(functionsBody.parse(shown), given);
      assert.deepEqual(read(shown), read(given));
    }
  });

  test('say rows and wait for fixed batching alone', () => {
    const expected = (name: string) => ({ code: 'invalid_request', message: new RegExp(`^${name} is for fixed batching.*'slack'`) });
    assert.throws(() => read({ batch_size_max: 8 }), expected('batch_size_max'));
    assert.throws(() => read({ batching: 'slack', wait_ms_max: 8 }), expected('wait_ms_max'));
  });

  test('refuse what nobody knows', () => {
    for (const given of [{ memory: 2048 }, { memory_mib: '2048' }, { batching: 'magic' }]) assert.throws(() => functionsInput.parse(given));
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

  test('is refused, and how much the model needs is said', async () => {
    const message =
      'variant AllTraffic: wide/1 needs 181 MiB for a single row, and its functions would have 128 MiB: choose auto or one of 256';
    await assert.rejects(check(128), { code: 'invalid_request', message });
  });

  test('is all that is refused: not a larger one, not auto, not one of a model that nobody measured', async () => {
    await check(256);
    await check('auto');
    await check(128, []);
  });
});
