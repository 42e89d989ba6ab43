/** An object opened for reading. */
import type { Readable } from 'node:stream';
import type { ByteRange, Piece, S3Object } from './object.ts';

/** Its bytes do not change while it is open, even if its key is overwritten. */
export interface OpenObject extends S3Object {
  readonly pieces: readonly Piece[];
  /**
   * The paths of files on this machine that contain its bytes, in order; a store elsewhere copies them first. They are to be opened soon.
   * Undefined if the bytes are not in files.
   */
  readonly files?: () => Promise<readonly string[]>;
  /** Streams all bytes or a range. May be called once; the end of the stream closes the object. */
  stream(range?: ByteRange): Readable;
  /** Closes an object that is not streamed. Idempotent. */
  close(): void;
}
