/** Reads a file, packed or not, once from its beginning to its end, with a window of its bytes in memory. */
import { createReadStream } from 'node:fs';
import { open, stat } from 'node:fs/promises';
import { pipeline } from 'node:stream';
import { createGunzip, createInflate, type Gunzip, type Inflate } from 'node:zlib';
import { messageOf, PlatformError } from '../errors.ts';

/** How the bytes of a file are compressed. */
export type Packing = 'none' | 'zlib' | 'gzip';

const chunkBytes = 256 * 1024;

/** How a file is packed, by its first two bytes. */
export function packingOf(start: Uint8Array): Packing {
  const [first = 0, second = 0] = start;
  if (first === 0x1f && second === 0x8b) return 'gzip';
  return first === 0x78 && (first * 256 + second) % 31 === 0 ? 'zlib' : 'none';
}

/** Decides by the first two bytes; the name of a file says nothing. */
export async function packingOfFile(path: string): Promise<Packing> {
  const file = await open(path, 'r');
  try {
    const { buffer, bytesRead } = await file.read(Buffer.alloc(2), 0, 2, 0);
    return packingOf(buffer.subarray(0, bytesRead));
  } finally {
    await file.close();
  }
}

/** Reads forwards only, and throws once more than the permitted bytes were unpacked. */
export class ByteReader {
  readonly #source: AsyncIterator<Uint8Array>;
  readonly #bytesMax: number;
  #read = 0;
  #isOver = false;
  /** The window: `buffer[at]` is the next byte. */
  buffer: Buffer = Buffer.alloc(0);
  at = 0;

  /** Throws `too_large` while reading if there are more than `bytesMax` bytes. */
  constructor(source: AsyncIterable<Uint8Array>, bytesMax: number) {
    this.#source = source[Symbol.asyncIterator]();
    this.#bytesMax = bytesMax;
  }

  static ofFile(path: string, packing: Packing, bytesMax: number): ByteReader {
    return new ByteReader(unpacked(path, packing), bytesMax);
  }

  /** Bytes in the window. */
  get available(): number {
    return this.buffer.length - this.at;
  }

  /** Offset of the next byte in the file. */
  get position(): number {
    return this.#read - this.available;
  }

  /** Whether the window has `bytes` bytes now; false only at the end of the file. */
  async fill(bytes: number): Promise<boolean> {
    const pieces = [this.buffer.subarray(this.at)];
    let { available } = this;
    while (available < bytes) {
      const chunk = await this.#next();
      if (chunk === null) break;
      pieces.push(chunk);
      available += chunk.length;
    }
    if (pieces.length > 1) this.#show(Buffer.concat(pieces));
    return available >= bytes;
  }

  /** False if the file ends before. */
  async skip(bytes: number): Promise<boolean> {
    let left = bytes;
    for (;;) {
      const step = Math.min(left, this.available);
      this.at += step;
      left -= step;
      if (left === 0) return true;
      const chunk = await this.#next();
      if (chunk === null) return false;
      this.#show(chunk);
    }
  }

  /** The text before the next line feed, without it; null if the file ends, or `bytesMax` bytes pass, before one. */
  async line(bytesMax: number): Promise<string | null> {
    for (let from = this.at; ; ) {
      const end = this.buffer.indexOf(10, from);
      if (end !== -1 && end - this.at <= bytesMax) {
        const text = this.buffer.toString('utf8', this.at, end);
        this.at = end + 1;
        return text;
      }
      const searched = this.available;
      // Twice as many bytes each time: a long line is not copied once for each chunk.
      if (end !== -1 || searched > bytesMax) return null;
      await this.fill(Math.min(2 * searched, bytesMax) + 1);
      if (this.available === searched) return null;
      from = this.at + searched;
    }
  }

  async close(): Promise<void> {
    await this.#source.return?.();
  }

  /** Null at the end of the file. */
  async #next(): Promise<Buffer | null> {
    if (this.#isOver) return null;
    const next = (await this.#source.next()) as IteratorResult<Uint8Array, unknown>;
    if (next.done === true) {
      this.#isOver = true;
      return null;
    }
    const chunk = Buffer.from(next.value.buffer, next.value.byteOffset, next.value.byteLength);
    this.#read += chunk.length;
    if (this.#read > this.#bytesMax) {
      throw new PlatformError('too_large', `the unpacked file exceeds the limit of ${this.#bytesMax} bytes. Raise artifactLimit`);
    }
    return chunk;
  }

  #show(window: Buffer): void {
    this.buffer = window;
    this.at = 0;
  }
}

async function* unpacked(path: string, packing: Packing): AsyncGenerator<Uint8Array> {
  const file = createReadStream(path, { highWaterMark: chunkBytes });
  if (packing === 'none') {
    yield* file as AsyncIterable<Buffer>;
    return;
  }
  const unpacker: Gunzip | Inflate =
    packing === 'gzip' ? createGunzip({ chunkSize: chunkBytes }) : createInflate({ chunkSize: chunkBytes });
  const content = pipeline(file, unpacker, () => undefined); // errors are thrown by the read below
  try {
    yield* content as AsyncIterable<Buffer>;
  } catch (cause) {
    throw new PlatformError('invalid_request', `the file is damaged or cut off: it cannot be unpacked (${messageOf(cause)})`, { cause });
  }
  if (packing === 'zlib') await expectEnd(path, unpacker.bytesWritten);
}

/** Node ignores what follows the content of zlib. Another reader may not: joblib takes ever more memory for it. */
async function expectEnd(path: string, contentBytes: number): Promise<void> {
  const { size } = await stat(path);
  if (size === contentBytes) return;
  const more = `${size - contentBytes} bytes after its compressed content`;
  throw new PlatformError('invalid_request', `the file is damaged: expected its end, got ${more}. Save the model again`);
}
