/** The pieces of objects: streamed into storage, and read back in sequence. */
import { createHash } from 'node:crypto';
import { Readable } from 'node:stream';
import { PlatformError } from '../../../errors.ts';
import type { RetainedObjects } from '../../../storage/index.ts';
import { s3Error } from '../s3-errors.ts';
import type { ByteRange, Piece } from './object.ts';

/** What is known of a content once all its bytes are stored. */
export interface StoredContent {
  readonly sha256: string;
  readonly bytes: number;
  /** Hexadecimal. */
  readonly md5: string;
}

/**
 * Content up to this size is stored inline in its database row: one disk write instead of the four that a file takes. Most responses and
 * errors are this small.
 */
export const contentBytesMax = 16 * 1024;

type Source = AsyncIterable<Uint8Array> | Uint8Array;

/** Returns small content inline. Larger content is streamed to a file, which is held until it is released. Throws like `storeFile`. */
export async function storeContent(
  files: RetainedObjects,
  source: Source,
  { bytesMax, fewMax }: { readonly bytesMax: number; readonly fewMax: number },
): Promise<StoredContent & { readonly content?: Buffer }> {
  const chunks: Uint8Array[] = [];
  let length = 0;
  const rest = (source instanceof Uint8Array ? singleChunk(source) : source)[Symbol.asyncIterator]();
  for (let next = await rest.next(); next.done !== true; next = await rest.next()) {
    chunks.push(next.value);
    length += next.value.length;
    if (length > Math.min(fewMax, bytesMax)) return storeFile(files, concat(chunks, rest), bytesMax);
  }
  const content = Buffer.concat(chunks);
  const hex = (algorithm: string): string => createHash(algorithm).update(content).digest('hex');
  return { sha256: hex('sha256'), bytes: length, md5: hex('md5'), content };
}

/** Streams the bytes to a file, which is held until it is released. Throws `EntityTooLarge`, and any error of the source. */
export async function storeFile(files: RetainedObjects, source: Source, bytesMax: number): Promise<StoredContent> {
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
      throw s3Error('EntityTooLarge', `Your proposed upload exceeds the maximum allowed object size of ${bytesMax} bytes.`);
    }
    throw error;
  }
}

/** Streams a byte range of the pieces, in order. `done` is called once when the stream ends for any reason. */
export function streamPieces(files: RetainedObjects, pieces: readonly Piece[], range: ByteRange, done: () => void): Readable {
  async function* bytes(): AsyncGenerator<Buffer> {
    let before = 0;
    for (const piece of pieces) {
      const start = Math.max(range.start - before, 0);
      const end = Math.min(range.end - before, piece.bytes);
      before += piece.bytes;
      if (start >= end) continue;
      if (piece.content !== undefined) yield piece.content.subarray(start, end);
      else yield* files.stream(piece.sha256, start, end);
    }
  }
  return Readable.from(bytes(), { objectMode: false }).once('close', done);
}

async function* singleChunk(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes;
}

/** Closing this generator early also closes the source. */
async function* concat(chunks: readonly Uint8Array[], rest: AsyncIterator<Uint8Array>): AsyncGenerator<Uint8Array> {
  try {
    yield* chunks;
    for (let next = await rest.next(); next.done !== true; next = await rest.next()) yield next.value;
  } finally {
    await rest.return?.();
  }
}
