/**
 * Frames between the server and a worker, over a unix socket. All numbers are little-endian:
 *
 *   u32 bytes of the whole frame | u32 call | u8 kind | u8 0 | u16 tensors | u32 bytes of text | text, padded to 8 | body
 *
 * Every part is padded to 8 bytes, so that a tensor in a received frame lies aligned for every datatype and is handed
 * to the model without a copy. The text is JSON and only used for control; what runs often is binary (tensor-frames.ts).
 */
import assert from 'node:assert/strict';
import type { Socket } from 'node:net';
import { PlatformError } from '../errors.ts';
import { giveBack } from '../spent-bytes.ts';

/**
 * What a frame is for. The first is the worker's, once; then calls go to the worker and answers come back. Only a reply
 * that is streamed comes in pieces, each to be taken before many more are sent.
 */
export const kinds = {
  hello: 1,
  call: 2,
  answer: 3,
  run: 4,
  ran: 5,
  failed: 6,
  shared: 7,
  invoke: 8,
  piece: 9,
  taken: 10,
  replied: 11,
} as const;

/** The fixed part of every frame. */
export const headBytes = 16;

/** A frame beyond this is never made or accepted; a batch of images is far below. */
export const frameBytesMax = 1024 ** 3;

export interface Frame {
  readonly call: number;
  readonly kind: number;
  readonly tensors: number;
  /** JSON, parsed; undefined where the frame has no text. */
  readonly message: unknown;
  /** The whole frame, a view that stays valid. */
  readonly bytes: Buffer;
  /** Where the body starts in `bytes`. */
  readonly bodyOffset: number;
}

export function padded(bytes: number): number {
  return (bytes + 7) & ~7;
}

export function writeHead(into: Buffer, head: { bytes: number; call: number; kind: number; tensors: number; textBytes: number }): void {
  into.writeUInt32LE(head.bytes, 0);
  into.writeUInt32LE(head.call, 4);
  into.writeUInt16LE(head.kind, 8);
  into.writeUInt16LE(head.tensors, 10);
  into.writeUInt32LE(head.textBytes, 12);
}

/** A control frame: a message and nothing else. */
export function messageFrame(call: number, kind: number, message: unknown): Buffer {
  const text = Buffer.from(JSON.stringify(message), 'utf8');
  const bytes = headBytes + padded(text.length);
  const frame = Buffer.alloc(bytes);
  writeHead(frame, { bytes, call, kind, tensors: 0, textBytes: text.length });
  frame.set(text, headBytes);
  return frame;
}

/** Stands for a frame of so many bytes that lies in a slot of the shared memory. */
export function sharedFrame(call: number, slot: number, frameBytes: number): Buffer {
  const frame = Buffer.alloc(headBytes + 8);
  writeHead(frame, { bytes: frame.length, call, kind: kinds.shared, tensors: 0, textBytes: 0 });
  frame.writeUInt32LE(frameBytes, headBytes);
  frame.writeUInt32LE(slot, headBytes + 4);
  return frame;
}

/** The frame itself, or the one it stands for. */
export function resolveShared(frame: Frame, read: (slot: number, bytes: number) => Buffer): Frame {
  if (frame.kind !== kinds.shared) return frame;
  return parseFrame(read(frame.bytes.readUInt32LE(frame.bodyOffset + 4), frame.bytes.readUInt32LE(frame.bodyOffset)));
}

/** Reads a whole frame. Throws where its parts do not fit into it. */
export function parseFrame(bytes: Buffer): Frame {
  const textBytes = bytes.readUInt32LE(12);
  const bodyOffset = headBytes + Math.ceil(textBytes / 8) * 8;
  if (bodyOffset > bytes.length) throw malformed(`its text of ${textBytes} bytes does not fit into ${bytes.length}`);
  return {
    call: bytes.readUInt32LE(4),
    kind: bytes.readUInt16LE(8),
    tensors: bytes.readUInt16LE(10),
    message: textBytes === 0 ? undefined : JSON.parse(bytes.toString('utf8', headBytes, headBytes + textBytes)),
    bytes,
    bodyOffset,
  };
}

/** A small frame is one write, a large one several that leave together: `written` is called once nothing of it is read any more. */
export function writeFrame(socket: Socket, frame: readonly Buffer[], written?: () => void): void {
  if (frame.length === 1) {
    socket.write(frame[0] as Buffer);
    return;
  }
  const last = frame.length - 1;
  socket.cork();
  for (let index = 0; index < last; index++) socket.write(frame[index] as Buffer);
  socket.write(frame[last] as Buffer, written);
  socket.uncork();
}

/**
 * Cuts a stream of bytes into frames. A frame that lies whole in a chunk is handed on as a view; any other is
 * allocated once at its full length and filled: joining chunks would copy a large frame many times.
 */
export class FrameReader {
  readonly #bytesMax: number;
  readonly #onFrame: (frame: Frame) => void;
  /** The first bytes of a frame whose length is not yet known. */
  #start: Buffer | null = null;
  #partial: Buffer | null = null;
  #filled = 0;

  constructor(onFrame: (frame: Frame) => void, bytesMax: number = frameBytesMax) {
    this.#onFrame = onFrame;
    this.#bytesMax = bytesMax;
  }

  /** Takes what came; the chunk is the reader's from now on. Throws at the first frame that is none; the connection is of no use then. */
  push(chunk: Buffer): void {
    let rest = this.#partial === null ? chunk : this.#fill(this.#partial, chunk);
    if (this.#start !== null && rest.length > 0) {
      rest = Buffer.concat([this.#start, rest]);
      this.#start = null;
    }
    let offset = 0;
    while (rest.length - offset >= headBytes) {
      const bytes = this.#length(rest.readUInt32LE(offset));
      const end = offset + bytes;
      if (end > rest.length) {
        this.#partial = Buffer.allocUnsafeSlow(bytes);
        this.#filled = rest.copy(this.#partial, 0, offset);
        if (offset === 0) giveBack(rest);
        return;
      }
      this.#onFrame(parseFrame(offset === 0 && end === rest.length ? rest : rest.subarray(offset, end)));
      offset = end;
    }
    if (offset < rest.length) this.#start = rest.subarray(offset);
  }

  /** Fills the open frame; returns what is left of the chunk. */
  #fill(partial: Buffer, chunk: Buffer): Buffer {
    const copied = chunk.copy(partial, this.#filled);
    this.#filled += copied;
    const rest = chunk.subarray(copied);
    if (rest.length === 0) giveBack(chunk);
    if (this.#filled < partial.length) return rest;
    this.#partial = null;
    this.#onFrame(parseFrame(partial));
    return rest;
  }

  #length(bytes: number): number {
    if (bytes < headBytes || bytes % 8 !== 0) throw malformed(`it claims ${bytes} bytes`);
    if (bytes > this.#bytesMax) throw malformed(`it claims ${bytes} bytes, at most ${this.#bytesMax} are accepted`);
    return bytes;
  }
}

export function malformed(why: string): PlatformError {
  return new PlatformError('internal', `a frame on the worker's socket is malformed: ${why}`);
}

/** An error as it crosses the socket, and back. */
export interface WireFailure {
  readonly code: PlatformError['code'];
  readonly message: string;
  readonly hint?: string;
}

export function failureOf(error: PlatformError): WireFailure {
  return { code: error.code, message: error.message, ...(error.hint === undefined ? {} : { hint: error.hint }) };
}

export function errorOf(failure: WireFailure): PlatformError {
  assert(typeof failure.message === 'string', 'a failure has a message');
  return new PlatformError(failure.code, failure.message, failure.hint === undefined ? {} : { hint: failure.hint });
}
