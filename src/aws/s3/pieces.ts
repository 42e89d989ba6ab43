/** What objects are made of: stored while it comes, read one piece after the other. */
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

/**
 * So few bytes lie in the row of their piece: that is one write to the disk where a file takes four, and answers and failures are
 * mostly small.
 */
export const contentBytesMax = 16 * 1024;

type Source = AsyncIterable<Uint8Array> | Uint8Array;

/** Few bytes as what their piece will hold; more are streamed to a file, which is held until it is released. Throws as `storeFile`. */
export async function storeContent(
  files: KeptObjects,
  source: Source,
  { bytesMax, fewMax }: { readonly bytesMax: number; readonly fewMax: number },
): Promise<StoredFile & { readonly content?: Buffer }> {
  const pieces: Uint8Array[] = [];
  let length = 0;
  const rest = (source instanceof Uint8Array ? oneOf(source) : source)[Symbol.asyncIterator]();
  for (let next = await rest.next(); next.done !== true; next = await rest.next()) {
    pieces.push(next.value);
    length += next.value.length;
    if (length > Math.min(fewMax, bytesMax)) return storeFile(files, both(pieces, rest), bytesMax);
  }
  const content = Buffer.concat(pieces);
  const hex = (algorithm: string): string => createHash(algorithm).update(content).digest('hex');
  return { sha256: hex('sha256'), bytes: length, md5: hex('md5'), content };
}

/** Streams the bytes to a file, which is held until it is released. Throws `EntityTooLarge`, and what the source throws. */
export async function storeFile(files: KeptObjects, source: Source, bytesMax: number): Promise<StoredFile> {
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
      if (start >= end) continue;
      if (piece.content !== undefined) yield piece.content.subarray(start, end);
      else yield* files.stream(piece.sha256, start, end);
    }
  }
  return Readable.from(bytes(), { objectMode: false }).once('close', done);
}

async function* oneOf(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes;
}

/** Whoever ends it early ends the source, too. */
async function* both(begun: readonly Uint8Array[], rest: AsyncIterator<Uint8Array>): AsyncGenerator<Uint8Array> {
  try {
    yield* begun;
    for (let next = await rest.next(); next.done !== true; next = await rest.next()) yield next.value;
  } finally {
    await rest.return?.();
  }
}
