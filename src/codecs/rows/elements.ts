/**
 * Converts values as written by people (numbers, strings, booleans) into tensor bytes, and back. Each value is checked: nothing
 * is silently rounded, truncated or guessed, except that a float becomes the nearest number of its width.
 */
import { PlatformError } from '../../errors.ts';
import { bytesOf, type Datatype, decodeStrings, elementsOf, encodeStrings, fromBrainBits, fromHalfBits, newArray } from '../../tensor.ts';

type IntegerType = 'INT8' | 'INT16' | 'INT32' | 'UINT8' | 'UINT16' | 'UINT32';
type WideType = 'INT64' | 'UINT64';

const ranges: Record<IntegerType, readonly [number, number]> = {
  INT8: [-128, 127],
  INT16: [-32_768, 32_767],
  INT32: [-2_147_483_648, 2_147_483_647],
  UINT8: [0, 255],
  UINT16: [0, 65_535],
  UINT32: [0, 4_294_967_295],
};
const wideRanges: Record<WideType, readonly [bigint, bigint]> = {
  INT64: [-(2n ** 63n), 2n ** 63n - 1n],
  UINT64: [0n, 2n ** 64n - 1n],
};

/**
 * The bytes of a tensor with these values. `input` names the tensor in errors. Throws `invalid_request` for a value that the
 * datatype cannot hold.
 */
export function packElements(input: string, datatype: Datatype, values: ArrayLike<unknown>): Uint8Array {
  switch (datatype) {
    case 'BYTES':
      return packStrings(input, values);
    case 'FP32':
    case 'FP64':
      return packFloats(input, datatype, values, null);
    case 'FP16':
      return packFloats(input, datatype, values, toHalfBits);
    case 'BF16':
      return packFloats(input, datatype, values, toBrainBits);
    case 'BOOL':
      return packBooleans(input, values);
    case 'INT64':
    case 'UINT64':
      return packWideIntegers(input, datatype, values);
    default:
      return packIntegers(input, datatype, values);
  }
}

function packStrings(input: string, values: ArrayLike<unknown>): Uint8Array {
  const strings: string[] = [];
  for (let index = 0; index < values.length; index++) {
    const value = values[index];
    if (typeof value !== 'string') throw mismatch(input, 'BYTES', 'a string', index, value);
    strings.push(value);
  }
  return encodeStrings(strings);
}

function packFloats(
  input: string,
  datatype: 'FP16' | 'BF16' | 'FP32' | 'FP64',
  values: ArrayLike<unknown>,
  toBits: ((value: number) => number) | null,
): Uint8Array {
  const array = newArray(datatype, values.length);
  for (let index = 0; index < values.length; index++) {
    const value = values[index];
    if (typeof value === 'number') array[index] = toBits === null ? value : toBits(value);
    else if (typeof value === 'bigint') array[index] = toBits === null ? Number(value) : toBits(Number(value));
    else throw mismatch(input, datatype, 'a number', index, value);
  }
  return bytesOf(array);
}

function packBooleans(input: string, values: ArrayLike<unknown>): Uint8Array {
  const array = newArray('BOOL', values.length);
  for (let index = 0; index < values.length; index++) {
    const value = values[index];
    if (value === true || value === 1) array[index] = 1;
    else if (value !== false && value !== 0) throw mismatch(input, 'BOOL', 'true or false', index, value);
  }
  return bytesOf(array);
}

function packIntegers(input: string, datatype: IntegerType, values: ArrayLike<unknown>): Uint8Array {
  const [least, most] = ranges[datatype];
  const array = newArray(datatype, values.length);
  for (let index = 0; index < values.length; index++) {
    const value = typeof values[index] === 'bigint' ? Number(values[index]) : values[index];
    if (typeof value !== 'number' || !Number.isInteger(value) || value < least || value > most) {
      throw mismatch(input, datatype, `a whole number from ${least} to ${most}`, index, value);
    }
    array[index] = value;
  }
  return bytesOf(array);
}

/** JSON numbers are exact up to 2^53 only; larger ones are accepted as text, so none is silently rounded. */
function packWideIntegers(input: string, datatype: WideType, values: ArrayLike<unknown>): Uint8Array {
  const [least, most] = wideRanges[datatype];
  const array = newArray(datatype, values.length);
  for (let index = 0; index < values.length; index++) {
    const value = values[index];
    const exact = wholeNumber(value);
    if (exact === null || exact < least || exact > most) {
      const expected = `a whole number from ${least} to ${most} (beyond 2^53 as text, such as "9007199254740993")`;
      throw mismatch(input, datatype, expected, index, value);
    }
    array[index] = exact;
  }
  return bytesOf(array);
}

function wholeNumber(value: unknown): bigint | null {
  if (typeof value === 'bigint') return value;
  if (typeof value === 'number') return Number.isSafeInteger(value) ? BigInt(value) : null;
  if (typeof value === 'string' && /^[+-]?\d{1,20}$/.test(value)) return BigInt(value.replace('+', ''));
  return null;
}

function mismatch(input: string, datatype: Datatype, expected: string, index: number, value: unknown): PlatformError {
  const got = typeof value === 'object' && value !== null ? 'an object' : JSON.stringify(printable(value));
  return new PlatformError('invalid_request', `input '${input}' (${datatype}): element ${index} must be ${expected}, got ${got}`);
}

function printable(value: unknown): unknown {
  if (typeof value === 'bigint' || (typeof value === 'number' && !Number.isFinite(value))) return String(value);
  if (typeof value === 'string' && value.length > 40) return `${value.slice(0, 40)}…`;
  return value === undefined ? 'nothing' : value;
}

/** A value of a tensor as JSON and CSV show it; `bigint` only for 64-bit integers. */
export type Element = number | bigint | boolean | string;

/** The elements of a tensor as values: numbers, `bigint` for 64-bit integers, booleans, strings. */
export function unpackElements(datatype: Datatype, data: Uint8Array): ArrayLike<Element> {
  if (datatype === 'BYTES') return decodeStrings(data);
  const elements = elementsOf(datatype, data);
  if (datatype === 'BOOL') return Array.from(elements as ArrayLike<number>, (element) => element !== 0);
  if (datatype === 'FP16') return Array.from(elements as ArrayLike<number>, fromHalfBits);
  if (datatype === 'BF16') return Array.from(elements as ArrayLike<number>, fromBrainBits);
  return elements;
}

/** The 16-bit floats as numbers: FP16 (IEEE half) and BF16 (the upper half of a 32-bit float). */

const float = new Float32Array(1);
const bits = new Uint32Array(float.buffer);

/** The nearest half-precision float, ties to even. A number beyond its range becomes infinite. */
export function toHalfBits(value: number): number {
  float[0] = value;
  const single = bits[0] as number;
  const sign = (single >>> 16) & 0x8000;
  const magnitude = single & 0x7fffffff;
  if (magnitude > 0x7f800000) return sign | 0x7e00; // NaN
  if (magnitude >= 0x477ff000) return sign | 0x7c00; // rounds beyond 65504
  if (magnitude < 0x38800000) {
    // Subnormal in half precision: adding 0.5 rounds the number and leaves its bits at the low end of the mantissa.
    float[0] = Math.abs(value) + 0.5;
    return sign | ((bits[0] as number) - 0x3f000000);
  }
  const roundedToEven = magnitude + 0xfff + ((magnitude >>> 13) & 1);
  return sign | ((roundedToEven - 0x38000000) >>> 13);
}

/** The nearest bfloat16, ties to even. */
export function toBrainBits(value: number): number {
  float[0] = value;
  const single = bits[0] as number;
  if ((single & 0x7fffffff) > 0x7f800000) return (single >>> 16) | 0x40; // NaN remains NaN
  return ((single + 0x7fff + ((single >>> 16) & 1)) >>> 16) & 0xffff;
}
