/**
 * Frames of the link between a gateway process and the server, in the format of those to workers (runtime/link/frames.ts), whose body is
 * described at each kind. The byte `plan` of the head holds flags.
 */
import { defined } from '../defined.ts';
import { PlatformError } from '../errors.ts';
import { type Frame, headBytes, malformedFrame, messageFrame, padded, tensorsAt, tensorsFrame, writeHead } from '../runtime/index.ts';
import type { InferenceCall, InferenceResult } from '../serving/index.ts';
import type { Tensor, TensorSpec } from '../tensor.ts';

/** Distinct from the kinds of frames to workers, so that a mistaken one is noticed. */
export const linkKinds = {
  /** To the server: `u32 route | u32 rows | f64 elapsedMs | f64 leftMs | f64 priority | u32 bytes of id | u32 0 | id | tensors`. */
  enter: 20,
  /** The result: see `resultFrame`. */
  left: 21,
  /** The error, as JSON. */
  refused: 22,
  /** To the server: the client of a call has disconnected. */
  cancel: 23,
  /** To the server: a plain request as received, `u32 connection | u32 bytes | bytes`. */
  whole: 24,
  /** The route of the call is no longer served: the request must be forwarded. */
  changed: 25,
  /** The response to a whole request: `u32 0 | u32 bytes | bytes`. Flags: `flags.stays`, `flags.admitted`. */
  answered: 26,
  /** To the server: facts of a connection whose requests follow, as JSON; `call` is its number. */
  connected: 27,
  /** To the server: the connection with the number `call` is closed. */
  disconnected: 28,
  /** The endpoints that a gateway process may decode requests for, as JSON. Replaces the previous ones. */
  catalogue: 29,
  /** The server gives its place to another one: send nothing more, what is under way is answered. */
  leave: 30,
  /** To the server: a line for its log, as JSON. */
  log: 31,
  /** To the server: a plain request that waited for a home, `u32 connection | u32 bytes | f64 elapsedMs | request as received`. */
  again: 32,
  /** The server runs. Sent to other machines, where a process that stopped closes no connection. If `call` is not 0, it asks for an echo. */
  beat: 33,
  /** To the server: the echo of the beat with the number `call`. */
  echo: 34,
} as const;

/** Bits of a frame's `plan` byte. */
export const flags = {
  /** The connection stays open after this response. */
  stays: 1,
  /** The caller is known, has no limits, and may invoke. */
  admitted: 2,
} as const;

const elapsedBytes = 8;
const enterBytes = 40;
const resultBytes = 64;

/** A call with its tensors. `nowMs`: on the clock of `call.arrivedAtMs`. Only durations cross the link. */
export function enterFrame(number: number, route: number, call: InferenceCall, nowMs: number): Buffer[] {
  const { requestId, inputs, rows, arrivedAtMs, timeoutMs, priority } = call;
  const elapsedMs = nowMs - arrivedAtMs;
  const frame = tensorsFrame(number, linkKinds.enter, enterBytes + padded(requestId.length), inputs);
  const first = frame[0] as Buffer;
  first.writeUInt32LE(route, headBytes);
  first.writeUInt32LE(rows, headBytes + 4);
  first.writeDoubleLE(elapsedMs, headBytes + 8);
  first.writeDoubleLE(timeoutMs === undefined ? Number.NaN : timeoutMs - elapsedMs, headBytes + 16);
  first.writeDoubleLE(priority ?? Number.NaN, headBytes + 24);
  first.writeUInt32LE(requestId.length, headBytes + 32);
  first.write(requestId, headBytes + enterBytes, 'latin1');
  return frame;
}

/** The number of the route of a call. */
export function enteredRoute(frame: Frame): number {
  if (frame.bodyOffset + enterBytes > frame.bytes.length) throw malformedFrame('a call is truncated');
  return frame.bytes.readUInt32LE(frame.bodyOffset);
}

/** Times cross the link as durations, because the clocks of two processes differ. */
export function readEntered(frame: Frame, specs: readonly TensorSpec[], nowMs: number): InferenceCall {
  const { bytes, bodyOffset: at } = frame;
  const elapsedMs = bytes.readDoubleLE(at + 8);
  const leftMs = bytes.readDoubleLE(at + 16);
  const priority = bytes.readDoubleLE(at + 24);
  const idBytes = bytes.readUInt32LE(at + 32);
  const idAt = at + enterBytes;
  return {
    requestId: bytes.toString('latin1', idAt, idAt + idBytes),
    inputs: tensorsAt(frame, idAt + padded(idBytes), specs),
    rows: bytes.readUInt32LE(at + 4),
    arrivedAtMs: nowMs - elapsedMs,
    timeoutMs: Number.isNaN(leftMs) ? undefined : leftMs + elapsedMs,
    priority: Number.isNaN(priority) ? undefined : priority,
  };
}

/** `f64 queue, input, compute, output, service, USD | u32 batch rows | u32 parts | u8 cold start | 3 bytes | u32 bytes of texts | texts | tensors`. */
export function resultFrame(number: number, result: InferenceResult): Buffer[] {
  const { outputs, timings, costUsd, batchRows, parts = 0, coldStart, closeReason, executor, overflow } = result;
  const texts = textsOf(closeReason, executor, overflow ?? '');
  const frame = tensorsFrame(number, linkKinds.left, resultBytes + padded(texts.length), outputs);
  const first = frame[0] as Buffer;
  first.writeDoubleLE(timings.queueMs, headBytes);
  first.writeDoubleLE(timings.computeInMs, headBytes + 8);
  first.writeDoubleLE(timings.computeMs, headBytes + 16);
  first.writeDoubleLE(timings.computeOutMs, headBytes + 24);
  first.writeDoubleLE(timings.serviceMs, headBytes + 32);
  first.writeDoubleLE(costUsd, headBytes + 40);
  first.writeUInt32LE(batchRows, headBytes + 48);
  first.writeUInt32LE(parts, headBytes + 52);
  first[headBytes + 56] = coldStart ? 1 : 0;
  first.writeUInt32LE(texts.length, headBytes + 60);
  first.set(texts, headBytes + resultBytes);
  // The tensors may be overwritten before they are written.
  return frame.length === 1 ? frame : [Buffer.concat(frame)];
}

/** The texts of the last result, which are mostly those of the next one, too: the results of a batch have the same. */
let written = { closeReason: '', executor: '', overflow: '', bytes: Buffer.from('\n\n') };

function textsOf(closeReason: string, executor: string, overflow: string): Buffer {
  if (closeReason !== written.closeReason || executor !== written.executor || overflow !== written.overflow)
    written = { closeReason, executor, overflow, bytes: Buffer.from(`${closeReason}\n${executor}\n${overflow}`, 'latin1') };
  return written.bytes;
}

let read: { readonly text: string; readonly texts: readonly string[] } = { text: '', texts: [''] };

function textsIn(text: string): readonly string[] {
  if (text !== read.text) read = { text, texts: text.split('\n') };
  return read.texts;
}

/** The outputs are views of the frame. */
export function readResult(frame: Frame, specs: readonly TensorSpec[]): InferenceResult {
  const { bytes, bodyOffset: at } = frame;
  const number = (index: number): number => bytes.readDoubleLE(at + 8 * index);
  const textsBytes = bytes.readUInt32LE(at + 60);
  const textsAt = at + resultBytes;
  const [closeReason, executor = '', overflow] = textsIn(bytes.toString('latin1', textsAt, textsAt + textsBytes));
  const parts = bytes.readUInt32LE(at + 52);
  const outputs: readonly Tensor[] = tensorsAt(frame, textsAt + padded(textsBytes), specs);
  return {
    outputs,
    timings: { queueMs: number(0), computeInMs: number(1), computeMs: number(2), computeOutMs: number(3), serviceMs: number(4) },
    costUsd: number(5),
    batchRows: bytes.readUInt32LE(at + 48),
    closeReason: closeReason as InferenceResult['closeReason'],
    executor,
    overflow: overflow === '' ? null : (overflow as InferenceResult['overflow']),
    coldStart: bytes[at + 56] === 1,
    ...(parts === 0 ? {} : { parts }),
  };
}

/** Bytes with a number: a whole request and its connection, or a response. */
export function bytesFrame(call: number, kind: number, number: number, parts: readonly Buffer[], flagBits = 0): Buffer {
  const length = parts.reduce((sum, part) => sum + part.length, 0);
  const frame = Buffer.allocUnsafe(headBytes + 8 + padded(length));
  writeHead(frame, { bytes: frame.length, call, kind, plan: flagBits, tensors: 0, textBytes: 0 });
  frame.writeUInt32LE(number, headBytes);
  frame.writeUInt32LE(length, headBytes + 4);
  let at = headBytes + 8;
  for (const part of parts) at += part.copy(frame, at);
  frame.fill(0, at);
  return frame;
}

/** The number and the bytes of a frame. Throws if the bytes are cut off. */
export function readBytes({ bytes, bodyOffset: at }: Frame): { readonly number: number; readonly content: Buffer } {
  const end = at + 8 > bytes.length ? Number.POSITIVE_INFINITY : at + 8 + bytes.readUInt32LE(at + 4);
  if (end > bytes.length) throw malformedFrame('its bytes are truncated');
  return { number: bytes.readUInt32LE(at), content: bytes.subarray(at + 8, end) };
}

/** A request that waited for a home. The home counts its time from its arrival. */
export function againFrame(call: number, connection: number, request: Buffer, elapsedMs: number): Buffer {
  const elapsed = Buffer.alloc(elapsedBytes);
  elapsed.writeDoubleLE(elapsedMs);
  return bytesFrame(call, linkKinds.again, connection, [elapsed, request]);
}

/** Reverses `againFrame`. */
export function readAgain(frame: Frame): { readonly number: number; readonly content: Buffer; readonly elapsedMs: number } {
  const { number, content } = readBytes(frame);
  if (content.length < elapsedBytes) throw malformedFrame('a request is truncated');
  const elapsedMs = content.readDoubleLE(0);
  if (!(elapsedMs >= 0)) throw malformedFrame('the age of a request is not a duration');
  return { number, content: content.subarray(elapsedBytes), elapsedMs };
}

/** A frame without a body. */
export function signalFrame(call: number, kind: number): Buffer {
  const frame = Buffer.alloc(headBytes);
  writeHead(frame, { bytes: headBytes, call, kind, tensors: 0, textBytes: 0 });
  return frame;
}

/** An error with all members that its response needs. */
export function refusedFrame(number: number, error: PlatformError): Buffer {
  const { code, message, hint, retryAfterMs, callerStatus, lines } = error;
  return messageFrame(number, linkKinds.refused, { code, message, hint, retryAfterMs, callerStatus, lines });
}

/** Reverses `refusedFrame`. The other end is a part of this server, so its code is trusted. */
export function readRefused({ message: refused }: Frame): PlatformError {
  const { code, message, hint, retryAfterMs, callerStatus, lines } = refused as PlatformError;
  return new PlatformError(code, message, defined({ hint, retryAfterMs, callerStatus, lines }));
}
