/** Interfaces of a transform's inputs and outputs, for buckets and directories. */
import type { Readable } from 'node:stream';
import type { BlockPosition } from '../../codecs/index.ts';
import { PlatformError } from '../../errors.ts';
import type { Transaction } from '../../storage/index.ts';

/** An object of the input. */
export interface SourceObject {
  /** Path relative to the folder of the input. */
  readonly name: string;
  readonly bytes: number;
}

/** Must be closed, whether it was read or not. */
export interface OpenedSource {
  readonly bytes: number;
  /** Changes if the content of the object changes. */
  readonly identity: string;
  /** The bytes from `offset` on. */
  stream(offset: number): Readable;
  close(): void;
}

/** Two implementations: buckets and local files. */
export interface TransformInput {
  /** In a fixed order. Throws if there are no objects. */
  list(): Promise<SourceObject[]>;
  /** Null if the object no longer exists. */
  open(name: string): Promise<OpenedSource | null>;
}

/** A piece of a result, and the input position it reaches. */
export interface ResultPiece {
  /** Valid until the next piece is read; its memory is reused. */
  readonly output: Buffer | string;
  readonly records: number;
  readonly skipped: number;
  /** Input position after this piece; null if the object cannot be resumed from there. */
  readonly position: BlockPosition | null;
}

/** The position to resume an object from. */
export interface Checkpoint {
  readonly identity: string;
  readonly position: BlockPosition;
  readonly outputBytes: number;
  readonly records: number;
  readonly skipped: number;
}

/** How one result is written. */
export interface WriteOptions {
  readonly contentType: string;
  readonly identity: string;
  /** Resumes after this checkpoint. */
  readonly from: Checkpoint | null;
  readonly checkpoint: (checkpoint: Checkpoint) => Promise<void>;
  /** Runs in the transaction that makes the result visible, or directly after it (null). */
  readonly transactionHook: (tx: Transaction | null) => Promise<void>;
}

/** Two implementations: buckets and local files. */
export interface TransformOutput {
  /** Whether an object can be resumed in the middle. */
  readonly hasCheckpoints: boolean;
  /** Throws if the location is not writable. */
  check(): Promise<void>;
  /** Whether the output up to the checkpoint still exists. */
  holds(name: string, checkpoint: Checkpoint): Promise<boolean>;
  /** Writes `<name>.out` atomically: nothing is published if the pieces end with an error. */
  write(name: string, pieces: AsyncIterable<ResultPiece>, options: WriteOptions): Promise<void>;
}

/** Limit of objects per transform. */
export const objectsMax = 100_000;

/** For inputs beyond the limit of one transform. */
export function tooManyObjects(where: string): PlatformError {
  return new PlatformError('too_large', `too many objects under ${where}: expected at most ${objectsMax}. Transform them in parts`);
}

/** An empty input is an error: it is likely a misspelt one. */
export function emptyPrefix(where: string): PlatformError {
  return new PlatformError('not_found', `there are no objects under ${where}`);
}

/** The run was stopped, or the server is shutting down; objects can be resumed. */
export class TransformHalted extends Error {
  constructor(why: 'stopped' | 'closing') {
    super(why);
    this.name = 'Halted';
  }
}
