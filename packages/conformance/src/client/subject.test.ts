import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ModelUnderTest, readInputs } from './subject.ts';

test('generates a valid request from the metadata, with values that suit any model', () => {
  const subject = new ModelUnderTest('mixed', {
    inputs: [
      { name: 'a', datatype: 'FP32', shape: [-1, 3] },
      { name: 'b', datatype: 'INT64', shape: [] },
      { name: 'c', datatype: 'BYTES', shape: [-1] },
      { name: 'd', datatype: 'BOOL', shape: ['2'] },
    ],
  });
  assert.deepEqual(subject.inputs, [
    { name: 'a', datatype: 'FP32', shape: [1, 3], data: [0, 0.5, 1] },
    { name: 'b', datatype: 'INT64', shape: [], data: [0] },
    { name: 'c', datatype: 'BYTES', shape: [1], data: ['a'] },
    { name: 'd', datatype: 'BOOL', shape: [2], data: [true, false] },
  ]);
  assert.equal(subject.binary().bytes.toString('hex'), '000000000000003f0000803f00000000000000000100000061' + '0100');
});

test('reads a request file and rejects an invalid one', () => {
  const input = {
    name: 'x',
    datatype: 'FP32',
    shape: [2, 2],
    data: [
      [1, 2],
      [3, 4],
    ],
  };
  assert.deepEqual(readInputs(JSON.stringify({ inputs: [input] })), [{ ...input, data: [1, 2, 3, 4] }]);
  for (const [text, message] of [
    ['{', /^the request is not valid JSON/],
    ['null', /^expected a request/],
    ['{"inputs":[{"name":"x"}]}', /^expected a request/],
    [JSON.stringify({ inputs: [{ ...input, shape: [3] }] }), /^input 'x': shape \[3\] needs 3 elements, got 4$/],
  ] as const) {
    assert.throws(() => readInputs(text), { code: 'invalid_request', message });
  }
});
