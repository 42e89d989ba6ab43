/** Builds small ONNX models for tests that need a graph which no exporter makes for them. */
import { create, toBinary } from '@bufbuild/protobuf';
import {
  type AttributeProto,
  AttributeProto_AttributeType,
  AttributeProtoSchema,
  type GraphProto,
  GraphProtoSchema,
  ModelProtoSchema,
  NodeProtoSchema,
  TensorProto_DataType,
  TensorProtoSchema,
  type TypeProto,
  TypeProtoSchema,
  ValueInfoProtoSchema,
} from 'onnx-buf';

type ElementType = keyof typeof TensorProto_DataType;

export interface Value {
  readonly name: string;
  readonly type: TypeProto;
}

/** An integer, integers, a float, or a graph of its own. */
export type Attribute = number | readonly number[] | { readonly float: number } | { readonly graph: Graph };

export interface Node {
  readonly op: string;
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  readonly attributes?: Readonly<Record<string, Attribute>>;
}

export interface Graph {
  readonly inputs?: readonly Value[];
  readonly outputs: readonly Value[];
  readonly nodes: readonly Node[];
  /** Constant tensors: 32-bit floats or 64-bit integers. */
  readonly constants?: Readonly<
    Record<string, { readonly shape: readonly number[]; readonly data: Float32Array<ArrayBuffer> | BigInt64Array<ArrayBuffer> }>
  >;
}

/** A size is a number, or the name of a dimension that varies. */
export function tensorType(type: ElementType, shape: readonly (number | string)[]): TypeProto {
  const dim = shape.map((size) => ({
    value: typeof size === 'number' ? { case: 'dimValue' as const, value: BigInt(size) } : { case: 'dimParam' as const, value: size },
  }));
  return create(TypeProtoSchema, { value: { case: 'tensorType', value: { elemType: TensorProto_DataType[type], shape: { dim } } } });
}

export function sequenceType(elemType: TypeProto): TypeProto {
  return create(TypeProtoSchema, { value: { case: 'sequenceType', value: { elemType } } });
}

export function optionalType(elemType: TypeProto): TypeProto {
  return create(TypeProtoSchema, { value: { case: 'optionalType', value: { elemType } } });
}

export function tensor(name: string, type: ElementType, shape: readonly (number | string)[]): Value {
  return { name, type: tensorType(type, shape) };
}

export function node(op: string, inputs: readonly string[], outputs: readonly string[], attributes: Node['attributes'] = {}): Node {
  return { op, inputs, outputs, attributes };
}

export function floats(shape: readonly number[], values: readonly number[]) {
  return { shape, data: Float32Array.from(values) };
}

export function integers(shape: readonly number[], values: readonly number[]) {
  return { shape, data: BigInt64Array.from(values, BigInt) };
}

/** The bytes of a model file. */
export function onnxFile(graph: Graph, opset = 17): Uint8Array {
  const model = create(ModelProtoSchema, {
    irVersion: 9n,
    producerName: 'penstock-test',
    opsetImport: [{ domain: '', version: BigInt(opset) }],
    graph: graphProto(graph),
  });
  return toBinary(ModelProtoSchema, model);
}

function graphProto({ inputs = [], outputs, nodes, constants = {} }: Graph): GraphProto {
  return create(GraphProtoSchema, {
    name: 'graph',
    input: inputs.map((value) => create(ValueInfoProtoSchema, value)),
    output: outputs.map((value) => create(ValueInfoProtoSchema, value)),
    node: nodes.map(({ op, inputs: input, outputs: output, attributes = {} }) =>
      create(NodeProtoSchema, {
        opType: op,
        input: [...input],
        output: [...output],
        attribute: Object.entries(attributes).map(([name, value]) => attributeProto(name, value)),
      }),
    ),
    initializer: Object.entries(constants).map(([name, { shape, data }]) =>
      create(TensorProtoSchema, {
        name,
        dims: shape.map(BigInt),
        dataType: data instanceof Float32Array ? TensorProto_DataType.FLOAT : TensorProto_DataType.INT64,
        rawData: new Uint8Array(data.buffer, data.byteOffset, data.byteLength),
      }),
    ),
  });
}

function attributeProto(name: string, value: Attribute): AttributeProto {
  if (typeof value === 'number') return create(AttributeProtoSchema, { name, type: AttributeProto_AttributeType.INT, i: BigInt(value) });
  if ('float' in value) return create(AttributeProtoSchema, { name, type: AttributeProto_AttributeType.FLOAT, f: value.float });
  if ('graph' in value) return create(AttributeProtoSchema, { name, type: AttributeProto_AttributeType.GRAPH, g: graphProto(value.graph) });
  return create(AttributeProtoSchema, { name, type: AttributeProto_AttributeType.INTS, ints: value.map(BigInt) });
}
