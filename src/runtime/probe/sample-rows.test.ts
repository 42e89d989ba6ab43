import assert from 'node:assert/strict';
import { test } from 'node:test';
import { withinCpuMs } from '../../../test/cpu-time.ts';
import { decodeStrings, elementsOf, jsonSignature, type Signature, type Tensor } from '../../tensor.ts';
import { firstRows } from './sample-rows.ts';

const signature: Signature = {
  inputs: [{ name: 'x', datatype: 'FP32', shape: [-1, 2] }],
  outputs: [{ name: 'y', datatype: 'FP32', shape: [-1] }],
};

function valuesOf(row: readonly Tensor[]): number[] {
  return Array.from(elementsOf('FP32', (row[0] as Tensor).data) as Float32Array);
}

test('a sample gives its first rows, one by one and without the label', () => {
  const body = Buffer.from('a,b,label\n1,2,x\n3,4,y\n');
  const rows = firstRows(signature, { contentType: 'text/csv', body, label: 'label' });
  assert.deepEqual(rows.map(valuesOf), [
    [1, 2],
    [3, 4],
  ]);
  assert.deepEqual(rows[0]?.[0]?.shape, [1, 2]);
});

test('a scalar is the same in each row', () => {
  const scalar: Signature = { ...signature, inputs: [...signature.inputs, { name: 'times', datatype: 'FP32', shape: [] }] };
  const body = Buffer.from('{"instances": [{"x": [1, 2], "times": 5}, {"x": [3, 4], "times": 5}]}');
  const rows = firstRows(scalar, { contentType: 'application/json', body });
  assert.deepEqual(
    rows.map((row) => row.map(({ shape }) => shape)),
    [
      [[1, 2], []],
      [[1, 2], []],
    ],
  );
});

test('a list of JSON has a row in each element', () => {
  const texts = (text: string, contentType = 'application/json'): string[] =>
    firstRows(jsonSignature, { contentType, body: Buffer.from(text) }).flatMap((row) => decodeStrings((row[0] as Tensor).data));
  assert.deepEqual(texts('\n[{"a": 1}, [2], "3"]'), ['{"a": 1}', '[2]', '"3"']);
  assert.deepEqual(texts('{"instances": [1, 2]}'), ['1', '2']);
  assert.deepEqual(texts('{"a": 1}'), ['{"a": 1}']);
  assert.deepEqual(texts('{"a": 1}\n{"a": 2}\n', 'application/jsonlines'), ['{"a": 1}', '{"a": 2}']);
  assert.deepEqual(texts('[{"a": 1}'), []);
});

test('a large sample costs no more than its first rows', () => {
  const body = Buffer.from('1,2\n'.repeat(4_000_000));
  assert.equal(withinCpuMs(2000, () => firstRows(signature, { contentType: 'text/csv', body })).length, 16);
});

test('a sample that does not fit the model gives no rows', () => {
  for (const [contentType, text] of [
    ['text/csv', '1,2,3\n'],
    ['application/json', '{"instances": '],
    ['application/x-npy', 'not npy'],
    ['application/json', `[${' '.repeat(300_000)}[1, 2]]`],
  ] as const) {
    assert.deepEqual(firstRows(signature, { contentType, body: Buffer.from(text) }), []);
  }
});
