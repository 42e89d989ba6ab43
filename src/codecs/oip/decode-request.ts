/**
 * Decodes the body of an inference request into tensors: JSON, JSON followed by binary tensors, or raw. The checks have the order used by
 * other implementations of the protocol, and the first error is reported. Everything is checked here, because onnxruntime ignores extra
 * inputs and reports other errors only as text.
 */
import { PlatformError } from '../../errors.ts';
import { elementCount, rowCount, type Signature, type Tensor, type TensorSpec } from '../../tensor.ts';
import { type JsonLimits, tensorLimits } from '../json-limits.ts';
import { checkJsonElements } from '../rows/json-rows.ts';
import { BinarySection, jsonLength, rawInput } from './binary-data.ts';
import { bytesOfJson } from './json-data.ts';
import type { ModelPlan, RequestedOutput } from './model-plan.ts';
import { type InferParameters, noParameters, readParameters } from './parameters.ts';
import { isJsonObject, type JsonObject, parseObject, parseWithExactIntegers, textOf } from './parse-json.ts';
import * as refuse from './request-errors.ts';

/** A decoded request. Its tensors are complete and match the signature. */
export interface InferRequest {
  /** Returned in the response; undefined if the client sent none. */
  readonly id: string | undefined;
  /** In the signature's order. */
  readonly inputs: readonly Tensor[];
  /** The first dimension of the batched inputs; 1 if the model is not batched. */
  readonly rows: number;
  readonly outputs: readonly RequestedOutput[];
  readonly parameters: InferParameters;
}

/** An input whose name is known, and whose data are not decoded yet. */
export interface RequestInput {
  readonly fields: JsonObject;
  readonly parameters: JsonObject;
  readonly spec: TensorSpec;
  /** Index in the signature. */
  readonly index: number;
}

const none: JsonObject = {};
const emptyBytes = Buffer.alloc(0);

/**
 * `header` is the value of `Inference-Header-Content-Length`, `batchSizeMax` the maximum rows per request (0: no limit). Throws
 * `invalid_request` with the first error, `unsupported` for shared memory and sequences.
 */
export function decodeRequest(plan: ModelPlan, batchSizeMax: number, body: Buffer, header: string | undefined): InferRequest {
  const length = header === undefined ? body.length : jsonLength(header, body.length);
  // The protocol only defines raw requests of one row.
  if (length === 0 && header !== undefined) return decodeRaw(plan, body, plan.isBatched);
  const text = textOf(length === body.length ? body : body.subarray(0, length));
  const request = parseObject(text, requestLimits(text, plan.signature, batchSizeMax));
  return decodeParsed(plan, batchSizeMax, request, text, header === undefined ? null : body.subarray(length));
}

/** Limits of the JSON of a request. `batchSizeMax`: 0 for no limit. */
export function requestLimits(text: string, { inputs }: Signature, batchSizeMax: number): JsonLimits {
  return tensorLimits(text, inputs, batchSizeMax || Number.POSITIVE_INFINITY);
}

/** Like `decodeRequest`, for JSON already parsed from `text`. `rest` is the part of the body after it; null if none is allowed. */
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

/** Returns the bytes of an input that belongs to the model, with a fitting shape; `order` is its position in the request. */
export type InputReader = (input: RequestInput, shape: readonly number[], order: number) => Uint8Array;

/** Decodes all forms of requests. `readInput` returns the elements of an input; `end` is called once all were read. */
export function decodeTensors(
  plan: ModelPlan,
  batchSizeMax: number,
  request: JsonObject,
  readInput: InputReader,
  end: () => void,
  isBinaryByDefault: boolean,
): InferRequest {
  const provided = readInputs(plan, request['inputs']);
  for (const { fields, spec } of provided) {
    if (fields['datatype'] !== spec.datatype) throw refuse.invalidDatatype(spec, fields['datatype']);
  }
  const shapes = provided.map(({ fields, spec }) => readShape(spec, fields['shape']));
  const rows = plan.isBatched ? checkBatch(provided, shapes, batchSizeMax) : 1;
  const inputs = new Array<Tensor>(provided.length);
  for (let order = 0; order < provided.length; order++) {
    const input = provided[order] as RequestInput;
    const { name, datatype } = input.spec;
    const shape = shapes[order] as readonly number[];
    const data = readInput(input, shape, order);
    checkJsonElements(input.spec, data);
    inputs[input.index] = { name, datatype, shape, data };
  }
  end();
  const parameters = readParameters(request['parameters'], isBinaryByDefault);
  return { id: readId(request['id']), inputs, rows, outputs: readOutputs(plan, request['outputs'], parameters.binaryOutput), parameters };
}

/**
 * Decodes a body that is the raw bytes of the only input: one row, or as many as fit if no other dimension varies. A model without inputs
 * takes an empty body. Throws `invalid_request` if the shape cannot be deduced.
 */
export function decodeRaw(plan: ModelPlan, body: Buffer, isOneRow: boolean): InferRequest {
  const { inputs } = plan.signature;
  const common = { id: undefined, outputs: plan.allBinary, parameters: noParameters };
  if (inputs.length === 0 && body.length === 0) return { ...common, inputs: [], rows: 1 };
  const varying = inputs[0]?.shape.filter((size) => size === -1).length ?? 0;
  const input = rawInput(plan.model, inputs, isOneRow || (plan.isBatched && varying > 1), body);
  checkJsonElements(inputs[0] as TensorSpec, input.data);
  const rows = plan.isBatched ? rowCount(input.shape) : 1;
  return { ...common, inputs: [input], rows };
}

function readId(id: unknown): string | undefined {
  if (id === undefined || id === null) return undefined;
  if (typeof id !== 'string') throw refuse.invalidRequest(`'id' must be a string, got ${typeof id}`);
  return id;
}

/** Returns the inputs in any order. Throws unless each input of the model is present exactly once. */
function readInputs(plan: ModelPlan, inputs: unknown): readonly RequestInput[] {
  const specs = plan.signature.inputs;
  if (!Array.isArray(inputs) || (inputs.length === 0 && specs.length > 0)) throw refuse.missingInputs(specs);
  const provided: RequestInput[] = [];
  const seen = new Array<boolean>(specs.length).fill(false);
  for (const fields of inputs as readonly unknown[]) {
    if (!isJsonObject(fields) || typeof fields['name'] !== 'string') {
      throw refuse.invalidRequest(`'inputs[${provided.length}]' must be an object with "name", "datatype", "shape" and "data"`);
    }
    const index = plan.inputIndex(fields['name']);
    if (index === undefined) throw refuse.unexpectedInput(plan.model, fields['name'], specs);
    if (seen[index]) throw refuse.invalidRequest(`model '${plan.model}': input '${fields['name']}' is given twice`);
    seen[index] = true;
    const spec = specs[index] as TensorSpec;
    provided.push({ fields, parameters: readTensorParameters('input', spec.name, fields['parameters']), spec, index });
  }
  const missing = seen.indexOf(false);
  if (missing !== -1) throw refuse.missingInput(plan.model, specs[missing] as TensorSpec);
  return provided;
}

function readTensorParameters(kind: 'input' | 'output', name: string, parameters: unknown): JsonObject {
  if (parameters === undefined || parameters === null) return none;
  if (!isJsonObject(parameters)) throw refuse.invalidRequest(`${kind} '${name}': 'parameters' must be an object`);
  if (parameters['shared_memory_region'] !== undefined) {
    throw new PlatformError('unsupported', `${kind} '${name}': shared memory is not supported by this server`);
  }
  return parameters;
}

/** Returns the shape. Throws unless it has the rank of the model and its fixed sizes. */
function readShape(spec: TensorSpec, shape: unknown): readonly number[] {
  if (!isShape(shape)) throw refuse.invalidRequest(`input '${spec.name}': 'shape' must be an array of integers >= 0`);
  if (shape.length !== spec.shape.length) throw refuse.invalidRank(spec, shape);
  for (let dimension = 0; dimension < shape.length; dimension++) {
    const expected = spec.shape[dimension] as number;
    if (expected !== -1 && shape[dimension] !== expected) throw refuse.invalidDimension(spec, shape, dimension);
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

/** The batched inputs (with a variable first dimension; a scalar has none) must agree on the number of rows. */
function checkBatch(provided: readonly RequestInput[], shapes: readonly (readonly number[])[], batchSizeMax: number): number {
  let rows: number | undefined;
  let first = '';
  for (let order = 0; order < provided.length; order++) {
    const { spec } = provided[order] as RequestInput;
    if (spec.shape[0] !== -1) continue;
    const size = (shapes[order] as readonly number[])[0] as number;
    if (rows === undefined) {
      rows = size;
      first = spec.name;
    }
    if (size !== rows) throw refuse.invalidRequest(`input '${spec.name}': batch is ${size}, but that of input '${first}' is ${rows}`);
    if (batchSizeMax > 0 && size > batchSizeMax) throw refuse.batchTooLarge(spec, size, batchSizeMax);
  }
  return rows ?? 1;
}

function readData(
  { fields, parameters, spec }: RequestInput,
  shape: readonly number[],
  text: string,
  order: number,
  binary: BinarySection,
  hasBinary: boolean,
): Uint8Array {
  const data = fields['data'];
  const size = parameters['binary_data_size'];
  if ((data === undefined) === (size === undefined)) throw refuse.ambiguousData(spec);
  if (data === undefined) {
    if (!hasBinary && size !== 0) {
      throw refuse.invalidRequest(
        `input '${spec.name}': binary_data_size needs the header Inference-Header-Content-Length with the length of the JSON`,
      );
    }
    return binary.consume(spec, shape, size);
  }
  if (!Array.isArray(data)) throw refuse.invalidRequest(`input '${spec.name}': 'data' must be an array, got ${typeof data}`);
  const exactData = (): unknown => (parseWithExactIntegers(text) as { inputs: { data: unknown }[] }).inputs[order]?.data;
  return bytesOfJson(spec, shape, elementCount(shape), data, exactData);
}

/** The requested outputs. If the list is missing or empty: all outputs in the order of the model. */
function readOutputs(plan: ModelPlan, outputs: unknown, binaryByDefault: boolean): readonly RequestedOutput[] {
  if (outputs !== undefined && outputs !== null && !Array.isArray(outputs)) {
    throw refuse.invalidRequest(`'outputs' must be an array of {"name": ...}`);
  }
  if (!Array.isArray(outputs) || outputs.length === 0) return binaryByDefault ? plan.allBinary : plan.allJson;
  const requested: RequestedOutput[] = [];
  for (const fields of outputs as readonly unknown[]) {
    if (!isJsonObject(fields) || typeof fields['name'] !== 'string') {
      throw refuse.invalidRequest(`'outputs[${requested.length}]' must be an object with "name"`);
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
  if (typeof binary !== 'boolean') throw refuse.invalidParameter(`output '${name}'`, 'binary_data', binary, 'true or false');
  if (!Number.isSafeInteger(classification) || (classification as number) < 0) {
    throw refuse.invalidParameter(`output '${name}'`, 'classification', classification, 'a number of classes > 0');
  }
  return { index, binary, classes: classification as number };
}

function checkDistinct(plan: ModelPlan, requested: readonly RequestedOutput[]): void {
  const seen = new Set<number>();
  for (const { index } of requested) {
    if (seen.has(index))
      throw refuse.invalidRequest(`model '${plan.model}': output '${plan.signature.outputs[index]?.name}' is requested twice`);
    seen.add(index);
  }
}
