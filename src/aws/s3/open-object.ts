/** An object that is being read. */
import type { Readable } from 'node:stream';
import type { ByteRange, Piece, S3Object } from './object.ts';

/** Its bytes stay as they are while it is open, whatever is written under its key meanwhile. */
export interface OpenObject extends S3Object {
  readonly pieces: readonly Piece[];
  /** Files of this machine that are its bytes, in order; they stay while it is open. Not given where it is none. */
  readonly files?: readonly string[];
  /** All bytes, or some. May be called once; when the stream is over the object is closed. */
  stream(range?: ByteRange): Readable;
  /** For who does not read. A second time does nothing. */
  close(): void;
}
