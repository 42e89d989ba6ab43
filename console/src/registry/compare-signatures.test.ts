import assert from 'node:assert/strict';
import { test } from 'node:test';
import { breakingSentences, compareSignatures, type Signature, takesShape } from './compare-signatures.ts';

const f32 = (name: string, ...shape: number[]) => ({ name, datatype: 'FP32', shape });
const i64 = (name: string, ...shape: number[]) => ({ name, datatype: 'INT64', shape });
const mlp: Signature = { inputs: [f32('pixels', -1, 64)], outputs: [i64('label', -1), f32('probabilities', -1, 10)] };
const cnn: Signature = { inputs: [f32('image', -1, 1, 8, 8)], outputs: [f32('probabilities', -1, 10)] };

for (const { when, before, after, input, output } of [
  { when: 'nothing changed', before: mlp, after: mlp, input: [null, false], output: [null, false] },
  { when: 'the input has another name and shape', before: mlp, after: cnn, input: ['breaks clients', true], output: ['label gone', true] },
  {
    when: 'an input is added',
    before: mlp,
    after: { ...mlp, inputs: [...mlp.inputs, f32('mask', -1)] },
    input: ['breaks clients', true],
    output: [null, false],
  },
  {
    when: 'a fixed size may vary now',
    before: { ...mlp, inputs: [f32('pixels', 1, 64)] },
    after: mlp,
    input: ['takes more', false],
    output: [null, false],
  },
  {
    when: 'a size that varied is fixed now',
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

test('whoever approves is told what breaks, in sentences', () => {
  const version = (signature: Signature) => ({ signature }) as unknown as Parameters<typeof breakingSentences>[0];
  assert.deepEqual(breakingSentences(version(mlp), version(cnn)), [
    'Input changed: pixels f32[N,64] to image f32[N,1,8,8].',
    'Output changed: label gone.',
  ]);
  assert.deepEqual(breakingSentences(version(mlp), version(mlp)), []);
});

test('a shape takes another where every size is the same or may vary', () => {
  assert(takesShape([1, 64], [-1, 64]) && takesShape([-1], [-1]));
  assert(!takesShape([-1, 64], [1, 64]) && !takesShape([1, 64], [64]) && !takesShape([1, 63], [-1, 64]));
});
