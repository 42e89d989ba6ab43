/**
 * Tensors as used by all modules: raw little-endian, row-major bytes, as in the binary extension of the Open Inference Protocol. Merging
 * requests concatenates bytes, splitting slices them, and a binary request reaches the model without conversion.
 */
import assert from 'node:assert/strict';
import { PlatformError } from './errors.ts';

interface DatatypeFacts {
  /** Bytes of one element; null if variable (BYTES). */
  readonly bytes: number | null;
  /** The name in a Triton model configuration. */
  readonly config: string;
  /** The name in onnxruntime; null if its Node binding has none. */
  readonly onnx: string | null;
}

/** Datatypes by their name in the Open Inference Protocol. */
export const datatypes = {
  BOOL: { bytes: 1, config: 'TYPE_BOOL', onnx: 'bool' },
  INT8: { bytes: 1, config: 'TYPE_INT8', onnx: 'int8' },
  INT16: { bytes: 2, config: 'TYPE_INT16', onnx: 'int16' },
  INT32: { bytes: 4, config: 'TYPE_INT32', onnx: 'int32' },
  INT64: { bytes: 8, config: 'TYPE_INT64', onnx: 'int64' },
  UINT8: { bytes: 1, config: 'TYPE_UINT8', onnx: 'uint8' },
  UINT16: { bytes: 2, config: 'TYPE_UINT16', onnx: 'uint16' },
  UINT32: { bytes: 4, config: 'TYPE_UINT32', onnx: 'uint32' },
  UINT64: { bytes: 8, config: 'TYPE_UINT64', onnx: 'uint64' },
  FP16: { bytes: 2, config: 'TYPE_FP16', onnx: 'float16' },
  FP32: { bytes: 4, config: 'TYPE_FP32', onnx: 'float32' },
  FP64: { bytes: 8, config: 'TYPE_FP64', onnx: 'float64' },
  BF16: { bytes: 2, config: 'TYPE_BF16', onnx: null },
  BYTES: { bytes: null, config: 'TYPE_STRING', onnx: 'string' },
} as const satisfies Record<string, DatatypeFacts>;

/** Of the Open Inference Protocol, such as `FP32`. */
export type Datatype = keyof typeof datatypes;

/** An input or output of a model. A size of -1 varies. The batch dimension, if any, is the first. */
export interface TensorSpec {
  readonly name: string;
  readonly datatype: Datatype;
  readonly shape: readonly number[];
  /** BYTES only: each element is one JSON text. */
  readonly content?: 'json';
  /** Names of the columns of an input [-1,k], for forms of requests that name their values: CSV, rows as JSON objects. */
  readonly columns?: readonly string[];
}

/** The length of `data` matches datatype and shape. */
export interface Tensor {
  readonly name: string;
  readonly datatype: Datatype;
  readonly shape: readonly number[];
  /**
   * Little-endian and row-major, at any alignment. BOOL: one byte, 0 or 1. FP16: the bits. BYTES: for each element
   * its length as uint32, then its UTF-8 bytes.
   */
  readonly data: Uint8Array;
}

/** The inputs and outputs of a model, as read from its file. */
export interface Signature {
  readonly inputs: readonly TensorSpec[];
  readonly outputs: readonly TensorSpec[];
}

/** The signature of a model that takes and returns rows of any JSON: Python models of the form `json`. */
export const jsonSignature: Signature = {
  inputs: [{ name: 'request', datatype: 'BYTES', shape: [-1], content: 'json' }],
  outputs: [{ name: 'response', datatype: 'BYTES', shape: [-1], content: 'json' }],
};

/** Whether the rows of this model are JSON texts. */
export function takesJson({ inputs }: Signature): boolean {
  return inputs.length === 1 && inputs[0]?.content === 'json';
}

/** Typed arrays for the elements of numeric tensors. */
export type NumericArray =
  | Uint8Array
  | Int8Array
  | Int16Array
  | Uint16Array
  | Int32Array
  | Uint32Array
  | BigInt64Array
  | BigUint64Array
  | Float32Array
  | Float64Array;

type ArrayConstructor = {
  new (buffer: ArrayBufferLike, byteOffset: number, length: number): NumericArray;
  new (length: number): NumericArray;
};

const arrays: Record<Exclude<Datatype, 'BYTES'>, ArrayConstructor> = {
  BOOL: Uint8Array,
  INT8: Int8Array,
  INT16: Int16Array,
  INT32: Int32Array,
  INT64: BigInt64Array,
  UINT8: Uint8Array,
  UINT16: Uint16Array,
  UINT32: Uint32Array,
  UINT64: BigUint64Array,
  FP16: Uint16Array,
  FP32: Float32Array,
  FP64: Float64Array,
  BF16: Uint16Array,
};

/** Whether a word is a datatype, spelled as the protocol does. */
export function isDatatype(word: unknown): word is Datatype {
  return typeof word === 'string' && Object.hasOwn(datatypes, word);
}

/** Number of elements of a tensor with this shape; a scalar (`[]`) has one. */
export function elementCount(shape: readonly number[]): number {
  let count = 1;
  for (const size of shape) count *= size;
  return count;
}

/** The rows of a tensor: the size of its first dimension; 1 for a scalar. */
export function rowCount(shape: readonly number[]): number {
  return shape.length === 0 ? 1 : (shape[0] as number);
}

/** A zeroed array for this datatype. Fill it and pass its bytes on with `bytesOf`. */
export function newArray(datatype: Exclude<Datatype, 'BYTES'>, length: number): NumericArray {
  return new arrays[datatype](length);
}

/** The bytes of a typed array, without a copy. */
export function bytesOf(array: NumericArray): Uint8Array {
  return new Uint8Array(array.buffer, array.byteOffset, array.byteLength);
}

/** The elements as a typed array: a view if the bytes are aligned, otherwise a copy. Not for BYTES. */
export function elementsOf(datatype: Exclude<Datatype, 'BYTES'>, data: Uint8Array): NumericArray {
  const { bytes } = datatypes[datatype];
  assert(data.byteLength % bytes === 0, `${data.byteLength} bytes are not a whole number of ${datatype} elements`);
  // Not `slice`, which returns a view for a Buffer.
  const aligned = data.byteOffset % bytes === 0 ? data : new Uint8Array(data);
  return new arrays[datatype](aligned.buffer, aligned.byteOffset, aligned.byteLength / bytes);
}

/** The elements of a tensor of floats as numbers; null for other datatypes. 16-bit floats are converted exactly. */
export function floatsOf({ datatype, data }: Pick<Tensor, 'datatype' | 'data'>): ArrayLike<number> | null {
  if (datatype === 'FP32' || datatype === 'FP64') return elementsOf(datatype, data) as Float32Array;
  if (datatype === 'FP16') return Float32Array.from(elementsOf(datatype, data) as Uint16Array, fromHalfBits);
  return datatype === 'BF16' ? Float32Array.from(elementsOf(datatype, data) as Uint16Array, fromBrainBits) : null;
}

/** The number with these half-precision bits; exact. */
export function fromHalfBits(half: number): number {
  const sign = half & 0x8000 ? -1 : 1;
  const exponent = (half >>> 10) & 0x1f;
  const fraction = half & 0x3ff;
  if (exponent === 0x1f) return fraction === 0 ? sign * Number.POSITIVE_INFINITY : Number.NaN;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  return sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}

const single = new Float32Array(1);
const singleBits = new Uint32Array(single.buffer);

/** The number with these bfloat16 bits; exact. */
export function fromBrainBits(brain: number): number {
  singleBits[0] = brain << 16;
  return single[0] as number;
}

const encoder = new TextEncoder();
const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** Encodes strings as the data of a BYTES tensor. */
export function encodeStrings(strings: readonly string[]): Uint8Array {
  const encoded = strings.map((text) => encoder.encode(text));
  const data = new Uint8Array(encoded.reduce((sum, bytes) => sum + 4 + bytes.length, 0));
  const view = new DataView(data.buffer);
  let offset = 0;
  for (const bytes of encoded) {
    view.setUint32(offset, bytes.length, true);
    data.set(bytes, offset + 4);
    offset += 4 + bytes.length;
  }
  return data;
}

/**
 * Visits each element of the data of a BYTES tensor: `start` and `end` (exclusive) of its content. Returns the number of elements. Throws
 * `invalid_request` if a length exceeds the data.
 */
export function walkStrings(data: Uint8Array, visit: (start: number, end: number) => void): number {
  const view = new DataView(data.buffer, data.byteOffset, data.byteLength);
  let count = 0;
  for (let offset = 0; offset < data.byteLength; count++) {
    const start = offset + 4;
    const end = start <= data.byteLength ? start + view.getUint32(offset, true) : Number.POSITIVE_INFINITY;
    if (end > data.byteLength) {
      throw new PlatformError(
        'invalid_request',
        `BYTES element ${count}: its length runs past the end of the data (${data.byteLength} bytes)`,
      );
    }
    visit(start, end);
    offset = end;
  }
  return count;
}

/** Decodes the data of a BYTES tensor as strings. Throws `invalid_request` if it is malformed or not UTF-8. */
export function decodeStrings(data: Uint8Array): string[] {
  const strings: string[] = [];
  walkStrings(data, (start, end) => {
    try {
      strings.push(decoder.decode(data.subarray(start, end)));
    } catch (cause) {
      throw new PlatformError('invalid_request', `BYTES element ${strings.length} is not valid UTF-8`, { cause });
    }
  });
  return strings;
}

/** Formats a tensor for error messages and tables: `FP32 [-1,3]`. */
export function describeTensor(spec: TensorSpec): string {
  return `${spec.datatype} [${spec.shape.join(',')}]`;
}
