/**
 * The body of an inference request into tensors: JSON, JSON followed by binary tensors, or raw. The checks come in the
 * order that the protocol's implementers agreed on, and the first thing wrong is the one that is named. Onnxruntime
 * ignores extra inputs and reports the rest as text, so nothing reaches it unchecked.
 */
import { PlatformError } from '../../errors.ts';
import { elementCount, rowCount, type Tensor, type TensorSpec } from '../../tensor.ts';
import { BinarySection, jsonLength, rawInput } from './binary-data.ts';
import { bytesOfJson } from './json-data.ts';
import type { ModelPlan, RequestedOutput } from './model-plan.ts';
import { type InferParameters, noParameters, readParameters } from './parameters.ts';
import { isObject, type JsonObject, parseObject, parseWithExactIntegers, textOf } from './parse-json.ts';
import * as refuse from './refusals.ts';

export interface InferRequest {
  /** Echoed; undefined where the client gave none. */
  readonly id: string | undefined;
  /** In the signature's order. */
  readonly inputs: readonly Tensor[];
  /** The first dimension of the batched inputs; 1 where the model is not batched. */
  readonly rows: number;
  readonly outputs: readonly RequestedOutput[];
  readonly parameters: InferParameters;
}

export interface GivenInput {
  readonly fields: JsonObject;
  readonly parameters: JsonObject;
  readonly spec: TensorSpec;
  /** Its place in the signature. */
  readonly index: number;
}

const none: JsonObject = {};
const emptyBytes = Buffer.alloc(0);

/**
 * `header` is that of `Inference-Header-Content-Length`, `batchSizeMax` the most rows of one request (0: no limit).
 * Throws `invalid_request` with the first thing that is wrong, `unsupported` for shared memory and sequences.
 */
export function decodeRequest(plan: ModelPlan, batchSizeMax: number, body: Buffer, header: string | undefined): InferRequest {
  const length = header === undefined ? body.length : jsonLength(header, body.length);
  // The protocol knows raw requests of one row only.
  if (length === 0 && header !== undefined) return decodeRaw(plan, body, plan.isBatched);
  const text = textOf(length === body.length ? body : body.subarray(0, length));
  return decodeParsed(plan, batchSizeMax, parseObject(text), text, header === undefined ? null : body.subarray(length));
}

/** The same for JSON that was parsed already, from `text`. `rest` are the bytes that follow it; null where none may. */
export function decodeParsed(
  plan: ModelPlan,
  batchSizeMax: number,
  request: JsonObject,
  text: string,
  rest: Buffer | null,
  isBinaryByDefault = false,
): InferRequest {
  const binary = new BinarySection(rest ?? emptyBytes);
  const readInput: InputReader = (input, shape, order) => readData(input, shape, text, order, binary, rest !== null);
  return decodeTensors(plan, batchSizeMax, request, readInput, () => binary.end(), isBinaryByDefault);
}

/** The bytes of an input that is known to be one of the model's, with a shape that fits it; `order` is its place in the request. */
export type InputReader = (input: GivenInput, shape: readonly number[], order: number) => Uint8Array;

/**
 * What all forms of a request have in common; where the elements stand is for `readInput` to know. `end` is told once all
 * were read.
 */
export function decodeTensors(
  plan: ModelPlan,
  batchSizeMax: number,
  request: JsonObject,
  readInput: InputReader,
  end: () => void,
  isBinaryByDefault: boolean,
): InferRequest {
  const given = readInputs(plan, request['inputs']);
  for (const { fields, spec } of given) {
    if (fields['datatype'] !== spec.datatype) throw refuse.wrongDatatype(spec, fields['datatype']);
  }
  const shapes = given.map(({ fields, spec }) => readShape(spec, fields['shape']));
  const rows = plan.isBatched ? checkBatch(given, shapes, batchSizeMax) : 1;
  const inputs = new Array<Tensor>(given.length);
  for (let order = 0; order < given.length; order++) {
    const input = given[order] as GivenInput;
    const { name, datatype } = input.spec;
    const shape = shapes[order] as readonly number[];
    inputs[input.index] = { name, datatype, shape, data: readInput(input, shape, order) };
  }
  end();
  const parameters = readParameters(request['parameters'], isBinaryByDefault);
  return { id: readId(request['id']), inputs, rows, outputs: readOutputs(plan, request['outputs'], parameters.binaryOutput), parameters };
}

/**
 * The body is the one input, its raw bytes: of one row, or of as many as they are where no other dimension varies.
 * Throws `invalid_request` where the shape cannot be told from them.
 */
export function decodeRaw(plan: ModelPlan, body: Buffer, isOneRow: boolean): InferRequest {
  const { inputs } = plan.signature;
  const varying = inputs[0]?.shape.filter((size) => size === -1).length ?? 0;
  const input = rawInput(plan.model, inputs, isOneRow || (plan.isBatched && varying > 1), body);
  const rows = plan.isBatched ? rowCount(input.shape) : 1;
  return { id: undefined, inputs: [input], rows, outputs: plan.allBinary, parameters: noParameters };
}

function readId(id: unknown): string | undefined {
  if (id === undefined || id === null) return undefined;
  if (typeof id !== 'string') throw refuse.invalid(`'id' must be a string, got ${typeof id}`);
  return id;
}

/** Every model input exactly once, in any order. */
function readInputs(plan: ModelPlan, inputs: unknown): readonly GivenInput[] {
  const specs = plan.signature.inputs;
  if (!Array.isArray(inputs) || inputs.length === 0) {
    throw refuse.invalid(`'inputs' must be an array of tensors; expected inputs: ${refuse.namesOf(specs)}`);
  }
  const given: GivenInput[] = [];
  const seen = new Array<boolean>(specs.length).fill(false);
  for (const fields of inputs as readonly unknown[]) {
    if (!isObject(fields) || typeof fields['name'] !== 'string') {
      throw refuse.invalid(`'inputs[${given.length}]' must be an object with "name", "datatype", "shape" and "data"`);
    }
    const index = plan.inputIndex(fields['name']);
    if (index === undefined) throw refuse.unexpectedInput(plan.model, fields['name'], specs);
    if (seen[index]) throw refuse.invalid(`model '${plan.model}': input '${fields['name']}' is given twice`);
    seen[index] = true;
    const spec = specs[index] as TensorSpec;
    given.push({ fields, parameters: readTensorParameters('input', spec.name, fields['parameters']), spec, index });
  }
  const missing = seen.indexOf(false);
  if (missing !== -1) throw refuse.missingInput(plan.model, specs[missing] as TensorSpec);
  return given;
}

function readTensorParameters(kind: 'input' | 'output', name: string, parameters: unknown): JsonObject {
  if (parameters === undefined || parameters === null) return none;
  if (!isObject(parameters)) throw refuse.invalid(`${kind} '${name}': 'parameters' must be an object`);
  if (parameters['shared_memory_region'] !== undefined) {
    throw new PlatformError('unsupported', `${kind} '${name}': shared memory is not supported by this server`);
  }
  return parameters;
}

/** The shape, of the model's rank and with the model's sizes where those are fixed. */
function readShape(spec: TensorSpec, shape: unknown): readonly number[] {
  if (!isShape(shape)) throw refuse.invalid(`input '${spec.name}': 'shape' must be an array of integers >= 0`);
  if (shape.length !== spec.shape.length) throw refuse.wrongRank(spec, shape);
  for (let dimension = 0; dimension < shape.length; dimension++) {
    const expected = spec.shape[dimension] as number;
    if (expected !== -1 && shape[dimension] !== expected) throw refuse.wrongDimension(spec, shape, dimension);
  }
  return shape;
}

function isShape(shape: unknown): shape is readonly number[] {
  if (!Array.isArray(shape)) return false;
  for (let dimension = 0; dimension < shape.length; dimension++) {
    const size: unknown = shape[dimension];
    if (typeof size !== 'number' || !Number.isSafeInteger(size) || size < 0) return false;
  }
  return true;
}

/** The batched inputs (those with a variable first dimension; a scalar has none) agree on the number of rows. */
function checkBatch(given: readonly GivenInput[], shapes: readonly (readonly number[])[], batchSizeMax: number): number {
  let rows: number | undefined;
  let first = '';
  for (let order = 0; order < given.length; order++) {
    const { spec } = given[order] as GivenInput;
    if (spec.shape[0] !== -1) continue;
    const size = (shapes[order] as readonly number[])[0] as number;
    if (rows === undefined) {
      rows = size;
      first = spec.name;
    }
    if (size !== rows) throw refuse.invalid(`input '${spec.name}': batch is ${size}, but that of input '${first}' is ${rows}`);
    if (batchSizeMax > 0 && size > batchSizeMax) throw refuse.batchTooLarge(spec, size, batchSizeMax);
  }
  return rows ?? 1;
}

function readData(
  { fields, parameters, spec }: GivenInput,
  shape: readonly number[],
  text: string,
  order: number,
  binary: BinarySection,
  hasBinary: boolean,
): Uint8Array {
  const data = fields['data'];
  const size = parameters['binary_data_size'];
  if ((data === undefined) === (size === undefined)) throw refuse.dataTwiceOrNever(spec);
  if (data === undefined) {
    if (!hasBinary && size !== 0) {
      throw refuse.invalid(
        `input '${spec.name}': binary_data_size needs the header Inference-Header-Content-Length with the length of the JSON`,
      );
    }
    return binary.take(spec, shape, size);
  }
  if (!Array.isArray(data)) throw refuse.invalid(`input '${spec.name}': 'data' must be an array, got ${typeof data}`);
  const exactData = (): unknown => (parseWithExactIntegers(text) as { inputs: { data: unknown }[] }).inputs[order]?.data;
  return bytesOfJson(spec, shape, elementCount(shape), data, exactData);
}

/** None given, or an empty list: all, in the model's order. */
function readOutputs(plan: ModelPlan, outputs: unknown, binaryByDefault: boolean): readonly RequestedOutput[] {
  if (outputs !== undefined && outputs !== null && !Array.isArray(outputs)) {
    throw refuse.invalid(`'outputs' must be an array of {"name": ...}`);
  }
  if (!Array.isArray(outputs) || outputs.length === 0) return binaryByDefault ? plan.allBinary : plan.allJson;
  const requested: RequestedOutput[] = [];
  for (const fields of outputs as readonly unknown[]) {
    if (!isObject(fields) || typeof fields['name'] !== 'string') {
      throw refuse.invalid(`'outputs[${requested.length}]' must be an object with "name"`);
    }
    requested.push(readOutput(plan, fields['name'], fields['parameters'], binaryByDefault));
  }
  checkDistinct(plan, requested);
  return requested;
}

function readOutput(plan: ModelPlan, name: string, parameters: unknown, binaryByDefault: boolean): RequestedOutput {
  const index = plan.outputIndex(name);
  if (index === undefined) throw refuse.unexpectedOutput(plan.model, name, plan.signature.outputs);
  const { binary_data: binary = binaryByDefault, classification = 0 } = readTensorParameters('output', name, parameters);
  if (typeof binary !== 'boolean') throw refuse.wrongParameter(`output '${name}'`, 'binary_data', binary, 'true or false');
  if (!Number.isSafeInteger(classification) || (classification as number) < 0) {
    throw refuse.wrongParameter(`output '${name}'`, 'classification', classification, 'a number of classes > 0');
  }
  return { index, binary, classes: classification as number };
}

function checkDistinct(plan: ModelPlan, requested: readonly RequestedOutput[]): void {
  const seen = new Set<number>();
  for (const { index } of requested) {
    if (seen.has(index)) throw refuse.invalid(`model '${plan.model}': output '${plan.signature.outputs[index]?.name}' is requested twice`);
    seen.add(index);
  }
}
