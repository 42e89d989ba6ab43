/**
 * Frames of `application/vnd.amazon.eventstream`, big-endian. Prelude: total length, headers length, and the CRC-32 of these eight bytes.
 * Then headers, payload, and the CRC-32 of everything before it. A header is the length and text of its name, a 7 for a string value, and
 * the length and text of the value.
 */
import { crc32 } from 'node:zlib';

const preludeBytes = 12;
const text = 7;

/** Encodes one frame. Names are limited to 255 bytes and values to 65,535. */
export function eventFrame(headers: Readonly<Record<string, string>>, payload: Uint8Array): Buffer {
  const parts = Object.entries(headers).map(([name, value]) => {
    const [nameBytes, valueBytes] = [Buffer.from(name), Buffer.from(value)];
    const head = Buffer.alloc(nameBytes.length + 4);
    head.writeUInt8(nameBytes.length, 0);
    nameBytes.copy(head, 1);
    head.writeUInt8(text, nameBytes.length + 1);
    head.writeUInt16BE(valueBytes.length, nameBytes.length + 2);
    return Buffer.concat([head, valueBytes]);
  });
  const headerBytes = Buffer.concat(parts);
  const total = preludeBytes + headerBytes.length + payload.length + 4;
  const frame = Buffer.allocUnsafe(total);
  frame.writeUInt32BE(total, 0);
  frame.writeUInt32BE(headerBytes.length, 4);
  frame.writeUInt32BE(crc32(frame.subarray(0, 8)), 8);
  headerBytes.copy(frame, preludeBytes);
  frame.set(payload, preludeBytes + headerBytes.length);
  frame.writeUInt32BE(crc32(frame.subarray(0, total - 4)), total - 4);
  return frame;
}

/** A chunk of a streamed response. */
export function payloadPart(bytes: Uint8Array): Buffer {
  const headers = { ':message-type': 'event', ':event-type': 'PayloadPart', ':content-type': 'application/octet-stream' };
  return eventFrame(headers, bytes);
}

/** The final frame of a failed stream. `type` is an error such as ModelStreamError, `members` are those of its shape. */
export function streamException(type: string, members: Readonly<Record<string, unknown>>): Buffer {
  const headers = { ':message-type': 'exception', ':exception-type': type, ':content-type': 'application/json' };
  return eventFrame(headers, Buffer.from(JSON.stringify(members)));
}
