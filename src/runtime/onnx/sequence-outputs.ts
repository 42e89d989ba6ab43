/**
 * A sequence is a list of tensors, which neither onnxruntime's Node binding nor the served protocols can carry. If the graph shows how many
 * tensors it has, the model is rewritten to return each of them as an output: `pieces_0`, `pieces_1`.
 */
import { create } from '@bufbuild/protobuf';
import {
  type ModelProto,
  NodeProtoSchema,
  TensorProto_DataType,
  TensorProtoSchema,
  type ValueInfoProto,
  ValueInfoProtoSchema,
} from 'onnx-buf';
import { SequenceLengths } from './sequence-lengths.ts';
import { namesIn, unusedName } from './unused-name.ts';

/** Maximum tensors of a sequence. */
const lengthMax = 256;

/** Replaces in place every sequence output of known length. Returns one note for the user per replacement. */
export function splitSequences({ graph }: ModelProto): string[] {
  if (graph === undefined) return [];
  const notes: string[] = [];
  const outputs: ValueInfoProto[] = [];
  const taken = namesIn(graph);
  const lengths = new SequenceLengths(graph);
  for (const output of graph.output) {
    const elements = output.type?.value.case === 'sequenceType' ? output.type.value.value.elemType : undefined;
    const length = elements?.value.case === 'tensorType' ? lengths.of(output.name) : null;
    if (elements === undefined || length === null || length === 0 || length > lengthMax) {
      outputs.push(output);
      continue;
    }
    const names = Array.from({ length }, (_, index) => unusedName(`${output.name}_${index}`, taken));
    for (const [index, name] of names.entries()) {
      const position = unusedName(`${name}_position`, taken);
      graph.initializer.push(
        create(TensorProtoSchema, { name: position, dataType: TensorProto_DataType.INT64, int64Data: [BigInt(index)] }),
      );
      graph.node.push(
        create(NodeProtoSchema, {
          name: unusedName(`${name}_at`, taken),
          opType: 'SequenceAt',
          input: [output.name, position],
          output: [name],
        }),
      );
      outputs.push(create(ValueInfoProtoSchema, { name, type: elements }));
    }
    notes.push(
      `output '${output.name}' was a sequence of ${length} and is now ${length === 1 ? 'the output' : 'the outputs'} ${names.join(', ')}`,
    );
  }
  graph.output = outputs;
  return notes;
}
