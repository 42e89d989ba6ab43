/**
 * NumPy's file format for one array (https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html):
 * "\x93NUMPY", version, the length of a header that is a Python literal, the header, the elements.
 */
import { PlatformError } from '../../errors.ts';
import {
  bytesOf,
  type Datatype,
  datatypes,
  decodeStrings,
  describeTensor,
  elementCount,
  type Signature,
  type Tensor,
  type TensorSpec,
} from '../../tensor.ts';
import { packElements, unpackElements } from './elements.ts';
import {
  anyRows,
  fitShape,
  hasRows,
  onlyInput,
  type RowInvocation,
  type RowLimits,
  rowsMaxOf,
  runOneByOne,
  tooManyRows,
} from './invocation.ts';

/** An array in the layout of tensors; other layouts of NumPy are rejected. */
export interface NpyArray {
  readonly datatype: Exclude<Datatype, 'BYTES' | 'BF16'>;
  readonly shape: readonly number[];
  /** Little-endian, row-major. */
  readonly data: Uint8Array;
}

const magic = '\x93NUMPY';
/** NumPy itself rejects more than 10,000 bytes. */
const headerBytesMax = 64 * 1024;
const descriptors: Readonly<Record<string, NpyArray['datatype']>> = {
  '|b1': 'BOOL',
  '|i1': 'INT8',
  '|u1': 'UINT8',
  '<i2': 'INT16',
  '<i4': 'INT32',
  '<i8': 'INT64',
  '<u2': 'UINT16',
  '<u4': 'UINT32',
  '<u8': 'UINT64',
  '<f2': 'FP16',
  '<f4': 'FP32',
  '<f8': 'FP64',
};

/** The tensor as a file that `numpy.load` reads without pickling. Text becomes an array of text, BF16 an array of 32-bit floats. */
export function npyFile(tensor: Pick<Tensor, 'datatype' | 'shape' | 'data'>): Buffer {
  const { descriptor, data } = arrayOf(tensor);
  const { shape } = tensor;
  const tuple = shape.length === 1 ? `${shape[0]},` : shape.join(', ');
  const header = `{'descr': '${descriptor}', 'fortran_order': False, 'shape': (${tuple}), }`;
  // The elements begin at a multiple of 64 bytes.
  const padding = 63 - ((10 + header.length) % 64);
  const start = Buffer.alloc(10);
  start.write(magic, 'latin1');
  start[6] = 1;
  start.writeUInt16LE(header.length + padding + 1, 8);
  return Buffer.concat([start, Buffer.from(`${header}${' '.repeat(padding)}\n`, 'latin1'), data]);
}

function arrayOf({ datatype, data }: Pick<Tensor, 'datatype' | 'data'>): { descriptor: string; data: Uint8Array } {
  if (datatype === 'BYTES') return textArray(decodeStrings(data));
  if (datatype === 'BF16')
    return { descriptor: '<f4', data: bytesOf(Float32Array.from(unpackElements(datatype, data) as ArrayLike<number>)) };
  return { descriptor: Object.keys(descriptors).find((known) => descriptors[known] === datatype) as string, data };
}

/** NumPy stores text as UTF-32, padded to the longest. */
function textArray(texts: readonly string[]): { descriptor: string; data: Uint8Array } {
  const points = texts.map((text) => Array.from(text, (character) => character.codePointAt(0) as number));
  const width = points.reduce((most, { length }) => Math.max(most, length), 1);
  const cells = new Uint32Array(texts.length * width);
  for (const [index, codes] of points.entries()) cells.set(codes, index * width);
  return { descriptor: `<U${width}`, data: bytesOf(cells) };
}

/** What the bytes before the elements say. */
export interface NpyHead extends Omit<NpyArray, 'data'> {
  /** Offset of the elements: the size of the head. */
  readonly bytes: number;
}

/** Parses the head of a file; null if these bytes end within it. Throws `invalid_request` if it is not npy. */
export function npyHead(file: Uint8Array): NpyHead | null {
  const view = new DataView(file.buffer, file.byteOffset, file.byteLength);
  if (latin1(file.subarray(0, 6)) !== magic.slice(0, file.length)) {
    throw new PlatformError('invalid_request', 'the body is not an npy file: write it with numpy.save');
  }
  if (file.length < 12) return null;
  const wide = (file[6] as number) >= 2;
  const headerStart = wide ? 12 : 10;
  const headerBytes = wide ? view.getUint32(8, true) : view.getUint16(8, true);
  if (headerBytes > headerBytesMax) {
    throw new PlatformError('invalid_request', `the header of the npy file has ${headerBytes} bytes, expected at most ${headerBytesMax}`);
  }
  const headerEnd = headerStart + headerBytes;
  if (headerEnd > file.length) return null;
  const header = latin1(file.subarray(headerStart, headerEnd));
  const descriptor = /'descr':\s*'([^']*)'/.exec(header)?.[1];
  const order = /'fortran_order':\s*(True|False)/.exec(header)?.[1];
  const shapeText = /'shape':\s*\(([\d,\s]*)\)/.exec(header)?.[1];
  if (order === undefined || shapeText === undefined)
    throw new PlatformError('invalid_request', 'the header of the npy file is not understood');
  const datatype = descriptor === undefined ? undefined : descriptors[descriptor.replace(/^=/, '<').replace(/^[<>=](?=.1$)/, '|')];
  if (datatype === undefined) {
    const got = descriptor ?? 'a structured or object array';
    throw new PlatformError(
      'invalid_request',
      `npy arrays of ${got} are not read: convert with array.astype('<f4') (or another number type)`,
    );
  }
  if (order === 'True') {
    throw new PlatformError('invalid_request', 'the npy array is in Fortran order: save numpy.ascontiguousarray(array)');
  }
  const shape = shapeText
    .split(',')
    .filter((size) => size.trim() !== '')
    .map(Number);
  return { datatype, shape, bytes: headerEnd };
}

/** Parses one array. Throws `invalid_request` for other data, and for arrays of pickled objects, which only Python can read. */
export function parseNpy(file: Uint8Array): NpyArray {
  if (file.length < 12) throw new PlatformError('invalid_request', 'the body is not an npy file: write it with numpy.save');
  const head = npyHead(file);
  if (head === null) throw new PlatformError('invalid_request', 'the npy file ends within its header');
  const { datatype, shape } = head;
  const data = file.subarray(head.bytes);
  const bytes = elementCount(shape) * (datatypes[datatype].bytes as number);
  if (data.length !== bytes) {
    throw new PlatformError(
      'invalid_request',
      `the npy array of shape [${shape.join(',')}] needs ${bytes} bytes, the file holds ${data.length}`,
    );
  }
  return { datatype, shape, data };
}

function latin1(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('latin1');
}

/**
 * Decodes the array as the only input of a model: rows first, or a single row without the first dimension. Returns one invocation, or one
 * per row if the model takes one row per request.
 */
export function decodeNpy(signature: Signature, file: Uint8Array, limits: RowLimits = anyRows): readonly RowInvocation[] {
  const spec = onlyInput(signature, 'npy');
  const array = parseNpy(file);
  const [rows = 1] = array.shape;
  const rowsMax = rowsMaxOf(signature.inputs, limits);
  if (rows > rowsMax && array.data.length > 0 && array.shape.length >= spec.shape.length) throw tooManyRows(rowsMax);
  if (!runOneByOne(spec, rows, elementCount(array.shape) / rows)) return [invocationOf(spec, array)];
  const rowBytes = array.data.length / rows;
  return Array.from({ length: rows }, (_, row) =>
    invocationOf(spec, { ...array, shape: array.shape.slice(1), data: array.data.subarray(row * rowBytes, (row + 1) * rowBytes) }),
  );
}

function invocationOf(spec: TensorSpec, array: NpyArray): RowInvocation {
  const shape = shapeFor(spec, array.shape);
  if (shape === null) {
    throw new PlatformError(
      'invalid_request',
      `input '${spec.name}' is ${describeTensor(spec)}, got an array of shape [${array.shape.join(',')}]`,
    );
  }
  const tensor: Tensor = { name: spec.name, datatype: spec.datatype, shape, data: convert(spec, array) };
  return { inputs: [tensor], rows: hasRows(spec) ? (shape[0] as number) : 1 };
}

function shapeFor(spec: TensorSpec, provided: readonly number[]): number[] | null {
  const count = elementCount(provided);
  if (!hasRows(spec)) return fitShape(spec.shape, provided, count);
  const inner = spec.shape.slice(1);
  const [rows, ...row] = provided;
  if (rows !== undefined && rows > 0) {
    const many = fitShape(inner, row, count / rows);
    if (many !== null) return [rows, ...many];
  }
  const one = fitShape(inner, provided, count);
  return one === null ? null : [1, ...one];
}

function convert(spec: TensorSpec, array: NpyArray): Uint8Array {
  if (array.datatype === spec.datatype) return array.data;
  return packElements(spec.name, spec.datatype, unpackElements(array.datatype, array.data));
}
