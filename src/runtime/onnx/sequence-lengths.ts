/** How many tensors a sequence has, as far as the graph alone shows it. */
import { type GraphProto, type NodeProto, type TensorProto, TensorProto_DataType, type ValueInfoProto } from 'onnx-buf';

/** Maximum nodes to visit for all outputs of a model: a hostile graph can refer to its nodes exponentially often. */
const visitsMax = 10_000;
/** Maximum nesting of the walk. */
const depthMax = 500;

/** Graphs are untrusted: depth and number of visited nodes are bounded, and beyond the bounds the answer is null. */
export class SequenceLengths {
  readonly #graphs: readonly GraphProto[];
  #visits = 0;

  /** `outer`: the graphs around this one, whose values it can use; the innermost first. */
  constructor(graph: GraphProto, outer: readonly GraphProto[] = []) {
    this.#graphs = [graph, ...outer];
  }

  /** Null if it depends on the inputs, or is unknown. */
  of(name: string): number | null {
    return this.#of(name, this.#graphs, 0);
  }

  #of(name: string, graphs: readonly GraphProto[], depth: number): number | null {
    if (depth > depthMax || ++this.#visits > visitsMax) return null;
    const [graph, ...outer] = graphs;
    if (graph === undefined) return null;
    const node = namesOf(graph).producers.get(name);
    if (node === undefined) return this.#of(name, outer, depth + 1);
    const [first = '', second = ''] = node.input;
    switch (node.opType) {
      case 'SequenceEmpty':
        return 0;
      case 'SequenceConstruct':
        return node.input.length;
      case 'Identity':
        return this.#of(first, graphs, depth + 1);
      case 'SequenceInsert':
        return added(this.#of(first, graphs, depth + 1), 1);
      case 'SequenceErase':
        return added(this.#of(first, graphs, depth + 1), -1);
      case 'SplitToSequence':
        return second === '' ? sizeOf(first, axisOf(node), graphs) : piecesOf(node, graphs);
      case 'If':
        return this.#ofBranches(node, node.output.indexOf(name), graphs, depth);
      default:
        return null;
    }
  }

  #ofBranches(node: NodeProto, place: number, graphs: readonly GraphProto[], depth: number): number | null {
    const branches = node.attribute.flatMap(({ g }) => (g === undefined ? [] : [g]));
    const lengths = branches.map((branch) => {
      const output = branch.output[place];
      return output === undefined ? null : this.#of(output.name, [branch, ...graphs], depth + 1);
    });
    const [length = null] = lengths;
    return lengths.every((each) => each === length) ? length : null;
  }
}

function added(length: number | null, more: number): number | null {
  return length === null ? null : length + more;
}

/** Number of pieces: the second input lists their sizes, or is the size of each. */
function piecesOf(node: NodeProto, graphs: readonly GraphProto[]): number | null {
  const [name = '', sizes = ''] = node.input;
  const split = constant(sizes, graphs);
  // The number of sizes can be known even if their values are not.
  if (split === null) return sizeOf(sizes, 0, graphs);
  if (split.dims.length === 1) return Number(split.dims[0]);
  const size = sizeOf(name, axisOf(node), graphs);
  const each = integerOf(split);
  return size === null || each === null || each < 1 ? null : Math.ceil(size / each);
}

function axisOf({ attribute }: NodeProto): number {
  return Number(attribute.find(({ name }) => name === 'axis')?.i ?? 0n);
}

/** Size of a dimension of a value; null if it varies or is unknown. */
function sizeOf(name: string, axis: number, [graph]: readonly GraphProto[]): number | null {
  const value = graph === undefined ? undefined : namesOf(graph).values.get(name);
  const shape = value?.type?.value.case === 'tensorType' ? value.type.value.value.shape : undefined;
  const size = shape?.dim.at(axis)?.value;
  return size?.case === 'dimValue' ? Number(size.value) : null;
}

/** A constant of the graph, or of one around it. */
function constant(name: string, graphs: readonly GraphProto[]): TensorProto | null {
  for (const graph of graphs) {
    const { initializers, producers } = namesOf(graph);
    const initializer = initializers.get(name);
    if (initializer !== undefined) return graph.input.some((input) => input.name === name) ? null : initializer;
    const node = producers.get(name);
    if (node !== undefined) return node.opType === 'Constant' ? (node.attribute.find((each) => each.name === 'value')?.t ?? null) : null;
  }
  return null;
}

function integerOf({ dataType, int64Data, int32Data, rawData }: TensorProto): number | null {
  const [wide] = int64Data;
  if (wide !== undefined) return Number(wide);
  const [narrow] = int32Data;
  if (narrow !== undefined) return narrow;
  const view = new DataView(rawData.buffer, rawData.byteOffset, rawData.byteLength);
  if (dataType === TensorProto_DataType.INT64 && rawData.length === 8) return Number(view.getBigInt64(0, true));
  return dataType === TensorProto_DataType.INT32 && rawData.length === 4 ? view.getInt32(0, true) : null;
}

/** The parts of a graph by name; of several with one name, the first. Built once, because graphs can be large. */
interface GraphNames {
  /** Nodes by their outputs. */
  readonly producers: ReadonlyMap<string, NodeProto>;
  readonly initializers: ReadonlyMap<string, TensorProto>;
  /** Inputs, and other values whose type the file declares. */
  readonly values: ReadonlyMap<string, ValueInfoProto>;
}

const namesByGraph = new WeakMap<GraphProto, GraphNames>();

function namesOf(graph: GraphProto): GraphNames {
  let names = namesByGraph.get(graph);
  if (names === undefined) {
    const { node, initializer, input, valueInfo } = graph;
    const producers = new Map<string, NodeProto>();
    for (const each of node) for (const output of each.output) if (!producers.has(output)) producers.set(output, each);
    names = { producers, initializers: byName(initializer), values: byName([...input, ...valueInfo]) };
    namesByGraph.set(graph, names);
  }
  return names;
}

function byName<T extends { readonly name: string }>(list: readonly T[]): ReadonlyMap<string, T> {
  return new Map(list.toReversed().map((each) => [each.name, each]));
}
