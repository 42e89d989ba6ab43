import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { functionsDefault } from '../deployment/index.ts';
import { functionsBody, functionsBodyOf, functionsInput, functionsOf } from './serverless.ts';

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
