import assert from 'node:assert/strict';
import { test } from 'node:test';
import { acceptsShape, breakingSentences, compareSignatures, type VersionSignature } from './compare-signatures.ts';

const f32 = (name: string, ...shape: number[]) => ({ name, datatype: 'FP32', shape });
const i64 = (name: string, ...shape: number[]) => ({ name, datatype: 'INT64', shape });
const mlp: VersionSignature = { inputs: [f32('pixels', -1, 64)], outputs: [i64('label', -1), f32('probabilities', -1, 10)] };
const cnn: VersionSignature = { inputs: [f32('image', -1, 1, 8, 8)], outputs: [f32('probabilities', -1, 10)] };

for (const { when, before, after, input, output } of [
  { when: 'nothing changed', before: mlp, after: mlp, input: [null, false], output: [null, false] },
  {
    when: 'the input has another name and shape',
    before: mlp,
    after: cnn,
    input: ['breaks clients', true],
    output: ['label removed', true],
  },
  {
    when: 'a Python model was not opened yet',
    before: mlp,
    after: { inputs: [], outputs: [] },
    input: ['unknown', false],
    output: ['unknown', false],
  },
  {
    when: 'an input is added',
    before: mlp,
    after: { ...mlp, inputs: [...mlp.inputs, f32('mask', -1)] },
    input: ['breaks clients', true],
    output: [null, false],
  },
  {
    when: 'a fixed size becomes variable',
    before: { ...mlp, inputs: [f32('pixels', 1, 64)] },
    after: mlp,
    input: ['accepts more', false],
    output: [null, false],
  },
  {
    when: 'a variable size becomes fixed',
    before: mlp,
    after: { ...mlp, inputs: [f32('pixels', 1, 64)] },
    input: ['breaks clients', true],
    output: [null, false],
  },
  {
    when: 'an output has another type',
    before: mlp,
    after: { ...mlp, outputs: [f32('label', -1), f32('probabilities', -1, 10)] },
    input: [null, false],
    output: ['label changed', true],
  },
  {
    when: 'an output is added',
    before: mlp,
    after: { ...mlp, outputs: [...mlp.outputs, f32('embedding', -1, 32)] },
    input: [null, false],
    output: ['embedding new', false],
  },
]) {
  test(`${when}: ${String(input[0])}, ${String(output[0])}`, () => {
    const [first, second] = compareSignatures(before, after);
    assert.deepEqual([first.change, first.isBreaking], input);
    assert.deepEqual([second.change, second.isBreaking], output);
  });
}

test('describes breaking changes in sentences', () => {
  const version = (signature: VersionSignature) => ({ signature }) as unknown as Parameters<typeof breakingSentences>[0];
  assert.deepEqual(breakingSentences(version(mlp), version(cnn)), [
    'Input changed: pixels f32[N,64] to image f32[N,1,8,8].',
    'Output changed: label removed.',
  ]);
  assert.deepEqual(breakingSentences(version(mlp), version(mlp)), []);
});

test('accepts a shape if every size is equal or variable', () => {
  assert(acceptsShape([1, 64], [-1, 64]) && acceptsShape([-1], [-1]));
  assert(!acceptsShape([-1, 64], [1, 64]) && !acceptsShape([1, 64], [64]) && !acceptsShape([1, 63], [-1, 64]));
});
