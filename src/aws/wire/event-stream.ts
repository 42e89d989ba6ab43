/**
 * Frames of `application/vnd.amazon.eventstream`, big-endian: total length, length of the headers, CRC-32 of these eight
 * bytes; headers; payload; CRC-32 of all before. A header is its name's length and name, 7 for a text, the text's length
 * and text.
 */
import { crc32 } from 'node:zlib';

const preludeBytes = 12;
const text = 7;

/** One frame. Names of at most 255 bytes, values of at most 65,535. */
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

/** A piece of a streamed answer. */
export function payloadPart(bytes: Uint8Array): Buffer {
  const headers = { ':message-type': 'event', ':event-type': 'PayloadPart', ':content-type': 'application/octet-stream' };
  return eventFrame(headers, bytes);
}

/** How a stream ends that has broken: `type` such as ModelStreamError, `members` those of its shape. */
export function streamException(type: string, members: Readonly<Record<string, unknown>>): Buffer {
  const headers = { ':message-type': 'exception', ':exception-type': type, ':content-type': 'application/json' };
  return eventFrame(headers, Buffer.from(JSON.stringify(members)));
}
