/** Parses ONNX files without onnxruntime, which does not report opsets, properties or the defect of an invalid file. */
import { fromBinary } from '@bufbuild/protobuf';
import { type ModelProto, ModelProtoSchema } from 'onnx-buf';
import { messageOf, PlatformError } from '../../errors.ts';
import { parseCostBytesMax, parseCostOf } from './parse-cost.ts';

/** A smaller model cannot contain a graph and an opset. */
const modelBytesMin = 16;
const nameCharactersMax = 1024;
/** As many as a message of the Open Inference Protocol may carry. */
const tensorsMax = 1024;

/** Throws `invalid_request` that says what is wrong with the file. */
export function parseModel(bytes: Buffer): ModelProto {
  if (bytes.length === 0) throw invalidModel('the file is empty (0 bytes). Check whether its upload or export was cut off');
  const foreign = foreignKind(bytes);
  if (foreign !== null) throw invalidModel(`the file is ${foreign}`);
  checkParseCost(bytes);
  const cut = missingBytes(bytes);
  if (cut !== null) throw invalidModel(cut);
  let model: ModelProto;
  try {
    model = fromBinary(ModelProtoSchema, bytes);
  } catch (cause) {
    throw invalidModel(`the file is not an ONNX model, or it is damaged (${messageOf(cause)}, ${bytes.length} bytes)`, cause);
  }
  checkModel(model, bytes.length);
  return model;
}

/** Bounds the work of all that reads the model. */
function checkParseCost(bytes: Buffer): void {
  const { costBytes, defect } = parseCostOf(bytes, parseCostBytesMax);
  if (costBytes > parseCostBytesMax) {
    throw invalidModel(
      `the file has too many fields: parsing its ${bytes.length} bytes takes more than ${parseCostBytesMax / 2 ** 20} MiB. ` +
        'Store weights as raw data (raw_data) or as external data, or export a smaller graph',
    );
  }
  if (defect !== null) throw invalidModel(`the file is not an ONNX model, or it is damaged (${defect}, ${bytes.length} bytes)`);
}

function checkModel(model: ModelProto, bytes: number): void {
  const { graph } = model;
  if (graph === undefined || bytes < modelBytesMin || model.irVersion < 1n || model.opsetImport.length === 0) {
    throw invalidModel(
      `the file is not an ONNX model: it has no ${graph === undefined ? 'graph' : 'format version or opset'} (${bytes} bytes)`,
    );
  }
  if (graph.output.length === 0) throw invalidModel('the model has no outputs');
  const weights = new Set(graph.initializer.map(({ name }) => name));
  checkCount('inputs', graph.input.filter(({ name }) => !weights.has(name)).length);
  checkCount('outputs', graph.output.length);
  checkNames('input', graph.input);
  checkNames('output', graph.output);
}

function checkCount(what: string, count: number): void {
  if (count > tensorsMax) throw invalidModel(`the model has ${count} ${what}: expected at most ${tensorsMax}`);
}

/** Clients address tensors by name: a name must be unique, and printable in errors and headers. */
function checkNames(what: string, values: readonly { readonly name: string }[]): void {
  const known = new Set<string>();
  for (const { name } of values) {
    if (name.length > nameCharactersMax)
      throw invalidModel(`the name of an ${what} has ${name.length} characters: expected at most ${nameCharactersMax}`);
    if (hasControlCharacter(name))
      throw invalidModel(`the name of the ${what} ${JSON.stringify(name)} has control characters. Rename it and export the model again`);
    if (known.has(name)) throw invalidModel(`two ${what}s of the model are called '${name}'. Rename one and export the model again`);
    known.add(name);
  }
}

function hasControlCharacter(text: string): boolean {
  return Array.from(text).some((character) => character < ' ' || character === '\x7f');
}

/** Version by operator domain; the default domain is called `ai.onnx`. */
export function opsetsOf(model: ModelProto): Record<string, number> {
  return Object.fromEntries(model.opsetImport.map(({ domain, version }) => [domain === '' ? 'ai.onnx' : domain, Number(version)]));
}

/** Name and version of the program that wrote the file; empty if it states neither. */
export function producerOf(model: ModelProto): string {
  return `${model.producerName} ${model.producerVersion}`.trim();
}

/** The `metadata_props` of the file. */
export function propertiesOf(model: ModelProto): Record<string, string> {
  return Object.fromEntries(model.metadataProps.map(({ key, value }) => [key, value]));
}

/** The top-level fields of an ONNX file, in protobuf's encoding: number * 8 + kind. */
const modelKeys = new Set([8, 18, 26, 34, 40, 50, 58, 66, 114, 162, 202]);
const irVersionKey = 8;

/**
 * Checks by its top-level fields whether the file is truncated; a parser would only report an error at some position. Each field is a key
 * and, depending on its kind, a number (0) or a length with that many bytes (2). Returns null if nothing is missing.
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
    if (!modelKeys.has(key)) return null; // not ONNX, or an unknown version: the parser decides
    seen.add(key);
    const value = varint();
    if (key % 8 === 2) offset += value;
  }
  if (offset === bytes.length || !seen.has(irVersionKey)) return null;
  return `the file is cut off: it has ${bytes.length} bytes, expected at least ${offset}. Copy or export it again`;
}

/** For a file that is no valid model: the caller's mistake, never the server's. */
export function invalidModel(message: string, cause?: unknown): PlatformError {
  return new PlatformError('invalid_request', message, cause === undefined ? {} : { cause });
}

/** Files that are often registered by mistake, recognised by their first bytes. */

interface Kind {
  readonly isIt: (bytes: Buffer) => boolean;
  readonly what: string;
}

const startsWith =
  (...first: readonly number[]) =>
  (bytes: Buffer) =>
    first.every((byte, index) => bytes[index] === byte);
const hasText = (text: string, offset: number) => (bytes: Buffer) => bytes.toString('latin1', offset, offset + text.length) === text;
const startsAsText = (pattern: RegExp) => (bytes: Buffer) => pattern.test(bytes.toString('latin1', 0, 200));

const toOnnx = 'Export the model to ONNX (torch.onnx.export, skl2onnx, tf2onnx) and register that file';

/** In order: the first match is reported. */
const foreignKinds: readonly Kind[] = [
  {
    isIt: startsAsText(/^\s*(<!doctype html|<html)/i),
    what: 'an HTML page, probably an error or sign-in page saved by a download. Download the file itself',
  },
  {
    isIt: startsAsText(/^version https:\/\/git-lfs/),
    what: 'a Git LFS pointer, not the model. Run git lfs pull and register the resulting file',
  },
  { isIt: startsAsText(/^\s*<\?xml|^\s*</), what: 'an XML file, not a model' },
  { isIt: hasText('ustar', 257), what: 'a tar archive. Unpack it and register the .onnx file inside' },
  { isIt: startsWith(0x1f, 0x8b), what: 'a gzip file. Unpack it and register the .onnx file inside' },
  { isIt: hasText('PK\x03\x04', 0), what: `a ZIP archive (such as PyTorch .pt, Keras and .npz files). ${toOnnx}` },
  {
    isIt: (bytes) => bytes.readBigUInt64LE(0) < 100_000_000n && hasText('{"', 8)(bytes),
    what: `a safetensors file, which holds weights but no graph. ${toOnnx}`,
  },
  {
    isIt: (bytes) => bytes[0] === 0x80 && (bytes[1] as number) >= 2 && (bytes[1] as number) <= 5,
    what: `a Python pickle, which is never opened here. ${toOnnx}`,
  },
  { isIt: startsWith(0x89, 0x48, 0x44, 0x46), what: `an HDF5 file (Keras). ${toOnnx}` },
  { isIt: hasText('GGUF', 0), what: 'a GGUF file (llama.cpp), not an ONNX model' },
  { isIt: hasText('TFL3', 4), what: `a TensorFlow Lite file. ${toOnnx}` },
  {
    isIt: hasText('ORTM', 4),
    what: 'an ORT-format file, which fits only one version and machine type. Register the .onnx file it was made from',
  },
  { isIt: hasText('\x93NUMPY', 0), what: 'a NumPy array, not a model' },
  { isIt: startsWith(0x7f, 0x45, 0x4c, 0x46), what: 'a program (ELF), not a model' },
  { isIt: startsAsText(/^\s*[{[]\s*["\]}[{]/), what: 'a JSON file, not a model' },
  { isIt: startsAsText(/^[\t\r\n\x20-\x7e]+$/), what: 'a text file, not a model' },
];

/** The kind of a file that is certainly not an ONNX model; null if its first bytes do not reveal that. */
function foreignKind(bytes: Buffer): string | null {
  if (bytes.length < 12) return null;
  return foreignKinds.find((kind) => kind.isIt(bytes))?.what ?? null;
}
