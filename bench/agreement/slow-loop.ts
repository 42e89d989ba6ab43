/** An ONNX model that takes about 30 ms of one thread for a small body: test_slow_loop with a fixed number of rounds. */
import { readFileSync, writeFileSync } from 'node:fs';
import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import { ModelProtoSchema, TensorProto_DataType, TensorProtoSchema, type TypeProto } from 'onnx-buf';

const source = new URL('../../assets/conformance/test_slow_loop.onnx', import.meta.url);

export const slowLoopInput = { name: 'x', shape: [1, 256] } as const;

/** Writes the model file. Its batch size is fixed to 1, because a batch would take as long as a single row. A round takes about 4 us. */
export function writeSlowLoop(path: string, rounds = 7000n): void {
  const model = fromBinary(ModelProtoSchema, readFileSync(source));
  const { graph } = model;
  if (graph === undefined) throw new Error(`${source.pathname} has no graph`);
  graph.input = graph.input.filter(({ name }) => name !== 'iters');
  graph.initializer.push(create(TensorProtoSchema, { name: 'iters', dataType: TensorProto_DataType.INT64, int64Data: [rounds] }));
  for (const { type } of [...graph.input, ...graph.output]) fixRows(type);
  writeFileSync(path, toBinary(ModelProtoSchema, model));
}

function fixRows(type: TypeProto | undefined): void {
  const rows = type?.value.case === 'tensorType' ? type.value.value.shape?.dim[0] : undefined;
  if (rows !== undefined) rows.value = { case: 'dimValue', value: 1n };
}
