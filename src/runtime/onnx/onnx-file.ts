/** Parses ONNX files without onnxruntime, which does not report opsets, properties or the defect of an invalid file. */
import { fromBinary } from '@bufbuild/protobuf';
import { type ModelProto, ModelProtoSchema } from 'onnx-buf';
import { messageOf, PlatformError } from '../../errors.ts';
import { foreignKind } from './foreign-files.ts';

/** A smaller model cannot contain a graph and an opset. */
const modelBytesMin = 16;
const nameCharactersMax = 1024;

/** Throws `invalid_request` that says what is wrong with the file. */
export function parseModel(bytes: Buffer): ModelProto {
  if (bytes.length === 0) throw invalidModel('the file is empty (0 bytes). Check whether its upload or export was cut off');
  const foreign = foreignKind(bytes);
  if (foreign !== null) throw invalidModel(`the file is ${foreign}`);
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

function checkModel(model: ModelProto, bytes: number): void {
  const { graph } = model;
  if (graph === undefined || bytes < modelBytesMin || model.irVersion < 1n || model.opsetImport.length === 0) {
    throw invalidModel(
      `the file is not an ONNX model: it has no ${graph === undefined ? 'graph' : 'format version or opset'} (${bytes} bytes)`,
    );
  }
  if (graph.output.length === 0) throw invalidModel('the model has no outputs');
  checkNames('input', graph.input);
  checkNames('output', graph.output);
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

export function invalidModel(message: string, cause?: unknown): PlatformError {
  return new PlatformError('invalid_request', message, cause === undefined ? {} : { cause });
}
