/** The files that objects are made of: stored while they come, read one after the other. */
import { createHash } from 'node:crypto';
import { Readable } from 'node:stream';
import { PlatformError } from '../../errors.ts';
import type { KeptObjects } from '../../storage/index.ts';
import type { ByteRange, Piece } from './object.ts';
import { refusal } from './s3-errors.ts';

export interface StoredFile {
  readonly sha256: string;
  readonly bytes: number;
  /** Hexadecimal. */
  readonly md5: string;
}

/** Streams the bytes to a file, which is held until it is released. Throws `EntityTooLarge`, and what the source throws. */
export async function storeFile(files: KeptObjects, source: AsyncIterable<Uint8Array> | Uint8Array, bytesMax: number): Promise<StoredFile> {
  const hash = createHash('md5');
  async function* hashed(): AsyncGenerator<Uint8Array> {
    for await (const chunk of source instanceof Uint8Array ? [source] : source) {
      hash.update(chunk);
      yield chunk;
    }
  }
  try {
    const { sha256, bytes } = await files.store(hashed(), bytesMax);
    return { sha256, bytes, md5: hash.digest('hex') };
  } catch (error) {
    if (error instanceof PlatformError && error.code === 'too_large') {
      throw refusal('EntityTooLarge', `Your proposed upload exceeds the maximum allowed object size of ${bytesMax} bytes.`);
    }
    throw error;
  }
}

/** The range of the pieces' bytes, in order. `done` is called once, when the stream is over in whatever way. */
export function streamPieces(files: KeptObjects, pieces: readonly Piece[], range: ByteRange, done: () => void): Readable {
  async function* bytes(): AsyncGenerator<Buffer> {
    let before = 0;
    for (const piece of pieces) {
      const start = Math.max(range.start - before, 0);
      const end = Math.min(range.end - before, piece.bytes);
      before += piece.bytes;
      if (start < end) yield* files.stream(piece.sha256, start, end);
    }
  }
  return Readable.from(bytes(), { objectMode: false }).once('close', done);
}
