import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SeededRandom } from '../../random.ts';
import { decodeStrings, jsonSignature, type Signature, type Tensor } from '../../tensor.ts';
import { sampleBatches } from './sample-batches.ts';

const numbers: Signature = {
  inputs: [{ name: 'x', datatype: 'FP32', shape: [-1, 2] }],
  outputs: [{ name: 'y', datatype: 'FP32', shape: [-1] }],
};
const valuesOf = ({ data }: Tensor): number[] => [...new Float32Array(data.slice().buffer)];
const csv = (text: string) => ({ contentType: 'text/csv', body: Buffer.from(text) });

test('a batch repeats the rows of the sample', () => {
  const [input] = sampleBatches(numbers, csv('1,2\n3,4\n'), new SeededRandom(1))(3);
  assert(input !== undefined);
  assert.deepEqual(
    [input.shape, valuesOf(input)],
    [
      [3, 2],
      [1, 2, 3, 4, 1, 2],
    ],
  );
});

test('a function of JSON gets the objects of its sample, not made-up texts', () => {
  const sample = { contentType: 'application/jsonlines', body: Buffer.from('{"id":1}\n{"id":2}\n') };
  const [input] = sampleBatches(jsonSignature, sample, new SeededRandom(1))(2);
  assert.deepEqual(decodeStrings(input?.data ?? new Uint8Array()).map(String), ['{"id":1}', '{"id":2}']);
});

test('without a sample that fits, values are generated', () => {
  for (const sample of [null, csv('1,2,3\n')]) {
    const [input] = sampleBatches(numbers, sample, new SeededRandom(1))(4);
    assert.deepEqual(input?.shape, [4, 2]);
  }
});
