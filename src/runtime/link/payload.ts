/**
 * Bytes sent to a process model and back, passed through without interpretation. In a frame they follow the text, which has their length.
 */
import { PlatformError } from '../../errors.ts';
import { type Frame, frameBytesMax, headBytes, malformedFrame, padded, writeHead } from './frames.ts';

/** Names in lower case. */
export type PayloadHeaders = Readonly<Record<string, string>>;

/** A request to a process model. */
export interface Payload {
  /** Passed to the process unchanged, including `content-type` and `accept`. */
  readonly headers: PayloadHeaders;
  readonly body: Uint8Array;
  /** Local files whose concatenated bytes replace `body`, which is then empty. The worker streams them. */
  readonly files?: BodyFiles;
  /** Time until the caller gives up, milliseconds. A Python model can read it. */
  readonly deadlineMs?: number;
}

/** A body in files, so that a large one is never in the server's memory. */
export interface BodyFiles {
  readonly paths: readonly string[];
  /** Total size of the files. */
  readonly bytes: number;
}

/** Status and headers of a reply, which arrive before its body. */
export interface ReplyHead {
  readonly status: number;
  readonly headers: PayloadHeaders;
}

/** A reply of a process model. A status of 400 or more is a reply as well, not an error of the link. */
export interface ProcessReply extends ReplyHead {
  /** Empty if the reply was streamed. For a status other than success, at most the first 64 KiB. */
  readonly body: Buffer;
  /** Whether the sink has already received the body. */
  readonly isStreamed: boolean;
}

/** Receives a reply piece by piece as it is produced. */
export interface ReplySink {
  /** Called once, before the first piece, and only for a success. */
  begin(head: ReplyHead): void;
  /** The next piece follows once this one is accepted. Throwing or rejecting stops the reply; the process is notified. */
  piece(bytes: Buffer): Promise<void> | void;
}

const padding = Buffer.alloc(8);
/** Up to this size a frame is assembled in one buffer. */
const oneWriteBytesMax = 32 * 1024;

/** A frame with a message, to which the number of bytes is added, and the bytes after it. Throws `too_large`. */
export function payloadFrame(call: number, kind: number, message: Readonly<Record<string, unknown>>, body: Uint8Array): Buffer[] {
  const text = Buffer.from(JSON.stringify({ ...message, bytes: body.byteLength }), 'utf8');
  const bodyOffset = headBytes + padded(text.length);
  const bytes = bodyOffset + padded(body.byteLength);
  if (body.byteLength > frameBytesMax - bodyOffset - 8) {
    throw new PlatformError(
      'too_large',
      `the body is too large for a worker: expected at most ${frameBytesMax} bytes, got ${body.byteLength}`,
    );
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

const headersMax = 100;
const headerLengthMax = 16 * 1024;

/** The head of a reply from a worker, which may run foreign code: what it says must not fail the response or the server. */
export function readReplyHead(message: unknown): ReplyHead & { readonly isStreamed: boolean } {
  const { status, headers, isStreamed } = (message ?? {}) as Readonly<Record<string, unknown>>;
  if (!Number.isInteger(status) || (status as number) < 200 || (status as number) > 599)
    throw malformedFrame('its status is not an HTTP status');
  if (typeof headers !== 'object' || headers === null) throw malformedFrame('its headers are not an object');
  const entries = Object.entries(headers);
  if (entries.length > headersMax || !entries.every(isHeader)) throw malformedFrame('its headers are not HTTP headers');
  return { status: status as number, headers: Object.fromEntries(entries) as PayloadHeaders, isStreamed: isStreamed === true };
}

function isHeader([name, value]: readonly [string, unknown]): boolean {
  if (typeof value !== 'string' || value.length > headerLengthMax) return false;
  return /^[\w!#$%&'*+.^`|~-]{1,256}$/.test(name) && /^[\t\x20-\x7e\x80-\xff]*$/.test(value);
}

/** The bytes after the message, a view of the frame. Throws if they do not fit. */
export function readFrameBody(frame: Frame): Buffer {
  const { bytes } = (frame.message ?? {}) as { bytes?: unknown };
  const isFitting = typeof bytes === 'number' && bytes >= 0 && frame.bodyOffset + bytes <= frame.bytes.length;
  if (!isFitting) throw malformedFrame('its bytes do not fit into it');
  return frame.bytes.subarray(frame.bodyOffset, frame.bodyOffset + bytes);
}
