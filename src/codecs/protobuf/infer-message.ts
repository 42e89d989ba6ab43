/** `inference.ModelInferRequest` as received: fields of the message, tensors as views, not yet compared with a model. */
import type { JsonObject } from '../oip/parse-json.ts';
import { broken, ProtobufReader } from './protobuf-reader.ts';

/** An input: the fields of the JSON form, and the bytes of its `InferTensorContents`; null without contents. */
export interface InputMessage extends JsonObject {
  readonly name: string;
  readonly datatype: string;
  readonly shape: readonly unknown[];
  readonly parameters: JsonObject | undefined;
  readonly contents: Buffer | null;
}

/** The message before a model is known. */
export interface InferMessage {
  readonly modelName: string;
  /** If empty, the traffic split chooses the version. */
  readonly modelVersion: string;
  readonly id: string;
  readonly parameters: JsonObject | undefined;
  readonly inputs: readonly InputMessage[];
  readonly outputs: readonly JsonObject[];
  /** The i-th element belongs to the i-th input; empty if the inputs are typed. */
  readonly raw: readonly Buffer[];
}

type Parameters = Record<string, unknown>;

/** Maximum size of names, versions and ids. */
const nameBytesMax = 64 * 1024;
const parameterBytesMax = 2 ** 20;
/** Maximum length of a repeated field. No model has more tensors. */
const tensorsMax = 1024;
const dimensionsMax = 64;
/** Maximum number of fields in the whole message, except tensor contents. A field can take two bytes, but costs far more to read. */
const fieldsMax = 16 * 1024;

/** Throws `invalid_request` if the bytes are not a ModelInferRequest, or if it has more parts than any model. */
export function readInferMessage(bytes: Buffer): InferMessage {
  return new MessageReader().message(bytes);
}

class MessageReader {
  #fields = 0;

  message(bytes: Buffer): InferMessage {
    const reader = new ProtobufReader(bytes);
    let [modelName, modelVersion, id] = ['', '', ''];
    let parameters: Parameters | undefined;
    const inputs: InputMessage[] = [];
    const outputs: JsonObject[] = [];
    const raw: Buffer[] = [];
    while (!reader.isAtEnd) {
      const tag = this.#tag(reader);
      if (tag === 0x0a) modelName = reader.string(nameBytesMax);
      else if (tag === 0x12) modelVersion = reader.string(nameBytesMax);
      else if (tag === 0x1a) id = reader.string(nameBytesMax);
      else if (tag === 0x22) this.#parameter(reader.view(), (parameters ??= {}));
      else if (tag === 0x2a) added(inputs, this.#input(reader.view()), 'inputs', tensorsMax);
      else if (tag === 0x32) added(outputs, this.#output(reader.view()), 'outputs', tensorsMax);
      else if (tag === 0x3a) added(raw, reader.view(), 'raw_input_contents', tensorsMax);
      else reader.skip(tag);
    }
    return { modelName, modelVersion, id, parameters, inputs, outputs, raw };
  }

  #tag(reader: ProtobufReader): number {
    if (++this.#fields > fieldsMax) throw broken(`it has more than ${fieldsMax} fields`);
    return reader.tag();
  }

  #input(bytes: Buffer): InputMessage {
    const reader = new ProtobufReader(bytes);
    let [name, datatype] = ['', ''];
    let parameters: Parameters | undefined;
    const contents: Buffer[] = [];
    const shape: (number | bigint)[] = [];
    while (!reader.isAtEnd) {
      const tag = this.#tag(reader);
      if (tag === 0x0a) name = reader.string(nameBytesMax);
      else if (tag === 0x12) datatype = reader.string(nameBytesMax);
      else if (tag === 0x1a) readSizes(reader.view(), shape);
      else if (tag === 0x18) added(shape, reader.int64(), 'shape', dimensionsMax);
      else if (tag === 0x22) this.#parameter(reader.view(), (parameters ??= {}));
      else if (tag === 0x2a) contents.push(reader.view());
      else reader.skip(tag);
    }
    return { name, datatype, shape, parameters, contents: joined(contents) };
  }

  #output(bytes: Buffer): JsonObject {
    const reader = new ProtobufReader(bytes);
    let name = '';
    let parameters: Parameters | undefined;
    while (!reader.isAtEnd) {
      const tag = this.#tag(reader);
      if (tag === 0x0a) name = reader.string(nameBytesMax);
      else if (tag === 0x12) this.#parameter(reader.view(), (parameters ??= {}));
      else reader.skip(tag);
    }
    return { name, parameters };
  }

  /** An entry of a `map<string, InferParameter>`. */
  #parameter(bytes: Buffer, into: Parameters): void {
    const reader = new ProtobufReader(bytes);
    let key = '';
    let value: unknown;
    while (!reader.isAtEnd) {
      const tag = this.#tag(reader);
      if (tag === 0x0a) key = reader.string(nameBytesMax);
      else if (tag === 0x12) value = this.#choice(reader.view());
      else reader.skip(tag);
    }
    if (value !== undefined) into[key] = value;
  }

  /** The value of a oneof: its last field; undefined if none is set. */
  #choice(bytes: Buffer): unknown {
    const reader = new ProtobufReader(bytes);
    let value: unknown;
    while (!reader.isAtEnd) {
      const tag = this.#tag(reader);
      if (tag === 0x08) value = reader.boolean();
      else if (tag === 0x10) value = reader.int64();
      else if (tag === 0x1a) value = reader.string(parameterBytesMax);
      else if (tag === 0x21) value = reader.double();
      else if (tag === 0x28) value = reader.uint64();
      else reader.skip(tag);
    }
    return value;
  }
}

function added<Item>(list: Item[], item: Item, name: string, most: number): void {
  list.push(item);
  if (list.length > most) throw broken(`${name} has more than ${most} entries`);
}

function readSizes(bytes: Buffer, into: (number | bigint)[]): void {
  const reader = new ProtobufReader(bytes);
  while (!reader.isAtEnd) added(into, reader.int64(), 'shape', dimensionsMax);
}

/** Joins the pieces of a message that is split over several fields, as the wire format requires. Null if they are all empty. */
function joined(pieces: readonly Buffer[]): Buffer | null {
  const [first, ...others] = pieces.filter(({ length }) => length > 0);
  if (first === undefined) return null;
  return others.length === 0 ? first : Buffer.concat([first, ...others]);
}
