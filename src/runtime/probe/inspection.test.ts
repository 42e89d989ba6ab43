/** What registration finds in models of unusual types and kernels, with a real worker and onnxruntime. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import {
  floats,
  type Graph,
  integers,
  node,
  onnxFile,
  optionalType,
  sequenceType,
  tensor,
  tensorType,
} from '../../../test/models/onnx-builder.ts';
import { SeededRandom } from '../../random.ts';
import type { Tensor } from '../../tensor.ts';
import { probeBatchability } from './batch-probe.ts';
import { describeModel } from './inspect.ts';

let folder: string;
before(() => {
  folder = mkdtempSync(join(tmpdir(), 'penstock-test-'));
});
after(() => rmSync(folder, { recursive: true }));

/** Describes and probes a model as registration does, in this process. */
async function inspected(graph: Graph, opset = 17) {
  const path = join(folder, 'model.onnx');
  writeFileSync(path, onnxFile(graph, opset));
  const { model, description } = await describeModel({ path, data: [] }, join(folder, 'rewritten.onnx'), () => 0);
  const run = async (inputs: readonly Tensor[]) => model.outputs(model.run(model.feeds(inputs)));
  const batchability = await probeBatchability(description.signature, run, { random: new SeededRandom(1) });
  model.release();
  return { ...description, ...batchability };
}

const rows = tensor('x', 'FLOAT', ['N', 4]);

/**
 * Layer normalization over the second of three dimensions, with the variance as the mean of the squares less the square of the mean. The
 * two nearly cancel out, which makes the last digits matter, and onnxruntime sums one row by another kernel than several.
 */
const cancelling: Graph = {
  inputs: [tensor('x', 'FLOAT', ['N', 512, 64])],
  outputs: [tensor('y', 'FLOAT', ['N', 64])],
  nodes: [
    node('Mul', ['x', 'spread'], ['scaled']),
    node('Add', ['scaled', 'offset'], ['a']),
    node('ReduceSum', ['a', 'axes'], ['sum'], { keepdims: 1 }),
    node('Mul', ['sum', 'share'], ['mean']),
    node('Mul', ['a', 'a'], ['square']),
    node('ReduceSum', ['square', 'axes'], ['squares'], { keepdims: 1 }),
    node('Mul', ['squares', 'share'], ['meanSquare']),
    node('Mul', ['mean', 'mean'], ['squareMean']),
    node('Sub', ['meanSquare', 'squareMean'], ['variance']),
    node('Max', ['variance', 'smallest'], ['positive']),
    node('Sqrt', ['positive'], ['deviation']),
    node('Sub', ['a', 'mean'], ['centred']),
    node('Div', ['centred', 'deviation'], ['normal']),
    node('ReduceMax', ['normal'], ['y'], { axes: [1], keepdims: 0 }),
  ],
  constants: {
    spread: floats([], [0.01]),
    offset: floats([], [0.5]),
    share: floats([], [1 / 512]),
    smallest: floats([], [1e-7]),
    axes: integers([1], [1]),
  },
};

describe('a model whose rows are independent', () => {
  test('is batchable although a row alone is rounded differently, and the note says by how much', async () => {
    const { batchable, reason, note } = await inspected(cancelling);
    assert.equal(batchable, true, reason);
    assert.match(note ?? '', /rounded differently: output 'y' differed by up to [\d.]+ %/);
  });
});

describe('a model that divides by the sum of its batch', () => {
  test('is not batchable, because a row beside others gets another share', async () => {
    const { batchable, reason } = await inspected({
      inputs: [rows],
      outputs: [tensor('y', 'FLOAT', ['N', 4])],
      nodes: [node('ReduceSum', ['x', 'axes'], ['sum'], { keepdims: 1 }), node('Div', ['x', 'sum'], ['y'])],
      constants: { axes: integers([1], [0]) },
    });
    assert.equal(batchable, false);
    assert.match(reason, /depends on the other rows of its batch \(output 'y'\)/);
  });
});

describe('a model in training mode', () => {
  test('is not batchable, and the reason names the cure: batch normalization then changes its statistics with each run', async () => {
    const { batchable, reason } = await inspected({
      inputs: [rows],
      outputs: [tensor('y', 'FLOAT', ['N', 4])],
      nodes: [
        node('BatchNormalization', ['x', 'scale', 'bias', 'mean', 'variance'], ['y', 'newMean', 'newVariance'], { training_mode: 1 }),
      ],
      constants: Object.fromEntries(['scale', 'bias', 'mean', 'variance'].map((name) => [name, floats([4], [1, 1, 1, 1])])),
    });
    assert.equal(batchable, false);
    assert.match(reason, /two different results.*training mode \(dropout, batch normalization\), call model\.eval\(\)/);
  });
});

describe('a sequence output', () => {
  const pieces = { name: 'pieces', type: sequenceType(tensorType('FLOAT', ['N', 'M'])) };

  test('is one output for each of its tensors, if the graph shows how many there are', async () => {
    for (const [what, nodes] of [
      ['constructed', [node('SequenceConstruct', ['x', 'x'], ['pieces'])]],
      [
        'inserted and erased',
        [
          node('SequenceEmpty', [], ['none'], { dtype: 1 }),
          node('SequenceInsert', ['none', 'x'], ['one']),
          node('SequenceInsert', ['one', 'x'], ['two']),
          node('SequenceInsert', ['two', 'x'], ['all']),
          node('SequenceErase', ['all'], ['erased']),
          node('Identity', ['erased'], ['pieces']),
        ],
      ],
      ['split by sizes', [node('SplitToSequence', ['x', 'sizes'], ['pieces'], { axis: 1 })]],
      ['split by one size', [node('SplitToSequence', ['x', 'three'], ['pieces'], { axis: 1 })]],
    ] as const) {
      const constants = { sizes: integers([2], [1, 3]), three: integers([], [3]) };
      const { signature, notes, batchable, reason } = await inspected({ inputs: [rows], outputs: [pieces], nodes, constants });
      assert.deepEqual(
        signature.outputs.map(({ name }) => name),
        ['pieces_0', 'pieces_1'],
        what,
      );
      assert.match(notes.join(), /output 'pieces' was a sequence of 2 and is now the outputs pieces_0, pieces_1/);
      assert.equal(batchable, true, `${what}: ${reason}`);
    }
  });

  test('has as many tensors as sizes are sent, if their number is fixed', async () => {
    const { signature } = await inspected({
      inputs: [rows, tensor('sizes', 'INT64', [3])],
      outputs: [pieces],
      nodes: [node('SplitToSequence', ['x', 'sizes'], ['pieces'], { axis: 1 })],
    });
    assert.equal(signature.outputs.length, 3);
  });

  test('of both branches of a condition has the length that they have in common', async () => {
    const branch = (name: string): Graph => ({
      outputs: [{ ...pieces, name }],
      nodes: [node('SequenceConstruct', ['x', 'x', 'x'], [name])],
    });
    const { signature } = await inspected({
      inputs: [rows, tensor('condition', 'BOOL', [])],
      outputs: [pieces],
      nodes: [node('If', ['condition'], ['pieces'], { then_branch: { graph: branch('a') }, else_branch: { graph: branch('b') } })],
    });
    assert.equal(signature.outputs.length, 3);
  });

  test('takes names that nothing else has', async () => {
    const { signature } = await inspected({
      inputs: [{ ...rows, name: 'pieces_0' }],
      outputs: [pieces],
      nodes: [node('SequenceConstruct', ['pieces_0', 'pieces_0'], ['pieces'])],
    });
    assert.deepEqual(
      signature.outputs.map(({ name }) => name),
      ['pieces_0_1', 'pieces_1'],
    );
  });
});

describe('a type that cannot be served is named', () => {
  const refusal = (message: RegExp) => ({ name: 'PlatformError', code: 'unsupported', message });
  const identity = (type: Graph['outputs'][number]['type']): Graph => ({
    inputs: [{ name: 'x', type }],
    outputs: [{ name: 'y', type }],
    nodes: [node('Identity', ['x'], ['y'])],
  });

  for (const { what, type, named } of [
    { what: 'a sequence', type: sequenceType(tensorType('FLOAT', ['N'])), named: /input 'x' has the type seq\(tensor\(float\)\)/ },
    { what: 'an optional', type: optionalType(tensorType('INT64', [2])), named: /input 'x' has the type optional\(tensor\(int64\)\)/ },
    {
      what: 'a complex number',
      type: tensorType('COMPLEX64', ['N', 4]),
      named: /input 'x' has the type tensor\(complex64\).*real and the imaginary parts/,
    },
    {
      what: 'float4, which onnxruntime cannot cast',
      type: tensorType('FLOAT4E2M1', ['N', 4]),
      named: /input 'x' has the type tensor\(float4e2m1\).*float32 or float16.*model\.float\(\)/,
    },
  ]) {
    test(`${what} as an input`, async () => {
      await assert.rejects(inspected(identity(type), 21), refusal(named));
    });
  }

  test('bfloat16 within the model, for which an operator is missing', async () => {
    const computing: Graph = {
      inputs: [rows],
      outputs: [tensor('y', 'FLOAT', ['N', 4])],
      nodes: [
        node('Cast', ['x'], ['a'], { to: 16 }),
        node('Gemm', ['a', 'a'], ['b'], { transB: 1 }),
        node('Cast', ['b'], ['y'], { to: 1 }),
      ],
    };
    await assert.rejects(inspected(computing), refusal(/Gemm.* computes in bfloat16.*model\.float\(\)/));
  });

  test('as the only output; beside tensors it is dropped with a note', async () => {
    const split = node('SplitToSequence', ['x'], ['pieces'], { axis: 0 });
    const pieces = { name: 'pieces', type: sequenceType(tensorType('FLOAT', [1, 4])) };
    const only = inspected({ inputs: [rows], outputs: [pieces], nodes: [split] });
    await assert.rejects(only, refusal(/no output is a tensor: output 'pieces' has the type seq\(tensor\(float\)\)/));
    const outputs = [tensor('y', 'FLOAT', ['N', 4]), pieces];
    const { notes, signature } = await inspected({ inputs: [rows], outputs, nodes: [split, node('Relu', ['x'], ['y'])] });
    assert.deepEqual(
      signature.outputs.map(({ name }) => name),
      ['y'],
    );
    assert.match(notes.join(), /output 'pieces' has the type seq\(tensor\(float\)\), which cannot be served; it is dropped/);
  });
});
