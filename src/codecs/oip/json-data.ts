/**
 * Decodes the `data` of an input, flat or nested JSON, into tensor bytes. Elements are checked in plain loops, because a schema library
 * would take longer than the model.
 */
import { bytesOf, type Datatype, encodeStrings, newArray, type TensorSpec } from '../../tensor.ts';
import { invalidCount, invalidElement, invalidRequest } from './request-errors.ts';

type NumberArray = Int8Array | Uint8Array | Int16Array | Uint16Array | Int32Array | Uint32Array;
type WideArray = BigInt64Array | BigUint64Array;

/**
 * The bytes of `needed` elements. `exactData` returns the same data with exact 64-bit integers; it is only called if those are needed.
 * Throws `invalid_request` if the values do not fit the shape or the datatype.
 */
export function bytesOfJson(
  spec: TensorSpec,
  shape: readonly number[],
  needed: number,
  data: readonly unknown[],
  exactData: () => unknown,
): Uint8Array {
  const values = flatten(spec, shape, needed, data);
  switch (spec.datatype) {
    case 'FP32':
      return floats(spec, values, new Float32Array(values.length));
    case 'FP64':
      return floats(spec, values, new Float64Array(values.length));
    case 'BOOL':
      return booleans(spec, values);
    case 'BYTES':
      return strings(spec, values);
    case 'INT64':
    case 'UINT64': {
      const unsafe = values.some((value) => Number.isInteger(value) && !Number.isSafeInteger(value));
      return wideIntegers(spec, unsafe ? flatten(spec, shape, needed, exactData() as readonly unknown[]) : values);
    }
    case 'FP16':
    case 'BF16':
      throw invalidRequest(
        `input '${spec.name}': ${spec.datatype} cannot be given as JSON, use binary data`,
        'set parameters.binary_data_size and append the raw little-endian bits to the body',
      );
    default:
      return integers(spec, values);
  }
}

/** The values in row-major order. Nested data must match the shape exactly. */
function flatten(spec: TensorSpec, shape: readonly number[], needed: number, data: readonly unknown[]): readonly unknown[] {
  if (!Array.isArray(data[0]) || shape.length === 0) {
    if (data.length !== needed) throw invalidCount(spec, shape, data.length, needed);
    return data;
  }
  const values: unknown[] = [];
  if (!flattenLevel(shape, 0, data, values)) {
    throw invalidRequest(`input '${spec.name}': the nesting of 'data' does not agree with shape [${shape.join(',')}]`);
  }
  return values;
}

function flattenLevel(shape: readonly number[], level: number, data: readonly unknown[], into: unknown[]): boolean {
  if (data.length !== shape[level]) return false;
  const isInnermost = level === shape.length - 1;
  for (const value of data) {
    if (Array.isArray(value) === isInnermost) return false;
    if (isInnermost) into.push(value);
    else if (!flattenLevel(shape, level + 1, value as readonly unknown[], into)) return false;
  }
  return true;
}

function floats(spec: TensorSpec, values: readonly unknown[], target: Float32Array | Float64Array): Uint8Array {
  for (let index = 0; index < values.length; index++) {
    const value = values[index];
    if (typeof value !== 'number') throw invalidElement(spec, index, value, 'a number');
    target[index] = value;
    const stored = target[index] as number;
    // Infinity - Infinity is NaN: a literal such as 1e999, or one beyond the range of FP32.
    if (stored - stored !== 0) throw invalidElement(spec, index, value, 'a finite number in its range');
  }
  return bytesOf(target);
}

function integers(spec: TensorSpec, values: readonly unknown[]): Uint8Array {
  const target = newArray(spec.datatype as Exclude<Datatype, 'BYTES'>, values.length) as NumberArray;
  for (let index = 0; index < values.length; index++) {
    const value = values[index];
    if (typeof value !== 'number') throw invalidElement(spec, index, value, 'an integer in its range');
    target[index] = value;
    // A typed array rounds and wraps what it cannot hold; -0 is 0.
    if (target[index] !== value) throw invalidElement(spec, index, value, 'an integer in its range');
  }
  return bytesOf(target);
}

function wideIntegers(spec: TensorSpec, values: readonly unknown[]): Uint8Array {
  const target = newArray(spec.datatype as 'INT64' | 'UINT64', values.length) as WideArray;
  for (let index = 0; index < values.length; index++) {
    const value = values[index];
    const whole = typeof value === 'bigint' ? value : Number.isSafeInteger(value) ? BigInt(value as number) : undefined;
    if (whole !== undefined) target[index] = whole;
    // A typed array wraps what it cannot hold.
    if (whole === undefined || target[index] !== whole) throw invalidElement(spec, index, value, 'an integer in its range');
  }
  return bytesOf(target);
}

function booleans(spec: TensorSpec, values: readonly unknown[]): Uint8Array {
  const target = new Uint8Array(values.length);
  for (let index = 0; index < values.length; index++) {
    const value = values[index];
    if (value === true || value === 1) target[index] = 1;
    else if (value !== false && value !== 0) throw invalidElement(spec, index, value, 'true or false');
  }
  return target;
}

function strings(spec: TensorSpec, values: readonly unknown[]): Uint8Array {
  for (let index = 0; index < values.length; index++) {
    const value = values[index];
    if (typeof value !== 'string') throw invalidElement(spec, index, value, 'a string');
    if (value.includes('\0')) throw nulInside(spec, index);
    if (!value.isWellFormed()) throw invalidRequest(`input '${spec.name}': element ${index} is not valid UTF-8 (half a surrogate pair)`);
  }
  return encodeStrings(values as readonly string[]);
}

/** The error for a string with a NUL, at which onnxruntime would silently truncate it. */
export function nulInside(spec: TensorSpec, index: number): Error {
  return invalidRequest(`input '${spec.name}': element ${index} holds a NUL character, which no model input may`);
}
