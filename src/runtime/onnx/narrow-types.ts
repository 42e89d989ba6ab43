/**
 * bfloat16, the 8-bit floats and the integers of 4 and 2 bits: onnxruntime computes with them, but its Node binding exchanges none of them,
 * and of the served protocols only the Open Inference Protocol names one. So a model is rewritten to cast at its edge: clients send and get
 * the next wider type, which holds every value of the narrow one (ADR 37).
 */
import { create } from '@bufbuild/protobuf';
import {
  AttributeProto_AttributeType,
  type GraphProto,
  type ModelProto,
  type NodeProto,
  NodeProtoSchema,
  TensorProto_DataType,
  TensorProtoSchema,
  type ValueInfoProto,
} from 'onnx-buf';
import { elementText } from './onnx-types.ts';
import { namesIn, unusedName } from './unused-name.ts';

interface Edge {
  /** What clients exchange instead. */
  readonly type: TensorProto_DataType;
  readonly datatype: 'FP32' | 'INT8' | 'UINT8';
  /** Bounds of the narrow integers, both included; a float is rounded by the Cast alone. */
  readonly bounds: readonly [number, number] | null;
}

const asFloat: Edge = { type: TensorProto_DataType.FLOAT, datatype: 'FP32', bounds: null };
const asInt8 = (bounds: readonly [number, number]): Edge => ({ type: TensorProto_DataType.INT8, datatype: 'INT8', bounds });
const asUint8 = (bounds: readonly [number, number]): Edge => ({ type: TensorProto_DataType.UINT8, datatype: 'UINT8', bounds });

const edges = new Map<number, Edge>([
  [TensorProto_DataType.BFLOAT16, asFloat],
  [TensorProto_DataType.FLOAT8E4M3FN, asFloat],
  [TensorProto_DataType.FLOAT8E4M3FNUZ, asFloat],
  [TensorProto_DataType.FLOAT8E5M2, asFloat],
  [TensorProto_DataType.FLOAT8E5M2FNUZ, asFloat],
  [TensorProto_DataType.INT4, asInt8([-8, 7])],
  [TensorProto_DataType.INT2, asInt8([-2, 1])],
  [TensorProto_DataType.UINT4, asUint8([0, 15])],
  [TensorProto_DataType.UINT2, asUint8([0, 3])],
]);

/** Widens in place every input and output of a narrow type. Returns one note for the user per tensor. */
export function widenNarrowTypes({ graph }: ModelProto): string[] {
  if (graph === undefined) return [];
  const names = new Set(namesIn(graph));
  const weights = new Set(graph.initializer.map(({ name }) => name));
  const inputs = graph.input.filter(({ name }) => !weights.has(name));
  const inputNames = new Set(graph.input.map(({ name }) => name));
  const widening: Widening = { graph, names, inputNames, inner: new Map(), first: [], last: [] };
  const notes = [
    ...inputs.flatMap((input) => widenInput(widening, input)),
    ...graph.output.flatMap((output) => widenOutput(widening, output)),
  ];
  const { inner, first, last } = widening;
  if (inner.size > 0) rename(graph, inner);
  // The nodes of a graph are listed in the order in which they run.
  if (first.length + last.length > 0) graph.node = [...first, ...graph.node, ...last];
  return notes;
}

/** The changes to a graph. All names are changed in one pass at the end, since large graphs have many inputs. */
interface Widening {
  readonly graph: GraphProto;
  /** All names in the graph, with those that are added to it. */
  readonly names: Set<string>;
  readonly inputNames: ReadonlySet<string>;
  /** The names of the narrow values within the graph, by those of its inputs and outputs. */
  readonly inner: Map<string, string>;
  readonly first: NodeProto[];
  readonly last: NodeProto[];
}

function widenInput({ graph, names, inner: renamed, first }: Widening, input: ValueInfoProto): string[] {
  const narrow = narrowType(input);
  if (narrow === null) return [];
  const { elementType, edge } = narrow;
  const { name } = input;
  const inner = unusedName(`${name}_narrow`, names);
  renamed.set(name, inner);
  setElementType(input, edge.type);
  let from = name;
  if (edge.bounds !== null) {
    // A Cast of integers drops bits: 8 would become -8.
    const [low, high] = edge.bounds.map((bound) => {
      const constant = unusedName(`${name}_bound`, names);
      graph.initializer.push(create(TensorProtoSchema, { name: constant, dataType: edge.type, int32Data: [bound] }));
      return constant;
    }) as [string, string];
    from = unusedName(`${name}_bounded`, names);
    first.push(create(NodeProtoSchema, { opType: 'Clip', input: [name, low, high], output: [from] }));
  }
  first.push(castNode(from, inner, elementType));
  const type = elementText(elementType);
  const rule =
    edge.bounds === null
      ? `the model rounds its values to ${type}`
      : `values outside of ${edge.bounds.join(' to ')} become the nearest bound`;
  return [`input '${name}' is tensor(${type}) in the file and takes ${edge.datatype}: ${rule}`];
}

function widenOutput({ names, inputNames, inner: renamed, last }: Widening, output: ValueInfoProto): string[] {
  const narrow = narrowType(output);
  if (narrow === null) return [];
  const { elementType, edge } = narrow;
  const { name } = output;
  setElementType(output, edge.type);
  // An input that is returned unchanged is already wide.
  if (!inputNames.has(name)) {
    const inner = unusedName(`${name}_narrow`, names);
    renamed.set(name, inner);
    last.push(castNode(inner, name, edge.type));
  }
  return [
    `output '${name}' is tensor(${elementText(elementType)}) in the file and is returned as ${edge.datatype}, which holds all its values`,
  ];
}

function narrowType({ type }: ValueInfoProto): { readonly elementType: number; readonly edge: Edge } | null {
  if (type?.value.case !== 'tensorType') return null;
  const { elemType: elementType } = type.value.value;
  const edge = edges.get(elementType);
  return edge === undefined ? null : { elementType, edge };
}

function setElementType({ type }: ValueInfoProto, elementType: number): void {
  if (type?.value.case === 'tensorType') type.value.value.elemType = elementType;
}

function castNode(from: string, to: string, type: number): NodeProto {
  const attribute = [{ name: 'to', type: AttributeProto_AttributeType.INT, i: BigInt(type) }];
  return create(NodeProtoSchema, { opType: 'Cast', input: [from], output: [to], attribute });
}

/** Renames values for all nodes of a graph and of the graphs within them, whose values have names of their own. */
function rename(graph: GraphProto, names: ReadonlyMap<string, string>): void {
  const renamed = (name: string): string => names.get(name) ?? name;
  for (const each of [...graph.initializer, ...graph.valueInfo]) each.name = renamed(each.name);
  for (const node of graph.node) {
    node.input = node.input.map(renamed);
    node.output = node.output.map(renamed);
    for (const { g, graphs } of node.attribute) {
      for (const inner of g === undefined ? graphs : [g, ...graphs]) {
        rename(inner, names);
        for (const output of inner.output) output.name = renamed(output.name);
      }
    }
  }
}
