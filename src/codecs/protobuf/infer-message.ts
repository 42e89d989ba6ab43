/** `inference.ModelInferRequest` as it comes: fields as they stand in the message, tensors as views, nothing compared with a model yet. */
import type { JsonObject } from '../oip/parse-json.ts';
import { ProtobufReader } from './protobuf-reader.ts';

/** Of an input: what the protocol's JSON form has too, and the bytes of its `InferTensorContents`; null where it has none. */
export interface InputMessage extends JsonObject {
  readonly name: string;
  readonly datatype: string;
  readonly shape: readonly unknown[];
  readonly parameters: JsonObject | undefined;
  readonly contents: Buffer | null;
}

export interface InferMessage {
  readonly modelName: string;
  /** Empty: the traffic split chooses. */
  readonly modelVersion: string;
  readonly id: string;
  readonly parameters: JsonObject | undefined;
  readonly inputs: readonly InputMessage[];
  readonly outputs: readonly JsonObject[];
  /** The i-th is that of the i-th input; none where the inputs are typed. */
  readonly raw: readonly Buffer[];
}

type Parameters = Record<string, unknown>;

/** Throws `invalid_request` where the bytes are no such message. */
export function readInferMessage(bytes: Buffer): InferMessage {
  const reader = new ProtobufReader(bytes);
  let [modelName, modelVersion, id] = ['', '', ''];
  let parameters: Parameters | undefined;
  const inputs: InputMessage[] = [];
  const outputs: JsonObject[] = [];
  const raw: Buffer[] = [];
  while (!reader.isAtEnd) {
    const tag = reader.tag();
    if (tag === 0x0a) modelName = reader.string();
    else if (tag === 0x12) modelVersion = reader.string();
    else if (tag === 0x1a) id = reader.string();
    else if (tag === 0x22) readParameter(reader.view(), (parameters ??= {}));
    else if (tag === 0x2a) inputs.push(readInput(reader.view()));
    else if (tag === 0x32) outputs.push(readOutput(reader.view()));
    else if (tag === 0x3a) raw.push(reader.view());
    else reader.skip(tag);
  }
  return { modelName, modelVersion, id, parameters, inputs, outputs, raw };
}

function readInput(bytes: Buffer): InputMessage {
  const reader = new ProtobufReader(bytes);
  let [name, datatype] = ['', ''];
  let parameters: Parameters | undefined;
  let contents: Buffer | null = null;
  const shape: (number | bigint)[] = [];
  while (!reader.isAtEnd) {
    const tag = reader.tag();
    if (tag === 0x0a) name = reader.string();
    else if (tag === 0x12) datatype = reader.string();
    else if (tag === 0x1a) readSizes(reader.view(), shape);
    else if (tag === 0x18) shape.push(reader.int64());
    else if (tag === 0x22) readParameter(reader.view(), (parameters ??= {}));
    // A message that comes in two pieces is one: so says the wire form.
    else if (tag === 0x2a) contents = joined(contents, reader.view());
    else reader.skip(tag);
  }
  return { name, datatype, shape, parameters, contents };
}

function readSizes(bytes: Buffer, into: (number | bigint)[]): void {
  const reader = new ProtobufReader(bytes);
  while (!reader.isAtEnd) into.push(reader.int64());
}

function joined(before: Buffer | null, next: Buffer): Buffer | null {
  if (before === null) return next.length === 0 ? null : next;
  return Buffer.concat([before, next]);
}

function readOutput(bytes: Buffer): JsonObject {
  const reader = new ProtobufReader(bytes);
  let name = '';
  let parameters: Parameters | undefined;
  while (!reader.isAtEnd) {
    const tag = reader.tag();
    if (tag === 0x0a) name = reader.string();
    else if (tag === 0x12) readParameter(reader.view(), (parameters ??= {}));
    else reader.skip(tag);
  }
  return { name, parameters };
}

/** An entry of a `map<string, InferParameter>`. */
function readParameter(bytes: Buffer, into: Parameters): void {
  const reader = new ProtobufReader(bytes);
  let key = '';
  let value: unknown;
  while (!reader.isAtEnd) {
    const tag = reader.tag();
    if (tag === 0x0a) key = reader.string();
    else if (tag === 0x12) value = readChoice(reader.view());
    else reader.skip(tag);
  }
  if (value !== undefined) into[key] = value;
}

/** The last one counts, as in any oneof; undefined where none is set. */
function readChoice(bytes: Buffer): unknown {
  const reader = new ProtobufReader(bytes);
  let value: unknown;
  while (!reader.isAtEnd) {
    const tag = reader.tag();
    if (tag === 0x08) value = reader.boolean();
    else if (tag === 0x10) value = reader.int64();
    else if (tag === 0x1a) value = reader.string();
    else if (tag === 0x21) value = reader.double();
    else if (tag === 0x28) value = reader.uint64();
    else reader.skip(tag);
  }
  return value;
}
