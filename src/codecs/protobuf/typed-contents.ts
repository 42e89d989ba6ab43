/**
 * `inference.InferTensorContents` holds the elements of a tensor in repeated fields, one for several datatypes. Here they are converted to
 * raw bytes; packed floats and booleans have the same bytes in both forms.
 */
import assert from 'node:assert/strict';
import {
  bytesOf,
  type Datatype,
  datatypes,
  elementCount,
  elementsOf,
  newArray,
  type Tensor,
  type TensorSpec,
  walkStrings,
} from '../../tensor.ts';
import { checkContent } from '../oip/binary-data.ts';
import { invalidElement, invalidRequest } from '../oip/request-errors.ts';
import { ProtobufReader, wireTypes } from './protobuf-reader.ts';
import { ProtobufWriter, varintBytesMax } from './protobuf-writer.ts';

/** The field number of each datatype; null for datatypes that only exist in raw form. */
const fieldNumbers = {
  BOOL: 1,
  INT8: 2,
  INT16: 2,
  INT32: 2,
  INT64: 3,
  UINT8: 4,
  UINT16: 4,
  UINT32: 4,
  UINT64: 5,
  FP32: 6,
  FP64: 7,
  BYTES: 8,
  FP16: null,
  BF16: null,
} as const satisfies Record<Datatype, number | null>;

const fieldNames = [
  '',
  'bool_contents',
  'int_contents',
  'int64_contents',
  'uint_contents',
  'uint64_contents',
  'fp32_contents',
  'fp64_contents',
  'bytes_contents',
];

/** False for datatypes that only exist in raw form. */
export function hasTypedContents(datatype: Datatype): boolean {
  return fieldNumbers[datatype] !== null;
}

/** Excess elements are counted up to this number; the rest is not read. */
const spareElements = 64 * 1024;
/** Maximum number of unknown fields. */
const unknownFieldsMax = 64 * 1024;

/** The tensor's bytes. Throws `invalid_request` if the contents do not fit the datatype or the shape. */
export function readTypedContents(spec: TensorSpec, shape: readonly number[], contents: Buffer): Uint8Array {
  const { name, datatype } = spec;
  const number = fieldNumbers[datatype];
  if (number === null) throw invalidRequest(`input '${name}': ${datatype} has no typed contents, send it in raw_input_contents`);
  const wrongCount = (found: number | string): Error =>
    invalidRequest(`input '${name}': ${fieldNames[number]} has ${found} elements, shape [${shape.join(',')}] needs ${elementCount(shape)}`);
  const each = (visit: (part: Buffer) => void): void => eachPart(spec, number, contents, visit);
  // Count before allocating, so that only the elements that the shape needs and the message contains are allocated.
  let count = 0;
  const needed = elementCount(shape);
  each((part) => {
    count += elementsIn(part, datatype);
    if (count > needed + spareElements) throw wrongCount(`more than ${needed + spareElements}`);
  });
  if (count !== needed) throw wrongCount(count);
  switch (datatype) {
    case 'FP32':
    case 'FP64':
      return joinedParts(each, count * datatypes[datatype].bytes);
    case 'BYTES': {
      const data = stringsOf(each);
      checkContent(spec, shape, data);
      return data;
    }
    case 'INT64':
    case 'UINT64':
      return wideIntegers(each, count);
    case 'BOOL':
      return booleans(each, count);
    default:
      return integers(spec, each, count);
  }
}

type EachPart = (visit: (part: Buffer) => void) => void;

/** Visits each piece of the field: many numbers if packed, otherwise one element. */
function eachPart(spec: TensorSpec, number: number, contents: Buffer, visit: (part: Buffer) => void): void {
  const reader = new ProtobufReader(contents);
  const alone = spec.datatype === 'FP32' ? wireTypes.fixed32 : spec.datatype === 'FP64' ? wireTypes.fixed64 : wireTypes.varint;
  let strangers = 0;
  while (!reader.isAtEnd) {
    const tag = reader.tag();
    const [field, type] = [tag >>> 3, tag & 7];
    if (field !== number && field < fieldNames.length) {
      throw invalidRequest(`input '${spec.name}': ${spec.datatype} belongs in ${fieldNames[number]}, but there is ${fieldNames[field]}`);
    }
    const isElement = field === number && (type === wireTypes.bytes || (type === alone && spec.datatype !== 'BYTES'));
    if (isElement) visit(reader.value(tag));
    else {
      if (++strangers > unknownFieldsMax)
        throw invalidRequest(`input '${spec.name}': its contents have more than ${unknownFieldsMax} unknown fields`);
      reader.skip(tag);
    }
  }
}

function elementsIn(part: Buffer, datatype: Datatype): number {
  if (datatype === 'BYTES') return 1;
  if (datatype === 'FP32' || datatype === 'FP64') return part.length / datatypes[datatype].bytes;
  let count = 0;
  // The last byte of each number is the only one whose top bit is 0.
  for (let index = 0; index < part.length; index++) if ((part[index] as number) < 0x80) count++;
  return count;
}

/** Usually there is one part, which is the whole tensor. */
function joinedParts(each: EachPart, byteCount: number): Buffer {
  let whole: Buffer | null = null;
  let position = 0;
  each((part) => {
    if (part.length === byteCount) whole = part;
    whole ??= Buffer.allocUnsafe(byteCount);
    if (whole !== part) part.copy(whole, position);
    position += part.length;
  });
  return whole ?? Buffer.alloc(0);
}

function stringsOf(each: EachPart): Buffer {
  let byteCount = 0;
  each((part) => (byteCount += 4 + part.length));
  const data = Buffer.allocUnsafe(byteCount);
  let position = 0;
  each((part) => {
    position = data.writeUInt32LE(part.length, position);
    position += part.copy(data, position);
  });
  return data;
}

function eachVarint(each: EachPart, visit: (index: number, low: number, high: number) => void): void {
  let index = 0;
  each((part) => {
    const reader = new ProtobufReader(part);
    while (!reader.isAtEnd) {
      reader.varint();
      visit(index++, reader.low, reader.high);
    }
  });
}

function booleans(each: EachPart, count: number): Uint8Array {
  const target = new Uint8Array(count);
  eachVarint(each, (index, low, high) => (target[index] = (low | high) === 0 ? 0 : 1));
  return target;
}

function wideIntegers(each: EachPart, count: number): Uint8Array {
  const halves = new Uint32Array(2 * count);
  eachVarint(each, (index, low, high) => {
    halves[2 * index] = low;
    halves[2 * index + 1] = high;
  });
  return bytesOf(halves);
}

function integers(spec: TensorSpec, each: EachPart, count: number): Uint8Array {
  const isSigned = spec.datatype.startsWith('INT');
  const target = newArray(spec.datatype as Exclude<Datatype, 'BYTES'>, count);
  eachVarint(each, (index, low) => {
    const value = isSigned ? low | 0 : low;
    target[index] = value;
    // A typed array wraps what it cannot hold.
    if (target[index] !== value) throw invalidElement(spec, index, value, 'an integer in its range');
  });
  return bytesOf(target);
}

/** The message for a tensor. The datatype must have a typed form. */
export function typedContents({ datatype, data }: Tensor): Buffer {
  const number = fieldNumbers[datatype];
  assert(number !== null, `${datatype} has no typed contents`);
  const tag = (number << 3) | wireTypes.bytes;
  if (data.byteLength === 0) return Buffer.alloc(0);
  if (datatype === 'BYTES') return bytesFields(tag, data);
  const packed = datatype === 'BOOL' || datatype === 'FP32' || datatype === 'FP64' ? data : varints(datatype, data);
  const writer = new ProtobufWriter(1 + varintBytesMax + packed.byteLength);
  writer.field(tag, packed);
  return writer.written;
}

function bytesFields(tag: number, data: Uint8Array): Buffer {
  const count = walkStrings(data, () => {});
  const writer = new ProtobufWriter(data.byteLength + 2 * count);
  walkStrings(data, (start, end) => writer.field(tag, data.subarray(start, end)));
  return writer.written;
}

function varints(datatype: Exclude<Datatype, 'BYTES'>, data: Uint8Array): Buffer {
  const elements = elementsOf(datatype, data);
  const writer = new ProtobufWriter(elements.length * varintBytesMax);
  if (datatype === 'INT64' || datatype === 'UINT64') {
    const halves = new Uint32Array(elements.buffer, elements.byteOffset, 2 * elements.length);
    for (let index = 0; index < halves.length; index += 2) writer.varint64(halves[index] as number, halves[index + 1] as number);
  } else {
    // A negative number is written as 64 bits.
    for (const element of elements as Int32Array) writer.varint64(element, element < 0 ? -1 : 0);
  }
  return writer.written;
}
