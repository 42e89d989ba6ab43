/**
 * Frames between the server and a worker, over a unix socket. All numbers are little-endian:
 *
 *   u32 bytes of the whole frame | u32 call | u8 kind | u8 plan | u16 tensors | u32 bytes of text | text, padded to 8 | body
 *
 * `plan` is that of a run (worker-plans.ts), otherwise 0.
 * Every part is padded to 8 bytes, so a tensor in a received frame is aligned for every datatype and passed to the model without
 * a copy. The text is JSON and only used for control; frequent calls are binary (tensor-frames.ts).
 */
import type { Socket } from 'node:net';
import { releaseMemory } from '../../buffer-release.ts';
import { defined } from '../../defined.ts';
import { type ErrorCode, PlatformError } from '../../errors.ts';

/**
 * The purpose of a frame. The worker sends one hello; then calls go to the worker and answers come back. Only a streamed reply is sent in
 * pieces, with backpressure.
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

/** Larger frames are neither created nor accepted. A batch of images is far smaller. */
export const frameBytesMax = 1024 ** 3;

/** A received frame whose lengths have been checked against its bytes. */
export interface Frame {
  readonly call: number;
  readonly kind: number;
  /** By which plan the worker runs it; 0: the first, or the model alone. */
  readonly plan: number;
  readonly tensors: number;
  /** Parsed JSON; undefined if the frame has no text. */
  readonly message: unknown;
  /** The whole frame, a view that stays valid. */
  readonly bytes: Buffer;
  /** Offset of the body in `bytes`. */
  readonly bodyOffset: number;
}

/** Rounds up to a multiple of 8. */
export function padded(bytes: number): number {
  return (bytes + 7) & ~7;
}

/** What the head of a frame says. `plan` defaults to 0. */
export interface FrameHead {
  readonly bytes: number;
  readonly call: number;
  readonly kind: number;
  readonly plan?: number;
  readonly tensors: number;
  readonly textBytes: number;
}

/** Writes the fixed part of a frame; `bytes` is the size of the whole frame. */
export function writeHead(into: Buffer, head: FrameHead): void {
  into.writeUInt32LE(head.bytes, 0);
  into.writeUInt32LE(head.call, 4);
  into[8] = head.kind;
  into[9] = head.plan ?? 0;
  into.writeUInt16LE(head.tensors, 10);
  into.writeUInt32LE(head.textBytes, 12);
}

/** A control frame: only a message. */
export function messageFrame(call: number, kind: number, message: unknown): Buffer {
  const text = Buffer.from(JSON.stringify(message), 'utf8');
  const bytes = headBytes + padded(text.length);
  const frame = Buffer.alloc(bytes);
  writeHead(frame, { bytes, call, kind, tensors: 0, textBytes: text.length });
  frame.set(text, headBytes);
  return frame;
}

/** Refers to a frame of `frameBytes` in a slot of the shared memory. */
export function sharedFrame(call: number, slot: number, frameBytes: number): Buffer {
  const frame = Buffer.alloc(headBytes + 8);
  writeHead(frame, { bytes: frame.length, call, kind: kinds.shared, tensors: 0, textBytes: 0 });
  frame.writeUInt32LE(frameBytes, headBytes);
  frame.writeUInt32LE(slot, headBytes + 4);
  return frame;
}

/** Returns the frame itself, or the frame in shared memory that it refers to. */
export function resolveShared(frame: Frame, read: (slot: number, bytes: number) => Buffer): Frame {
  if (frame.kind !== kinds.shared) return frame;
  return parseFrame(read(frame.bytes.readUInt32LE(frame.bodyOffset + 4), frame.bytes.readUInt32LE(frame.bodyOffset)));
}

/** Parses a complete frame. Throws if its parts do not fit into it. */
export function parseFrame(bytes: Buffer): Frame {
  const textBytes = bytes.readUInt32LE(12);
  const bodyOffset = headBytes + Math.ceil(textBytes / 8) * 8;
  if (textBytes > textBytesMax) throw malformedFrame(`its text has ${textBytes} bytes, expected at most ${textBytesMax}`);
  if (bodyOffset > bytes.length) throw malformedFrame(`its text of ${textBytes} bytes does not fit into ${bytes.length}`);
  return {
    call: bytes.readUInt32LE(4),
    kind: bytes[8] as number,
    plan: bytes[9] as number,
    tensors: bytes.readUInt16LE(10),
    message: textBytes === 0 ? undefined : JSON.parse(bytes.toString('utf8', headBytes, headBytes + textBytes)),
    bytes,
    bodyOffset,
  };
}

/** Writes a small frame at once and a large one in several writes. `written` is called once its memory is no longer read. */
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
 * Writes frames in their order, each only when the one before is written. Node would join the frames that wait into one write and report
 * its end: a frame that the worker has read and answered would still count as being sent.
 */
export class FrameWriter {
  readonly #socket: Socket;
  readonly #waiting: { readonly frame: readonly Buffer[]; readonly written: () => void }[] = [];
  #isWriting = false;

  constructor(socket: Socket) {
    this.#socket = socket;
  }

  /** `written` is called once the memory of the frame is no longer read. */
  write(frame: readonly Buffer[], written: () => void): void {
    this.#waiting.push({ frame, written });
    if (!this.#isWriting) this.#next();
  }

  #next(): void {
    for (;;) {
      const next = this.#waiting.shift();
      this.#isWriting = next !== undefined;
      if (next === undefined) return;
      if (next.frame.length > 1) {
        return writeFrame(this.#socket, next.frame, () => {
          next.written();
          this.#next();
        });
      }
      writeFrame(this.#socket, next.frame); // a small frame is the link's own memory
      next.written();
    }
  }
}

/**
 * Splits a byte stream into frames. A frame within one chunk is returned as a view; any other is allocated once at its full
 * length and filled, because joining chunks would copy a large frame many times.
 */
export class FrameReader {
  readonly #bytesMax: number;
  readonly #onFrame: (frame: Frame) => void;
  /** The first bytes of a frame whose length is not known yet. */
  #start: Buffer | null = null;
  #partial: Buffer | null = null;
  #filled = 0;

  constructor(onFrame: (frame: Frame) => void, bytesMax: number = frameBytesMax) {
    this.#onFrame = onFrame;
    this.#bytesMax = bytesMax;
  }

  /** Takes ownership of a chunk. Throws at the first invalid frame; afterwards the connection is unusable. */
  push(chunk: Buffer): void {
    let rest = this.#partial === null ? chunk : this.#fill(this.#partial, chunk);
    if (this.#start !== null && rest.length > 0) {
      rest = Buffer.concat([this.#start, rest]);
      this.#start = null;
    }
    let offset = 0;
    while (rest.length - offset >= headBytes) {
      const bytes = frameBytes(rest.readUInt32LE(offset), this.#bytesMax);
      const end = offset + bytes;
      if (end > rest.length) {
        this.#partial = Buffer.allocUnsafeSlow(bytes);
        this.#filled = rest.copy(this.#partial, 0, offset);
        if (offset === 0) releaseMemory(rest);
        return;
      }
      this.#onFrame(parseFrame(offset === 0 && end === rest.length ? rest : rest.subarray(offset, end)));
      offset = end;
    }
    if (offset < rest.length) this.#start = rest.subarray(offset);
  }

  /** Fills the open frame; returns the rest of the chunk. */
  #fill(partial: Buffer, chunk: Buffer): Buffer {
    const copied = chunk.copy(partial, this.#filled);
    this.#filled += copied;
    const rest = chunk.subarray(copied);
    if (rest.length === 0) releaseMemory(chunk);
    if (this.#filled < partial.length) return rest;
    this.#partial = null;
    this.#onFrame(parseFrame(partial));
    return rest;
  }
}

/** The length of a frame, as its first number says. Throws if no frame has that length. */
export function frameBytes(bytes: number, bytesMax: number = frameBytesMax): number {
  if (bytes < headBytes || bytes % 8 !== 0) throw malformedFrame(`its length is ${bytes} bytes`);
  if (bytes > bytesMax) throw malformedFrame(`its length is ${bytes} bytes, expected at most ${bytesMax}`);
  return bytes;
}

/** A malformed frame means that the peer is broken: the link must be closed. */
export function malformedFrame(why: string): PlatformError {
  return new PlatformError('internal', `a frame on the worker's socket is malformed: ${why}`);
}

/** A `PlatformError` in the form in which it is sent through the socket. */
const workerCodes: ReadonlySet<ErrorCode> = new Set<ErrorCode>([
  'invalid_request',
  'wrong_state',
  'too_large',
  'deadline_exceeded',
  'model_failed',
  'unsupported',
  'unavailable',
  'internal',
]);
const linesMax = 20;
const lineLengthMax = 1000;
const messageLengthMax = 16 * 1024;
/** Text is parsed as a whole, which blocks the server. Only descriptions of large models come near. */
const textBytesMax = 32 * 1024 ** 2;

/** An error as it crosses the socket: only members that the server also shows to callers. */
export interface WireFailure {
  readonly code: PlatformError['code'];
  readonly message: string;
  readonly hint?: string;
  /** The end of a traceback of a Python model. */
  readonly lines?: readonly string[];
  /** The status of an exception with which a Python model blames its caller. */
  readonly status?: number;
}

/** The sender's half of `errorOf`. Stack and cause are not sent. */
export function failureOf(error: PlatformError): WireFailure {
  return { code: error.code, message: error.message, ...(error.hint === undefined ? {} : { hint: error.hint }) };
}

/** Reverses `failureOf`, and trusts nothing: codes of the server itself become `model_failed`, texts are cut off. */
export function errorOf(failure: WireFailure): PlatformError {
  if (typeof failure?.message !== 'string') throw malformedFrame('a failure without a message');
  const { code, hint, lines, status } = failure;
  const message = failure.message.slice(0, messageLengthMax);
  const last = Array.isArray(lines) ? lines.slice(-linesMax).map((line) => String(line).slice(0, lineLengthMax)) : undefined;
  // A worker that runs foreign code can send any text: it must not look like a failure of the server.
  const callerStatus = code === 'invalid_request' && isCallerStatus(status) ? status : undefined;
  return new PlatformError(workerCodes.has(code) ? code : 'model_failed', message, defined({ hint, callerStatus, lines: last }));
}

function isCallerStatus(status: unknown): status is number {
  return typeof status === 'number' && Number.isInteger(status) && status >= 400 && status <= 499;
}
