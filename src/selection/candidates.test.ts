import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { Datatype, TensorSpec } from '../tensor.ts';
import { mapToContract, type NamedSignature, scoreOutputOf } from './candidates.ts';

const tensor = (name: string, shape: readonly number[], datatype: Datatype = 'FP32'): TensorSpec => ({ name, datatype, shape });
const model = (name: string, inputs: readonly TensorSpec[], outputs: readonly TensorSpec[]): NamedSignature => ({
  name,
  signature: { inputs, outputs },
});

function refusalOf(contract: NamedSignature, candidate: NamedSignature): string {
  const map = mapToContract(contract, candidate);
  assert(typeof map === 'string', 'expected a refusal');
  return map;
}

const label = tensor('label', [-1], 'INT64');
const scores = tensor('probabilities', [-1, 10]);
const mlp = model('mlp/1', [tensor('pixels', [-1, 64])], [label, scores]);
const cnn = model('cnn/1', [tensor('image', [-1, 1, 8, 8])], [scores]);

describe('a model that replaces another', () => {
  test('takes the same rows in another shape, and gets a label that it does not return itself', () => {
    assert.deepEqual(mapToContract(mlp, cnn), {
      inputs: [{ name: 'image', row: [1, 8, 8] }],
      outputs: [
        { name: null, row: [] },
        { name: 'probabilities', row: null },
      ],
      scores: 'probabilities',
    });
  });

  test('drops an output that the contract does not have', () => {
    assert.deepEqual(mapToContract(cnn, mlp), {
      inputs: [{ name: 'pixels', row: [64] }],
      outputs: [{ name: 'probabilities', row: null }],
      scores: 'probabilities',
    });
  });

  test('is itself without any change, also with variable sizes', () => {
    const text = model('text/1', [tensor('tokens', [-1, -1], 'INT64')], [tensor('scores', [-1, 2])]);
    assert.deepEqual(mapToContract(text, text), {
      inputs: [{ name: 'tokens', row: null }],
      outputs: [{ name: 'scores', row: null }],
      scores: 'scores',
    });
  });

  test('matches inputs by name if several fit', () => {
    const two = (name: string, first: string, second: string) => model(name, [tensor(first, [-1, 4]), tensor(second, [-1, 4])], [scores]);
    const map = mapToContract(two('a/1', 'x', 'y'), two('b/1', 'y', 'x'));
    assert(typeof map !== 'string');
    assert.deepEqual(
      map.inputs.map(({ name }) => name),
      ['x', 'y'],
    );
    assert.match(
      refusalOf(two('a/1', 'x', 'y'), two('b/1', 'u', 'v')),
      /^b\/1 does not take what a\/1 does: .*several inputs could take it: u, v$/,
    );
  });

  for (const { why, candidate, expected } of [
    {
      why: 'another datatype',
      candidate: model('b/1', [tensor('pixels', [-1, 64], 'FP64')], [label, scores]),
      expected: /no input takes it$/,
    },
    { why: 'other sizes', candidate: model('b/1', [tensor('pixels', [-1, 65])], [label, scores]), expected: /no input takes it$/ },
    {
      why: 'a further input',
      candidate: model('b/1', [...mlp.signature.inputs, tensor('mask', [-1, 3])], [scores]),
      expected: /needs the input 'mask', which mlp\/1/,
    },
    {
      why: 'other classes',
      candidate: model('b/1', mlp.signature.inputs, [tensor('scores', [-1, 5])]),
      expected: /knows 5 classes, expected the 10 of mlp\/1/,
    },
    {
      why: 'no scores',
      candidate: model('b/1', mlp.signature.inputs, [label]),
      expected: /has no output for 'probabilities' of mlp\/1, FP32 \[-1,10\]/,
    },
    {
      why: 'no batch dimension',
      candidate: model('b/1', [tensor('pixels', [1, 64])], [label, scores]),
      expected: /b\/1 takes one request at a time/,
    },
  ]) {
    test(`is rejected for ${why}, in a sentence`, () => {
      assert.match(refusalOf(mlp, candidate), expected);
    });
  }
});

describe('the output with the scores', () => {
  for (const { what, outputs, expected } of [
    { what: 'by its name', outputs: [tensor('hidden', [-1, 64]), tensor('scores', [-1, 10])], expected: 'scores' },
    { what: 'as the only one of its form', outputs: [label, tensor('softmax', [-1, 10])], expected: 'softmax' },
    { what: 'with 16 bits', outputs: [tensor('softmax', [-1, 10], 'FP16')], expected: 'softmax' },
    { what: 'with an open number of classes', outputs: [tensor('probabilities', [-1, -1])], expected: 'probabilities' },
    { what: 'not among several', outputs: [tensor('a', [-1, 10]), tensor('b', [-1, 10])], expected: null },
    { what: 'not with one value per row', outputs: [tensor('value', [-1, 1])], expected: null },
  ]) {
    test(`is found ${what}`, () => {
      const one = model('m/1', [tensor('x', [-1, 4])], outputs);
      assert.equal(scoreOutputOf(one.signature)?.name ?? null, expected);
      const map = mapToContract(one, one);
      assert(typeof map !== 'string');
      assert.equal(map.scores, expected);
    });
  }
});
