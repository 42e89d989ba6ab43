/** The ONNX file itself, read without onnxruntime, which tells neither opsets nor properties nor what is wrong with a file. */
import { fromBinary } from '@bufbuild/protobuf';
import { type GraphProto, type ModelProto, ModelProtoSchema, type TensorProto, TensorProto_DataLocation } from 'onnx-buf';
import { messageOf, PlatformError } from '../errors.ts';
import { foreignKind } from './foreign-files.ts';

/** A model of fewer bytes cannot name a graph and an opset. */
const modelBytesMin = 16;

/** Throws `invalid_request` that says what is wrong with the file. */
export function parseModel(bytes: Buffer): ModelProto {
  if (bytes.length === 0) throw refused('the file is empty (0 bytes); was its upload or export cut off?');
  const foreign = foreignKind(bytes);
  if (foreign !== null) throw refused(`the file is ${foreign}`);
  const cut = missingBytes(bytes);
  if (cut !== null) throw refused(cut);
  let model: ModelProto;
  try {
    model = fromBinary(ModelProtoSchema, bytes);
  } catch (cause) {
    throw refused(`the file is no ONNX model, or a damaged one (${messageOf(cause)}, ${bytes.length} bytes)`, cause);
  }
  checkModel(model, bytes.length);
  return model;
}

function checkModel(model: ModelProto, bytes: number): void {
  const { graph } = model;
  if (graph === undefined || bytes < modelBytesMin || model.irVersion < 1n || model.opsetImport.length === 0) {
    throw refused(`the file is no ONNX model: it has no ${graph === undefined ? 'graph' : 'format version or opset'} (${bytes} bytes)`);
  }
  if (graph.output.length === 0) throw refused('the model has no outputs');
  const outside = externalFiles(graph);
  if (outside.tensors > 0) {
    throw refused(
      `the weights of ${outside.tensors} tensors lie in another file (${[...outside.files].join(', ')}), which a bare .onnx file does not bring along; ` +
        'save the model as one file: onnx.save(model, path, save_as_external_data=False)',
    );
  }
}

/** Version by operator domain; the default domain is called `ai.onnx`. */
export function opsetsOf(model: ModelProto): Record<string, number> {
  return Object.fromEntries(model.opsetImport.map(({ domain, version }) => [domain === '' ? 'ai.onnx' : domain, Number(version)]));
}

export function producerOf(model: ModelProto): string {
  return `${model.producerName} ${model.producerVersion}`.trim();
}

export function propertiesOf(model: ModelProto): Record<string, string> {
  return Object.fromEntries(model.metadataProps.map(({ key, value }) => [key, value]));
}

/** Every graph of the model: the main one and those within its nodes (loops, branches). */
function* graphsIn(graph: GraphProto): Generator<GraphProto> {
  yield graph;
  for (const node of graph.node) {
    for (const attribute of node.attribute) {
      if (attribute.g !== undefined) yield* graphsIn(attribute.g);
      for (const inner of attribute.graphs) yield* graphsIn(inner);
    }
  }
}

function* tensorsIn(graph: GraphProto): Generator<TensorProto> {
  for (const { initializer, sparseInitializer, node } of graphsIn(graph)) {
    yield* initializer;
    for (const { values, indices } of sparseInitializer) {
      if (values !== undefined) yield values;
      if (indices !== undefined) yield indices;
    }
    for (const { attribute } of node) {
      for (const { t, tensors } of attribute) {
        if (t !== undefined) yield t;
        yield* tensors;
      }
    }
  }
}

function externalFiles(graph: GraphProto): { tensors: number; files: Set<string> } {
  const files = new Set<string>();
  let tensors = 0;
  for (const tensor of tensorsIn(graph)) {
    if (tensor.dataLocation !== TensorProto_DataLocation.EXTERNAL) continue;
    tensors++;
    files.add(tensor.externalData.find(({ key }) => key === 'location')?.value ?? 'unnamed');
  }
  return { tensors, files };
}

/**
 * Whether the file ends too early, told by its outermost fields alone: a parser would only say that something is wrong
 * somewhere. Protobuf: each field is a key (number * 8 + kind) and a varint (0), 8 bytes (1), length + bytes (2) or 4 bytes (5).
 */
function missingBytes(bytes: Buffer): string | null {
  let offset = 0;
  const varint = (): number => {
    for (let value = 0, scale = 1; offset < bytes.length && scale <= 2 ** 63; scale *= 128) {
      const byte = bytes[offset++] as number;
      value += (byte & 127) * scale;
      if (byte < 128) return value;
    }
    return Number.NaN;
  };
  while (offset < bytes.length) {
    const key = varint();
    const kind = key % 8;
    if (Number.isNaN(key) || key < 8) return null;
    if (kind === 0) varint();
    else if (kind === 1) offset += 8;
    else if (kind === 5) offset += 4;
    else if (kind === 2) offset += varint();
    else return null;
    // Only the graph (field 7) says it reliably; a wrong length elsewhere may as well be no protobuf at all.
    if (offset > bytes.length && key === 7 * 8 + 2) {
      return `the file is cut off: it has ${bytes.length} bytes, but its graph alone ends at byte ${offset}; copy or export it again`;
    }
  }
  return null;
}

export function refused(message: string, cause?: unknown): PlatformError {
  return new PlatformError('invalid_request', message, cause === undefined ? {} : { cause });
}
