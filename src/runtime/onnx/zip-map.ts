/**
 * Converters of scikit-learn end their graphs in ZipMap, which turns a table of probabilities into a list of maps. onnxruntime
 * cannot return a list of maps to Node, and none of the served protocols can carry it. So the node is replaced by Identity: the
 * output keeps its name and becomes the table, with one column per class.
 */
import { create } from '@bufbuild/protobuf';
import { type GraphProto, type ModelProto, type NodeProto, NodeProtoSchema, TensorProto_DataType, ValueInfoProtoSchema } from 'onnx-buf';

/** Replaces in place every ZipMap that feeds an output. Returns one note for the user per replacement. */
export function stripZipMaps(model: ModelProto): string[] {
  const { graph } = model;
  if (graph === undefined) return [];
  return graph.node.flatMap((node, index) => {
    if (node.opType !== 'ZipMap') return [];
    const [from, to] = [node.input[0], node.output[0]];
    const place = graph.output.findIndex((output) => output.name === to);
    if (from === undefined || to === undefined || place < 0) return [];
    const classes = classLabels(node);
    graph.node[index] = create(NodeProtoSchema, { name: node.name, opType: 'Identity', input: [from], output: [to] });
    graph.output[place] = tableOf(to, rowsName(graph), classes.length);
    return [
      `output '${to}' was a list of maps (ZipMap) and is now FP32 [-1,${classes.length}], one column per class: ${classes.join(', ')}`,
    ];
  });
}

function classLabels(node: NodeProto): string[] {
  return node.attribute.flatMap(({ name, strings, ints }) => {
    if (name === 'classlabels_strings') return strings.map((label) => new TextDecoder().decode(label));
    return name === 'classlabels_int64s' ? ints.map(String) : [];
  });
}

/** The symbol of the rows, from the first input that has one, so input and output visibly share it. */
function rowsName(graph: GraphProto): string {
  for (const { type } of graph.input) {
    const size = type?.value.case === 'tensorType' ? type.value.value.shape?.dim[0]?.value : undefined;
    if (size?.case === 'dimParam' && size.value !== '') return size.value;
  }
  return 'N';
}

function tableOf(name: string, rows: string, columns: number) {
  const dim = [{ value: { case: 'dimParam' as const, value: rows } }, { value: { case: 'dimValue' as const, value: BigInt(columns) } }];
  const table = { case: 'tensorType' as const, value: { elemType: TensorProto_DataType.FLOAT, shape: { dim } } };
  return create(ValueInfoProtoSchema, { name, type: { value: table } });
}
