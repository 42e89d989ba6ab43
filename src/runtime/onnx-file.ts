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

/** The outermost fields of an ONNX file, as protobuf writes them: number * 8 + kind. */
const modelKeys = new Set([8, 18, 26, 34, 40, 50, 58, 66, 114, 162, 202]);
const irVersionKey = 8;

/**
 * Whether the file ends too early, told by its outermost fields alone: a parser would only say that something is wrong
 * somewhere. Each field is a key and, by its kind, a number (0) or a length with so many bytes (2).
 */
function missingBytes(bytes: Buffer): string | null {
  const seen = new Set<number>();
  let offset = 0;
  const varint = (): number => {
    let value = 0;
    for (let scale = 1; scale <= 2 ** 63; scale *= 128) {
      const byte = bytes[offset++] ?? 0;
      value += (byte & 127) * scale;
      if (byte < 128) break;
    }
    return value;
  };
  while (offset < bytes.length) {
    const key = varint();
    if (!modelKeys.has(key)) return null; // no ONNX, or not as far as we know it: the parser decides
    seen.add(key);
    const value = varint();
    if (key % 8 === 2) offset += value;
  }
  if (offset === bytes.length || !seen.has(irVersionKey)) return null;
  return `the file is cut off: it has ${bytes.length} bytes and should go on to byte ${offset} or further; copy or export it again`;
}

export function refused(message: string, cause?: unknown): PlatformError {
  return new PlatformError('invalid_request', message, cause === undefined ? {} : { cause });
}
