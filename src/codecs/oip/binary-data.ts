/**
 * The binary tensor extension: raw tensors after the JSON in one body, and the raw request without JSON. Numbers are views of the body, so
 * nothing is copied.
 */
import { isUtf8 } from 'node:buffer';
import { messageOf } from '../../errors.ts';
import { datatypes, elementCount, type Tensor, type TensorSpec, walkStrings } from '../../tensor.ts';
import { nulInside } from './json-data.ts';
import { invalidParameter, invalidRequest, truncated } from './request-errors.ts';

/** The part of the body after the JSON. Inputs consume it in the order of the request. */
export class BinarySection {
  readonly #bytes: Buffer;
  #offset = 0;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  /** The next tensor's bytes. Throws `invalid_request` if the size does not fit the shape or the body. */
  consume(spec: TensorSpec, shape: readonly number[], size: unknown): Uint8Array {
    if (!Number.isSafeInteger(size) || (size as number) < 0) {
      throw invalidParameter(`input '${spec.name}'`, 'binary_data_size', size, 'a number of bytes');
    }
    const byteCount = size as number;
    const { bytes } = datatypes[spec.datatype];
    if (bytes !== null && byteCount !== elementCount(shape) * bytes) {
      const needed = elementCount(shape) * bytes;
      throw invalidRequest(
        `input '${spec.name}': binary_data_size is ${byteCount}, shape [${shape.join(',')}] of ${spec.datatype} needs ${needed} bytes`,
      );
    }
    const start = this.#offset;
    const end = start + byteCount;
    if (end > this.#bytes.length) {
      throw invalidRequest(`input '${spec.name}': expecting ${end - this.#bytes.length} additional bytes`);
    }
    this.#offset = end;
    const data = this.#bytes.subarray(start, end);
    checkContent(spec, shape, data);
    return data;
  }

  /** Throws `invalid_request` if bytes remain. */
  end(): void {
    const left = this.#bytes.length - this.#offset;
    if (left > 0) throw invalidRequest(`unexpected additional input data: ${left} bytes after the last binary input`);
  }
}

/** Validates BOOL and BYTES, for which some bytes are invalid. Throws `invalid_request`. */
export function checkContent(spec: TensorSpec, shape: readonly number[], data: Buffer): void {
  if (spec.datatype === 'BOOL') checkBooleans(spec, data);
  if (spec.datatype === 'BYTES') checkStrings(spec, shape, data);
}

function checkBooleans(spec: TensorSpec, data: Uint8Array): void {
  for (let index = 0; index < data.length; index++) {
    const byte = data[index] as number;
    if (byte > 1) throw invalidRequest(`input '${spec.name}': element ${index} is the byte ${byte}, BOOL needs 0 or 1`);
  }
}

/** Excess strings are counted up to this number; the rest is not read. */
const spareStrings = 1024;

function checkStrings(spec: TensorSpec, shape: readonly number[], data: Buffer): void {
  const needed = elementCount(shape);
  let index = 0;
  let count: number;
  try {
    count = walkStrings(data, (start, end) => {
      if (index > needed + spareStrings) throw wrongCount(spec, shape, `more than ${index}`, needed);
      checkString(spec, index++, data.subarray(start, end));
    });
  } catch (error) {
    const message = messageOf(error);
    throw message.startsWith('input ') ? error : invalidRequest(`input '${spec.name}': ${message}`);
  }
  if (count !== needed) throw wrongCount(spec, shape, count, needed);
}

function wrongCount({ name }: TensorSpec, shape: readonly number[], count: number | string, needed: number): Error {
  return invalidRequest(`input '${name}': the binary data has ${count} elements, shape [${shape.join(',')}] needs ${needed}`);
}

function checkString(spec: TensorSpec, index: number, content: Buffer): void {
  if (!isUtf8(content)) throw invalidRequest(`input '${spec.name}': element ${index} is not valid UTF-8`);
  if (content.includes(0)) throw nulInside(spec, index);
}

/**
 * Number of JSON bytes in the body, from `Inference-Header-Content-Length` or the parameter `name`. Throws `invalid_request`
 * unless it is a whole number within the body.
 */
export function jsonLength(provided: string, bodyLength: number, name = 'Inference-Header-Content-Length'): number {
  if (!/^\d{1,15}$/.test(provided)) throw invalidRequest(`${name} is '${truncated(provided)}', expected a non-negative integer`);
  const length = Number(provided);
  if (length > bodyLength) throw invalidRequest(`${name} is ${length}, but the body has only ${bodyLength} bytes`);
  return length;
}

/**
 * The single input of a raw request: the body is its bytes and the shape is deduced, with batch 1 if the model is batched. Throws
 * `invalid_request` if it cannot be deduced.
 */
export function rawInput(model: string, inputs: readonly TensorSpec[], isBatched: boolean, body: Buffer): Tensor {
  const [spec] = inputs;
  if (spec === undefined || inputs.length > 1) {
    throw invalidRequest(`model '${model}': a raw request needs a model with one input, it has ${inputs.length}`);
  }
  return spec.datatype === 'BYTES' ? rawString(model, spec, body) : rawNumbers(model, spec, isBatched, body);
}

function rawString(model: string, spec: TensorSpec, body: Buffer): Tensor {
  if (spec.shape.length !== 1 || (spec.shape[0] !== -1 && spec.shape[0] !== 1)) {
    throw invalidRequest(
      `model '${model}': a raw request of BYTES needs an input of shape [1], '${spec.name}' is [${spec.shape.join(',')}]`,
    );
  }
  checkString(spec, 0, body);
  const data = Buffer.allocUnsafe(4 + body.length);
  data.writeUInt32LE(body.length, 0);
  data.set(body, 4);
  return { name: spec.name, datatype: spec.datatype, shape: [1], data };
}

function rawNumbers(model: string, spec: TensorSpec, isBatched: boolean, body: Buffer): Tensor {
  const shape = [...spec.shape];
  if (isBatched) shape[0] = 1;
  const variable = shape.indexOf(-1);
  if (variable !== shape.lastIndexOf(-1)) {
    throw invalidRequest(`model '${model}': the shape of '${spec.name}', [${spec.shape.join(',')}], cannot be deduced from a raw request`);
  }
  if (variable !== -1) shape[variable] = 1;
  const unitBytes = elementCount(shape) * (datatypes[spec.datatype].bytes as number);
  if (variable !== -1) shape[variable] = unitBytes === 0 ? 0 : body.length / unitBytes;
  const rest = variable === -1 || unitBytes === 0 ? body.length - unitBytes : body.length % unitBytes;
  if (rest !== 0) {
    const needed = variable === -1 ? `${unitBytes} bytes` : `a multiple of ${unitBytes} bytes`;
    throw invalidRequest(
      `input '${spec.name}': the raw body has ${body.length} bytes, [${spec.shape.join(',')}] of ${spec.datatype} needs ${needed}`,
    );
  }
  checkContent(spec, shape, body);
  return { name: spec.name, datatype: spec.datatype, shape, data: body };
}
