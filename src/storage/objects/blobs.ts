/**
 * What `RemoteObjectStore` needs of S3 or PostgreSQL: named blobs. A blob appears as a whole or not at all, so a killed writer leaves at
 * most parts of an upload, which `sweepUploads` deletes.
 */
import { open } from 'node:fs/promises';

/** A stored blob, as listings have it. */
export interface Blob {
  readonly key: string;
  readonly bytes: number;
  /** Epoch milliseconds, by the clock of the store. */
  readonly modifiedAtMs: number;
}

/** A blob to be written. The size must match the content. */
export interface NewBlob {
  readonly bytes: number;
  /** Its content in memory, or the file that holds it. */
  readonly content: Buffer | { readonly file: string };
}

/** Operations throw `unavailable` if the store cannot be reached, rejects the credentials or answers too late. */
export interface Blobs {
  /** For messages: `s3://models/prod`. Contains no password. */
  readonly place: string;
  /** Replaces a blob of the same name. Throws `too_large` beyond the limit of the store. */
  write(key: string, blob: NewBlob): Promise<void>;
  /** Undefined if it does not exist. */
  sizeOf(key: string): Promise<number | undefined>;
  /** Streams the bytes from `start` up to but excluding `end`. Throws `not_found`. */
  read(key: string, start: number, end: number): AsyncGenerator<Buffer>;
  /** Ordered by key. */
  list(prefix: string): AsyncGenerator<Blob>;
  /** False if there is no such blob. */
  move(from: string, to: string): Promise<boolean>;
  /** Succeeds if it does not exist. */
  delete(key: string): Promise<void>;
  /** Deletes parts of uploads that began before this time and never ended. */
  sweepUploads(beforeMs: number): Promise<void>;
  close(): Promise<void>;
}

/** Yields the content in parts of equal size, except the last one. An empty blob has one empty part. Memory holds one part at a time. */
export async function* blobParts({ bytes, content }: NewBlob, partBytes: number): AsyncGenerator<Buffer> {
  if (Buffer.isBuffer(content)) {
    for (let start = 0; start === 0 || start < bytes; start += partBytes) yield content.subarray(start, start + partBytes);
    return;
  }
  const file = await open(content.file, 'r');
  try {
    for (let start = 0; start === 0 || start < bytes; start += partBytes) {
      const part = Buffer.allocUnsafe(Math.min(partBytes, bytes - start));
      for (let at = 0; at < part.length; ) {
        const { bytesRead } = await file.read(part, at, part.length - at, start + at);
        if (bytesRead === 0) throw new Error(`${content.file} is shorter than ${bytes} bytes`);
        at += bytesRead;
      }
      yield part;
    }
  } finally {
    await file.close();
  }
}
