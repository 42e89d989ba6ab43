/** An object opened for reading. */
import type { Readable } from 'node:stream';
import type { ByteRange, Piece, S3Object } from './object.ts';

/** Its bytes do not change while it is open, even if its key is overwritten. */
export interface OpenObject extends S3Object {
  readonly pieces: readonly Piece[];
  /** The local files that contain its bytes, in order. They exist while it is open. Undefined if the bytes are not in files. */
  readonly files?: readonly string[];
  /** Streams all bytes or a range. May be called once; the end of the stream closes the object. */
  stream(range?: ByteRange): Readable;
  /** Closes an object that is not streamed. Idempotent. */
  close(): void;
}
