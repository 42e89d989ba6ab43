/** Well-formed but malicious ONNX files, each derived from the small model `test_affine` (x [N,3] -> y [N,3], sum [N]). */
import { readFileSync } from 'node:fs';
import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import {
  AttributeProto_AttributeType,
  AttributeProtoSchema,
  FunctionProtoSchema,
  type ModelProto,
  ModelProtoSchema,
  NodeProtoSchema,
  OperatorSetIdProtoSchema,
  SparseTensorProtoSchema,
  StringStringEntryProtoSchema,
  TensorProto_DataLocation,
  TensorProtoSchema,
} from 'onnx-buf';
import { modelPath } from '../models/index.ts';
import { varint } from './protobuf-mutation.ts';

type Change = (model: ModelProto, graph: NonNullable<ModelProto['graph']>) => void;

const float = 1;
const int64 = 7;

function int64Tensor(name: string, values: readonly bigint[]) {
  return create(TensorProtoSchema, { name, dataType: int64, dims: [BigInt(values.length)], int64Data: [...values] });
}

function externalTensor(name: string) {
  const location = create(StringStringEntryProtoSchema, { key: 'location', value: '/etc/passwd' });
  return create(TensorProtoSchema, {
    name,
    dataType: float,
    dims: [1n],
    dataLocation: TensorProto_DataLocation.EXTERNAL,
    externalData: [location],
  });
}

function constantNode(name: string, tensor: ReturnType<typeof externalTensor>) {
  const attribute = create(AttributeProtoSchema, { name: 'value', type: AttributeProto_AttributeType.TENSOR, t: tensor });
  return create(NodeProtoSchema, { opType: 'Constant', output: [name], attribute: [attribute] });
}

/** Nested `If` nodes as bytes, because message writers cannot nest this deep. Appended to a model, they extend its graph. */
function nestedBranches(depth: number): Buffer {
  const field = (number: number, content: Buffer): Buffer =>
    Buffer.concat([varint(BigInt(number * 8 + 2)), varint(BigInt(content.length)), content]);
  let graph: Buffer = Buffer.alloc(0);
  for (let i = 0; i < depth; i++) {
    const branch = Buffer.concat([field(1, Buffer.from('then_branch')), field(6, graph)]);
    graph = field(1, Buffer.concat([field(2, Buffer.from('r')), field(4, Buffer.from('If')), field(5, branch)]));
  }
  return field(7, graph);
}

interface HostileModel {
  readonly change?: Change;
  readonly appended?: Buffer;
  /** Null if it may be accepted: a worker that serves it is limited in memory, and its requests fail individually. */
  readonly refusal: RegExp | null;
}

export const hostileModels: Readonly<Record<string, HostileModel>> = {
  'a cyclic graph': {
    change: (_, graph) => {
      const [first] = graph.node;
      if (first !== undefined) first.input[0] = graph.node[1]?.output[0] ?? '';
    },
    refusal: /./,
  },
  'an initializer with a negative dimension': { change: (_, { initializer: [two] }) => void two?.dims.push(-1n), refusal: null },
  'an initializer of a terabyte without data': { change: (_, { initializer: [two] }) => void two?.dims.push(2n ** 38n), refusal: /./ },
  'an initializer whose dimensions overflow': {
    change: (_, { initializer: [two] }) => void two?.dims.push(2n ** 32n, 2n ** 32n),
    refusal: /./,
  },
  'an input with a dimension of 2^40': {
    change: (_, graph) => {
      for (const { type } of [...graph.input, ...graph.output]) {
        const tensor = type?.value.case === 'tensorType' ? type.value.value : undefined;
        for (const dim of tensor?.shape?.dim ?? []) dim.value = { case: 'dimValue', value: 2n ** 40n };
      }
    },
    refusal: /input 'x' is too large/,
  },
  'a node that creates a tensor of a terabyte': {
    change: (_, graph) => {
      graph.initializer.push(int64Tensor('huge', [2n ** 19n, 2n ** 19n]));
      graph.node.push(create(NodeProtoSchema, { opType: 'ConstantOfShape', input: ['huge'], output: ['big'] }));
      graph.node.push(create(NodeProtoSchema, { opType: 'ReduceSum', input: ['big'], output: ['sum2'] }));
      const output = structuredClone(graph.output[1]);
      if (output !== undefined) graph.output.push({ ...output, name: 'sum2' });
    },
    refusal: null,
  },
  'weights in another file': {
    change: (_, graph) => void graph.initializer.push(externalTensor('w')),
    refusal: /'w' is in the data file '\/etc\/passwd', which is an absolute path/,
  },
  'weights of a sparse tensor in another file': {
    change: (_, graph) => void graph.sparseInitializer.push(create(SparseTensorProtoSchema, { dims: [1n], values: externalTensor('w') })),
    refusal: /which is an absolute path/,
  },
  'weights of a function in another file': {
    change: (model) =>
      void model.functions.push(
        create(FunctionProtoSchema, { name: 'F', domain: 'x', output: ['c'], node: [constantNode('c', externalTensor('w'))] }),
      ),
    refusal: /which is an absolute path/,
  },
  'a function that calls itself': {
    change: (model, graph) => {
      const opset = create(OperatorSetIdProtoSchema, { domain: 'x', version: 1n });
      const call = create(NodeProtoSchema, { opType: 'F', domain: 'x', input: ['a'], output: ['b'] });
      model.opsetImport.push(opset);
      model.functions.push(
        create(FunctionProtoSchema, { name: 'F', domain: 'x', input: ['a'], output: ['b'], node: [call], opsetImport: [opset] }),
      );
      graph.node.push(create(NodeProtoSchema, { opType: 'F', domain: 'x', input: ['y'], output: ['z'] }));
    },
    refusal: null,
  },
  'branches nested 60 deep': { appended: nestedBranches(60), refusal: /./ },
  'branches nested 5,000 deep': { appended: nestedBranches(5000), refusal: /./ },
  'an operator that does not exist': {
    change: (_, { node: [mul] }) => void (mul !== undefined && (mul.opType = 'Shell')),
    refusal: /Shell/,
  },
  'an opset from the future': {
    change: (model) => void model.opsetImport.splice(0, 1, create(OperatorSetIdProtoSchema, { domain: '', version: 2n ** 40n })),
    refusal: /./,
  },
  '1,000 outputs with the same name': {
    change: (_, graph) =>
      void graph.output.push(...Array.from({ length: 1000 }, () => structuredClone(graph.output[0] as (typeof graph.output)[0]))),
    refusal: /two outputs of the model are called/,
  },
  'a name of a megabyte': { change: (_, { node: [mul] }) => void (mul !== undefined && (mul.name = 'n'.repeat(2 ** 20))), refusal: null },
  'an input named with control characters': {
    change: (_, graph) => {
      const name = 'x\r\n\0\u001b[2J';
      for (const value of graph.input) value.name = name;
      for (const node of graph.node) node.input = node.input.map((each) => (each === 'x' ? name : each));
    },
    refusal: /control characters/,
  },
};

export function hostileModel(name: string): Buffer {
  const model = fromBinary(ModelProtoSchema, readFileSync(modelPath('test_affine')));
  if (model.graph === undefined) throw new Error('test_affine has no graph');
  const { change, appended = Buffer.alloc(0) } = hostileModels[name] ?? {};
  change?.(model, model.graph);
  return Buffer.concat([toBinary(ModelProtoSchema, model), appended]);
}
