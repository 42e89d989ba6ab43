/**
 * Tensors in frames. Each is
 *
 *   u16 index in the signature | u8 datatype | u8 rank | u32 bytes | u32 size of each dimension, padded to 8 | data, padded to 8
 *
 * Names are not sent: after the load both sides know the signature. A run costs no JSON.
 */
import { PlatformError } from '../../errors.ts';
import { type Datatype, datatypes, type Tensor, type TensorSpec } from '../../tensor.ts';
import { type Frame, type FrameHead, frameBytesMax, headBytes, kinds, malformedFrame, padded, writeHead } from './frames.ts';

/** A tensor whose data is the concatenation of its parts, so merging requests into a batch needs no extra copy. */
export interface TensorParts {
  readonly name: string;
  readonly datatype: Datatype;
  readonly shape: readonly number[];
  readonly parts: readonly Uint8Array[];
}

/** Measured by the worker, in milliseconds. The server adds what it measures itself. */
export interface RunTimings {
  /** Decoding time: from the arrival of the frame at the worker to the start of the run, without waiting. */
  readonly inMs: number;
  readonly runMs: number;
  /** Time to encode the outputs. */
  readonly outMs: number;
}

/** A tensor for a frame: `index` is its position in the signature. */
export interface IndexedTensor {
  readonly index: number;
  readonly datatype: Datatype;
  readonly shape: readonly number[];
  readonly parts: readonly Uint8Array[];
}

const datatypeNames = Object.keys(datatypes) as Datatype[];
const datatypeCodes = Object.fromEntries(datatypeNames.map((name, code) => [name, code])) as Record<Datatype, number>;

/** Up to this size a frame is assembled in one buffer; beyond it, copying costs more than several writes. */
const oneWriteBytesMax = 32 * 1024;
const timingsBytes = 24;
const padding = Buffer.alloc(8);

function partsBytes(parts: readonly Uint8Array[]): number {
  let bytes = 0;
  for (let index = 0; index < parts.length; index++) bytes += (parts[index] as Uint8Array).length;
  return bytes;
}

function descriptorBytes(tensor: IndexedTensor): number {
  return padded(8 + 4 * tensor.shape.length);
}

/** The bytes of a run's frame, to be written in this order. Throws `too_large`. */
export function runFrame(call: number, tensors: readonly IndexedTensor[], plan = 0): Buffer[] {
  return tensorFrame({ call, kind: kinds.run, plan }, 0, tensors);
}

/** The bytes of the result of a run; `timings` reserves space that `setTimings` fills after encoding. */
export function ranFrame(call: number, tensors: readonly IndexedTensor[]): Buffer[] {
  return tensorFrame({ call, kind: kinds.ran, plan: 0 }, timingsBytes, tensors);
}

/** Fills the space that `ranFrame` reserved. */
export function setTimings(ran: readonly Buffer[], timings: RunTimings): void {
  const first = ran[0] as Buffer;
  first.writeDoubleLE(timings.inMs, headBytes);
  first.writeDoubleLE(timings.runMs, headBytes + 8);
  first.writeDoubleLE(timings.outMs, headBytes + 16);
}

/** `reservedBytes`, a multiple of 8, precede the tensors; their memory is not zeroed. Throws `too_large`. */
export function tensorFrame(
  of: Pick<FrameHead, 'call' | 'kind' | 'plan'>,
  reservedBytes: number,
  tensors: readonly IndexedTensor[],
): Buffer[] {
  let bytes = headBytes + reservedBytes;
  for (const tensor of tensors) bytes += descriptorBytes(tensor) + Math.ceil(partsBytes(tensor.parts) / 8) * 8;
  if (bytes > frameBytesMax) {
    throw new PlatformError(
      'too_large',
      `the batch is too large for a worker: expected at most ${frameBytesMax} bytes, got ${bytes}. Send fewer rows`,
    );
  }
  const head = { ...of, bytes, tensors: tensors.length, textBytes: 0 };
  return bytes <= oneWriteBytesMax ? [joined(head, reservedBytes, tensors)] : scattered(head, reservedBytes, tensors);
}

/**
 * The same with all tensors of a signature, in its order, in a frame of kind `kind`. A small frame is written without any other object: links of
 * gateway processes write two for each request.
 */
export function tensorsFrame(call: number, kind: number, reservedBytes: number, tensors: readonly Tensor[]): Buffer[] {
  let bytes = headBytes + reservedBytes;
  for (const { shape, data } of tensors) bytes += padded(8 + 4 * shape.length) + Math.ceil(data.length / 8) * 8;
  if (bytes > oneWriteBytesMax) {
    const indexed = tensors.map(({ datatype, shape, data }, index) => ({ index, datatype, shape, parts: [data] }));
    return tensorFrame({ call, kind, plan: 0 }, reservedBytes, indexed);
  }
  const frame = Buffer.allocUnsafe(bytes);
  writeHead(frame, { bytes, call, kind, tensors: tensors.length, textBytes: 0 });
  let offset = headBytes + reservedBytes;
  for (let index = 0; index < tensors.length; index++) {
    const { datatype, shape, data } = tensors[index] as Tensor;
    writeDescriptor(frame, offset, { index, datatype, shape }, data.length);
    offset += padded(8 + 4 * shape.length);
    frame.set(data, offset);
    const end = offset + data.length;
    offset += padded(data.length);
    if (end < offset) frame.fill(0, end, offset);
  }
  return [frame];
}

function joined(head: FrameHead, reservedBytes: number, tensors: readonly IndexedTensor[]): Buffer {
  const frame = Buffer.allocUnsafe(head.bytes);
  writeHead(frame, head);
  let offset = headBytes + reservedBytes;
  for (const tensor of tensors) {
    const dataBytes = partsBytes(tensor.parts);
    writeDescriptor(frame, offset, tensor, dataBytes);
    offset += descriptorBytes(tensor);
    let end = offset;
    for (const part of tensor.parts) {
      frame.set(part, end);
      end += part.length;
    }
    offset += padded(dataBytes);
    if (end < offset) frame.fill(0, end, offset);
  }
  return frame;
}

function scattered(head: FrameHead, reservedBytes: number, tensors: readonly IndexedTensor[]): Buffer[] {
  const start = Buffer.alloc(headBytes + reservedBytes);
  writeHead(start, head);
  const chunks: Buffer[] = [start];
  for (const tensor of tensors) {
    const dataBytes = partsBytes(tensor.parts);
    const descriptor = Buffer.alloc(descriptorBytes(tensor));
    writeDescriptor(descriptor, 0, tensor, dataBytes);
    chunks.push(descriptor);
    for (const part of tensor.parts) chunks.push(asBuffer(part));
    if (dataBytes % 8 !== 0) chunks.push(padding.subarray(0, 8 - (dataBytes % 8)));
  }
  return chunks;
}

function asBuffer(part: Uint8Array): Buffer {
  return Buffer.from(part.buffer, part.byteOffset, part.byteLength);
}

function writeDescriptor(into: Buffer, offset: number, tensor: Omit<IndexedTensor, 'parts'>, dataBytes: number): void {
  const rank = tensor.shape.length;
  if (rank > 255) throw new PlatformError('invalid_request', `too many dimensions of a tensor: expected at most 255, got ${rank}`);
  into.writeUInt16LE(tensor.index, offset);
  into[offset + 2] = datatypeCodes[tensor.datatype];
  into[offset + 3] = rank;
  into.writeUInt32LE(dataBytes, offset + 4);
  for (let axis = 0; axis < rank; axis++) {
    const size = tensor.shape[axis] as number;
    if (!(size >= 0 && size < 2 ** 32))
      throw new PlatformError('invalid_request', `invalid dimension: expected 0 to 2^32 - 1 elements, got ${size}`);
    into.writeUInt32LE(size, offset + 8 + 4 * axis);
  }
  // The memory is not zeroed: a worker that runs foreign code would see what the server had in it before.
  if (rank % 2 === 1) into.writeUInt32LE(0, offset + 8 + 4 * rank);
}

const noOthers: Readonly<Record<number, TensorSpec>> = {};

/**
 * The tensors of a frame as views of it, named by the signature. `others`: tensors that it lacks, by index. Throws if the frame is malformed.
 */
export function readTensors(frame: Frame, specs: readonly TensorSpec[], others = noOthers): Tensor[] {
  return tensorsAt(frame, frame.bodyOffset + (frame.kind === kinds.ran ? timingsBytes : 0), specs, others);
}

/** The same for tensors that begin at `offset` of the frame. */
export function tensorsAt(frame: Frame, start: number, specs: readonly TensorSpec[], others = noOthers): Tensor[] {
  const { bytes } = frame;
  const tensors = new Array<Tensor>(frame.tensors);
  let offset = start;
  for (let count = 0; count < frame.tensors; count++) {
    if (offset + 8 > bytes.length) throw malformedFrame('a tensor is truncated');
    const index = bytes.readUInt16LE(offset);
    const spec = specs[index] ?? others[index];
    const datatype = datatypeNames[bytes[offset + 2] as number];
    const rank = bytes[offset + 3] as number;
    const dataBytes = bytes.readUInt32LE(offset + 4);
    const dataStart = offset + padded(8 + 4 * rank);
    const end = dataStart + dataBytes;
    if (spec === undefined || datatype === undefined || end > bytes.length)
      throw malformedFrame('a tensor does not fit its frame or its signature');
    const shape = new Array<number>(rank);
    for (let axis = 0; axis < rank; axis++) shape[axis] = bytes.readUInt32LE(offset + 8 + 4 * axis);
    tensors[count] = { name: spec.name, datatype, shape, data: new Uint8Array(bytes.buffer, bytes.byteOffset + dataStart, dataBytes) };
    offset = dataStart + Math.ceil(dataBytes / 8) * 8;
  }
  return tensors;
}

/** Throws if the frame is too short for them, or if a worker reports impossible ones. */
export function readTimings(frame: Frame): RunTimings {
  if (frame.bodyOffset + timingsBytes > frame.bytes.length) throw malformedFrame('the timings are truncated');
  return checkedTimings({
    inMs: frame.bytes.readDoubleLE(frame.bodyOffset),
    runMs: frame.bytes.readDoubleLE(frame.bodyOffset + 8),
    outMs: frame.bytes.readDoubleLE(frame.bodyOffset + 16),
  });
}

/** No run takes longer: the timeout of an endpoint is at most an hour. */
const timingMsMax = 86_400_000;

/** Timings end up in costs, metrics and predictions. A worker that runs foreign code can send anything. */
export function checkedTimings(timings: unknown): RunTimings {
  const { inMs, runMs, outMs } = (timings ?? {}) as Readonly<Record<string, unknown>>;
  const isTime = (ms: unknown): ms is number => typeof ms === 'number' && ms >= 0 && ms <= timingMsMax;
  if (!isTime(inMs) || !isTime(runMs) || !isTime(outMs)) throw malformedFrame('its timings are not valid milliseconds');
  return { inMs, runMs, outMs };
}
