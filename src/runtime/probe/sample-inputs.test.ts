import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SeededRandom } from '../../random.ts';
import { type Datatype, decodeStrings, elementCount, type Signature } from '../../tensor.ts';
import { checkInputSizes, sampleBytesMax, sampleInputs } from './sample-inputs.ts';

function taking(shape: readonly number[], datatype: Datatype = 'FP32'): Signature {
  return { inputs: [{ name: 'x', datatype, shape }], outputs: [] };
}

test('a model of which one row is larger than any request is rejected before generating a byte', () => {
  for (const shape of [
    [1, 2 ** 40],
    [2 ** 40, 2 ** 40],
    [-1, 8192, 8193],
  ]) {
    const refusal = {
      name: 'PlatformError',
      code: 'unsupported',
      message: /^input 'x' is too large: \[.*\] elements of FP32 exceed 256 MiB/,
    };
    assert.throws(() => checkInputSizes(taking(shape)), refusal);
    assert.throws(() => sampleInputs(taking(shape), 1, new SeededRandom(1)), refusal);
  }
  checkInputSizes(taking([-1, 8192, 8192]));
});

test('many varying dimensions do not multiply beyond the limit', () => {
  const [tensor] = sampleInputs(taking(Array.from({ length: 9 }, () => -1)), 1, new SeededRandom(1));
  assert.deepEqual(tensor?.shape, [1, 1, 1, 1, 1, 1, 1, 1, 1]);
});

test('rows above the limit are rejected', () => {
  assert.throws(() => sampleInputs(taking([-1, 2 ** 20]), sampleBytesMax / 2 ** 22 + 1, new SeededRandom(1)), { code: 'unsupported' });
});

test('a large tensor has all elements', () => {
  for (const datatype of ['FP32', 'INT64', 'FP16', 'BOOL'] as const) {
    const [tensor] = sampleInputs(taking([-1, 70_001], datatype), 3, new SeededRandom(1));
    assert(tensor !== undefined);
    assert.deepEqual(tensor.shape, [3, 70_001]);
    const bytes = { FP32: 4, INT64: 8, FP16: 2, BOOL: 1 }[datatype];
    assert.equal(tensor.data.length, 210_003 * bytes);
  }
  const [texts] = sampleInputs(taking([-1, 70_001], 'BYTES'), 1, new SeededRandom(1));
  assert(texts !== undefined);
  assert.equal(decodeStrings(texts.data).length, elementCount(texts.shape));
});
