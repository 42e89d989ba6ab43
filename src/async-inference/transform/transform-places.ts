/** Where a transform reads and writes: what buckets and directories have in common. */
import type { Readable } from 'node:stream';
import { PlatformError } from '../../errors.ts';
import type { Transaction } from '../../storage/index.ts';
import type { Position } from './line-blocks.ts';

export interface SourceObject {
  /** Its path below the folder of the input. */
  readonly name: string;
  readonly bytes: number;
}

/** Closed in the end, whether it was read or not. */
export interface OpenedSource {
  readonly bytes: number;
  /** Another where what lies there is another. */
  readonly identity: string;
  /** Of the bytes behind the first `offset`. */
  stream(offset: number): Readable;
  close(): void;
}

export interface TransformInput {
  /** In a fixed order. Throws where there is nothing. */
  list(): Promise<SourceObject[]>;
  /** null where it is not there any more. */
  open(name: string): Promise<OpenedSource | null>;
}

/** A piece of a result, and how far it brings it. */
export interface ResultPiece {
  /** Valid until the next piece is asked for: its memory may be used again. */
  readonly output: Buffer | string;
  readonly records: number;
  readonly skipped: number;
  /** Of the object, where its results so far end; null where it cannot be gone on from there. */
  readonly position: Position | null;
}

/** Where an object is gone on with. */
export interface Checkpoint {
  readonly identity: string;
  readonly position: Position;
  readonly outputBytes: number;
  readonly records: number;
  readonly skipped: number;
}

export interface WriteOptions {
  readonly contentType: string;
  readonly identity: string;
  /** Goes on behind what was written by then. */
  readonly from: Checkpoint | null;
  readonly keep: (checkpoint: Checkpoint) => Promise<void>;
  /** Done as one with making the result visible, or directly after. */
  readonly beside: (tx: Transaction | null) => Promise<void>;
}

export interface TransformOutput {
  /** Whether an object can be gone on with in its middle. */
  readonly hasCheckpoints: boolean;
  /** Throws where nothing can be written there at all. */
  check(): Promise<void>;
  /** Whether what was written up to there is still there. */
  holds(name: string, checkpoint: Checkpoint): Promise<boolean>;
  /** `<name>.out`, whole or, where the pieces end with an error, not at all. */
  write(name: string, pieces: AsyncIterable<ResultPiece>, options: WriteOptions): Promise<void>;
}

/** More are not one job. */
export const objectsMax = 100_000;

export function tooMany(where: string): PlatformError {
  return new PlatformError('too_large', `there are more than ${objectsMax} objects under ${where}: transform them in parts`);
}

export function nothingUnder(where: string): PlatformError {
  return new PlatformError('not_found', `there is no object under ${where}`);
}

/** The run ends here, by a stop or with the server; the objects may be gone on with. */
export class Halted extends Error {
  constructor(why: 'stopped' | 'closing') {
    super(why);
    this.name = 'Halted';
  }
}
