/**
 * Bytes for a model that is a process, and bytes back: nobody on the way knows what they mean. In a frame they follow
 * its text, which says how many they are.
 */
import { PlatformError } from '../errors.ts';
import { type Frame, frameBytesMax, headBytes, malformed, padded, writeHead } from './frames.ts';

/** Names in lower case. */
export type PayloadHeaders = Readonly<Record<string, string>>;

export interface Payload {
  /** Handed to the process as they are, `content-type` and `accept` among them. */
  readonly headers: PayloadHeaders;
  readonly body: Uint8Array;
  /** Files of this machine whose bytes, one after the other, are the body in place of `body`, which is empty: the worker streams them. */
  readonly files?: BodyFiles;
}

export interface BodyFiles {
  readonly paths: readonly string[];
  /** Of all together. */
  readonly bytes: number;
}

export interface ReplyHead {
  readonly status: number;
  readonly headers: PayloadHeaders;
}

export interface Reply extends ReplyHead {
  /** Empty where it was streamed. Where the status is none of success, at most its first 64 KiB. */
  readonly body: Buffer;
  /** The sink has it already. */
  readonly isStreamed: boolean;
}

/** Takes a reply piece by piece, while it is being made. */
export interface ReplySink {
  /** Once, before the first piece. Only of a success. */
  begin(head: ReplyHead): void;
  /** The next piece comes once this one is taken. Who throws, or rejects, wants no more: the process is told so. */
  piece(bytes: Buffer): Promise<void> | void;
}

const padding = Buffer.alloc(8);
/** Up to here a frame is put together in one buffer. */
const oneWriteBytesMax = 32 * 1024;

/** A frame with a message and bytes behind it; the message is told how many. Throws `too_large`. */
export function payloadFrame(call: number, kind: number, message: Readonly<Record<string, unknown>>, body: Uint8Array): Buffer[] {
  const text = Buffer.from(JSON.stringify({ ...message, bytes: body.byteLength }), 'utf8');
  const bodyOffset = headBytes + padded(text.length);
  const bytes = bodyOffset + padded(body.byteLength);
  if (body.byteLength > frameBytesMax - bodyOffset - 8) {
    throw new PlatformError('too_large', `a body of ${body.byteLength} bytes is more than a worker takes at once (${frameBytesMax})`);
  }
  const start = Buffer.alloc(bytes <= oneWriteBytesMax ? bytes : bodyOffset);
  writeHead(start, { bytes, call, kind, tensors: 0, textBytes: text.length });
  start.set(text, headBytes);
  if (bytes <= oneWriteBytesMax) {
    start.set(body, bodyOffset);
    return [start];
  }
  const fill = bytes - bodyOffset - body.byteLength;
  return [start, Buffer.from(body.buffer, body.byteOffset, body.byteLength), ...(fill === 0 ? [] : [padding.subarray(0, fill)])];
}

/** The bytes behind the message, a view of the frame. Throws where they do not fit. */
export function readBody(frame: Frame): Buffer {
  const { bytes } = (frame.message ?? {}) as { bytes?: unknown };
  const isFitting = typeof bytes === 'number' && bytes >= 0 && frame.bodyOffset + bytes <= frame.bytes.length;
  if (!isFitting) throw malformed('its bytes do not fit into it');
  return frame.bytes.subarray(frame.bodyOffset, frame.bodyOffset + bytes);
}
