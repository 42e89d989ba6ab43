/** Encodes `inference.ModelInferResponse` and its stream envelope in one pass into one buffer. */
import type { Tensor } from '../../tensor.ts';
import { classify } from '../oip/classification.ts';
import type { ModelPlan, RequestedOutput } from '../oip/model-plan.ts';
import type { MessageRequest } from './decode-message.ts';
import { ProtobufWriter, varintBytes, varintBytesMax } from './protobuf-writer.ts';
import { typedContents } from './typed-contents.ts';

/** Parameters of a response; protobuf has a member for each of the three types. */
export type ResponseParameters = Readonly<Record<string, boolean | number | string>>;

/** Maximum size of a tag and a length. */
const headBytesMax = 1 + varintBytesMax;

/** The constant parts of a model's responses. */
const starts = new WeakMap<ModelPlan, Buffer>();

/** The response in the requested form. Throws `invalid_request` for an invalid classification. */
export function encodeMessage(
  plan: ModelPlan,
  request: Pick<MessageRequest, 'id' | 'outputs' | 'isRaw'>,
  tensors: readonly Tensor[],
  parameters: ResponseParameters | null = null,
): Buffer {
  const outputs = request.outputs.map((output) => outputTensor(plan, output, tensors));
  const id = Buffer.from(request.id ?? '');
  const heads = outputs.map((tensor) => outputMessage(tensor, request.isRaw ? null : typedContents(tensor)));
  const entries = parameters === null ? [] : Object.entries(parameters).map(([key, value]) => parameterEntry(key, value));
  const start = startOf(plan);
  let bytesMax = start.length + id.length + headBytesMax;
  for (const part of [...heads, ...entries]) bytesMax += part.length + headBytesMax;
  if (request.isRaw) for (const { data } of outputs) bytesMax += data.byteLength + headBytesMax;
  const writer = new ProtobufWriter(bytesMax);
  writer.raw(start);
  if (id.length > 0) writer.field(0x1a, id);
  for (const entry of entries) writer.field(0x22, entry);
  for (const head of heads) writer.field(0x2a, head);
  if (request.isRaw) for (const { data } of outputs) writer.field(0x32, data);
  return writer.written;
}

/** `inference.ModelStreamInferResponse` with a response, which is already encoded. */
export function streamMessage(response: Buffer): Buffer {
  const writer = new ProtobufWriter(headBytesMax + response.length);
  writer.field(0x12, response);
  return writer.written;
}

/** `inference.ModelStreamInferResponse` with an error, and the model and id of its request. */
export function streamError(message: string, modelName: string, id: string): Buffer {
  const [text, name, idBytes] = [Buffer.from(message), Buffer.from(modelName), Buffer.from(id)];
  const response = new ProtobufWriter(2 * headBytesMax + name.length + idBytes.length);
  if (name.length > 0) response.field(0x0a, name);
  if (idBytes.length > 0) response.field(0x1a, idBytes);
  const writer = new ProtobufWriter(2 * headBytesMax + text.length + response.written.length);
  writer.field(0x0a, text);
  writer.field(0x12, response.written);
  return writer.written;
}

function outputTensor(plan: ModelPlan, { index, classes }: RequestedOutput, tensors: readonly Tensor[]): Tensor {
  const whole = tensors[index] as Tensor;
  return classes > 0 ? classify(whole, classes, plan.isBatched) : whole;
}

function startOf(plan: ModelPlan): Buffer {
  let start = starts.get(plan);
  if (start === undefined) {
    const [model, version] = [Buffer.from(plan.model), Buffer.from(plan.version)];
    const writer = new ProtobufWriter(model.length + version.length + 2 * headBytesMax);
    writer.field(0x0a, model);
    writer.field(0x12, version);
    start = writer.written;
    starts.set(plan, start);
  }
  return start;
}

/** `InferOutputTensor`. */
function outputMessage({ name, datatype, shape }: Tensor, contents: Buffer | null): Buffer {
  const nameBytes = Buffer.from(name);
  let shapeBytes = 0;
  for (const size of shape) shapeBytes += varintBytes(size);
  const writer = new ProtobufWriter(4 * headBytesMax + nameBytes.length + datatype.length + shapeBytes + (contents?.length ?? 0));
  writer.field(0x0a, nameBytes);
  writer.field(0x12, Buffer.from(datatype));
  if (shapeBytes > 0) {
    writer.byte(0x1a);
    writer.varint(shapeBytes);
    for (const size of shape) writer.varint(size);
  }
  if (contents !== null) writer.field(0x2a, contents);
  return writer.written;
}

/** An entry of a `map<string, InferParameter>`. Numbers are doubles, only used for requested measurements. */
function parameterEntry(key: string, value: boolean | number | string): Buffer {
  const choice = new ProtobufWriter(headBytesMax + (typeof value === 'string' ? Buffer.byteLength(value) : 8));
  if (typeof value === 'boolean') {
    choice.byte(0x08);
    choice.byte(value ? 1 : 0);
  } else if (typeof value === 'string') {
    choice.field(0x1a, Buffer.from(value));
  } else {
    choice.byte(0x21);
    choice.double(value);
  }
  const keyBytes = Buffer.from(key);
  const writer = new ProtobufWriter(2 * headBytesMax + keyBytes.length + choice.written.length);
  writer.field(0x0a, keyBytes);
  writer.field(0x12, choice.written);
  return writer.written;
}
