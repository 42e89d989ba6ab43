/** Models whose inputs and outputs have types that no client sends, with real onnxruntime. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { type Graph, node, onnxFile, tensor } from '../../../test/models/onnx-builder.ts';
import { bytesOf, elementsOf, newArray } from '../../tensor.ts';
import { describeModel } from '../probe/inspect.ts';
import { OnnxModel } from './onnx-model.ts';

let folder: string;
before(() => {
  folder = mkdtempSync(join(tmpdir(), 'penstock-test-'));
});
after(() => rmSync(folder, { recursive: true }));

/** Registers the graph, and runs the rewritten file as a worker loads it. */
async function served(graph: Graph, values: readonly number[], opset = 25) {
  const path = join(folder, 'model.onnx');
  const rewritten = join(folder, 'rewritten.onnx');
  writeFileSync(path, onnxFile(graph, opset));
  const { model: inspected, description } = await describeModel({ path, data: [] }, rewritten, () => 0);
  inspected.release();
  const model = OnnxModel.load(rewritten, 1);
  const [input] = model.signature.inputs;
  assert(input !== undefined && input.datatype !== 'BYTES');
  const array = newArray(input.datatype, values.length);
  for (const [index, value] of values.entries()) array[index] = value;
  const [output] = model.outputs(model.run(model.feeds([{ ...input, shape: [values.length], data: bytesOf(array) }])));
  assert(output !== undefined && output.datatype !== 'BYTES');
  model.release();
  return { ...description, returned: [...elementsOf(output.datatype, output.data)].map(Number) };
}

const echo = (type: Parameters<typeof tensor>[1]): Graph => ({
  inputs: [tensor('x', type, ['N'])],
  outputs: [tensor('y', type, ['N'])],
  nodes: [node('Identity', ['x'], ['y'])],
});

describe('a model with inputs and outputs of a narrow type', () => {
  for (const { type, datatype, sent, returned } of [
    { type: 'BFLOAT16', datatype: 'FP32', sent: [1, -0.5, 1.001, 3e38, 65_504], returned: [1, -0.5, 1, 2.99e38, 65_536] },
    { type: 'FLOAT8E4M3FN', datatype: 'FP32', sent: [1, -0.5, 1.05, 500], returned: [1, -0.5, 1, 448] },
    { type: 'FLOAT8E5M2', datatype: 'FP32', sent: [1, -0.5, 1.1, 1e6], returned: [1, -0.5, 1, 57_344] },
    { type: 'INT4', datatype: 'INT8', sent: [-8, 0, 7, 8, -100], returned: [-8, 0, 7, 7, -8] },
    { type: 'UINT4', datatype: 'UINT8', sent: [0, 15, 16, 255], returned: [0, 15, 15, 15] },
    { type: 'INT2', datatype: 'INT8', sent: [-2, 1, 2, -3], returned: [-2, 1, 1, -2] },
    { type: 'UINT2', datatype: 'UINT8', sent: [0, 3, 4], returned: [0, 3, 3] },
  ] as const) {
    test(`${type} takes and returns ${datatype}, and values that it lacks become the nearest one`, async () => {
      const outcome = await served(echo(type), sent);
      for (const spec of [...outcome.signature.inputs, ...outcome.signature.outputs]) {
        assert.deepEqual(spec, { name: spec.name, datatype, shape: [-1] });
      }
      assert.match(
        outcome.notes.join('\n'),
        new RegExp(`input 'x' is tensor\\(${type.toLowerCase()}\\) in the file and takes ${datatype}:`),
      );
      for (const [index, value] of returned.entries()) {
        const got = outcome.returned[index] as number;
        assert(Math.abs(got - value) <= Math.abs(value) * 0.005, `${sent[index]} became ${got}, expected ${value}`);
      }
    });
  }

  test('whose branches use the input directly', async () => {
    const branch = (name: string, op: string): Graph => ({
      outputs: [tensor(name, 'BFLOAT16', ['N'])],
      nodes: [
        node('Cast', ['x'], [`${name}_wide`], { to: 1 }),
        node(op, [`${name}_wide`], [`${name}_done`]),
        node('Cast', [`${name}_done`], [name], { to: 16 }),
      ],
    });
    const { returned } = await served(
      {
        inputs: [tensor('x', 'BFLOAT16', ['N'])],
        outputs: [tensor('y', 'BFLOAT16', ['N'])],
        nodes: [
          node('Cast', ['x'], ['wide'], { to: 1 }),
          node('ReduceMax', ['wide'], ['largest'], { keepdims: 0 }),
          node('Cast', ['largest'], ['positive'], { to: 9 }),
          node('If', ['positive'], ['y'], { then_branch: { graph: branch('a', 'Neg') }, else_branch: { graph: branch('b', 'Abs') } }),
        ],
      },
      [1, 2],
    );
    assert.deepEqual(returned, [-1, -2]);
  });

  test('gets names that the model does not have', async () => {
    const { returned } = await served(
      {
        inputs: [tensor('x', 'BFLOAT16', ['N'])],
        outputs: [tensor('y', 'FLOAT', ['N'])],
        nodes: [node('Cast', ['x'], ['x_narrow'], { to: 1 }), node('Neg', ['x_narrow'], ['y'])],
      },
      [1, 2],
    );
    assert.deepEqual(returned, [-1, -2]);
  });
});
