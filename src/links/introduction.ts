/** The first message on a connection, and the answer to it: `u16 bytes | JSON`, so at most 64 KiB. */
import type { Socket } from 'node:net';
import { PlatformError } from '../errors.ts';

const lengthBytes = 2;
const textBytesMax = 2 ** 16 - 1;

/** Throws `too_large` if the text of the message has 64 KiB or more. */
export function introductionBytes(message: object): Buffer {
  const text = Buffer.from(JSON.stringify(message));
  if (text.length > textBytesMax) throw new PlatformError('too_large', `an introduction has at most 64 KiB, got ${text.length} bytes`);
  const bytes = Buffer.alloc(lengthBytes + text.length);
  bytes.writeUInt16LE(text.length);
  bytes.set(text, lengthBytes);
  return bytes;
}

/**
 * Calls `accept` with the first message, any JSON value, and the socket paused; what follows the message stays unread. A connection that
 * ends before, or sends something else, is destroyed. The caller limits the time.
 */
export function readIntroduction(socket: Socket, accept: (message: unknown) => void): void {
  const chunks: Buffer[] = [];
  let length = 0;
  const onEnd = (): void => void socket.destroy();
  const onData = (chunk: Buffer): void => {
    chunks.push(chunk);
    length += chunk.length;
    if (length < lengthBytes) return;
    // A peer that sends single bytes costs one concatenation, not one for each byte.
    if (chunks.length > 1 && (chunks[0] as Buffer).length < lengthBytes) chunks.splice(0, chunks.length, Buffer.concat(chunks));
    const end = lengthBytes + (chunks[0] as Buffer).readUInt16LE(0);
    if (length < end) return;
    const read = Buffer.concat(chunks);
    socket.off('data', onData).off('error', onEnd).off('end', onEnd).pause();
    let message: unknown;
    try {
      message = JSON.parse(read.toString('utf8', lengthBytes, end));
    } catch {
      socket.on('error', onEnd).destroy();
      return;
    }
    if (read.length > end) socket.unshift(read.subarray(end));
    accept(message);
  };
  // A connection may be half open, so the end of the other side does not close it.
  socket.on('data', onData).on('error', onEnd).on('end', onEnd);
}
