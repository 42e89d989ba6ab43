/**
 * Which times the lines of a log file have, piece by piece, so that those of a time are found without reading all: right also where times
 * do not rise, since the clock was set back or a request that came first ended last. A file is read through once, then only what was added.
 */
import type { FileHandle } from 'node:fs/promises';
import { lineBytesMax, lineEnd, readPiece, timeOf } from './lines-of-file.ts';

/** Whole lines: from where the first begins to where the last ends, bytes. */
export interface FilePart {
  readonly start: number;
  readonly end: number;
}

interface TimedPart {
  readonly start: number;
  end: number;
  /** Epoch milliseconds, both inclusive. */
  firstMs: number;
  lastMs: number;
}

const partBytes = 256 * 1024;
/** A line says its time within these. */
const timeBytesMax = 64;

export class FileTimes {
  readonly #parts: TimedPart[] = [];
  #end = 0;
  #lastMs = 0;
  #reading: Promise<void> = Promise.resolve();

  /** Where the last line ends that is known of. */
  get end(): number {
    return this.#end;
  }

  /** Learns what was added, up to the last line that ends before `size`. */
  read(file: FileHandle, size: number): Promise<void> {
    const done = this.#reading.then(() => this.#read(file, size));
    this.#reading = done.catch(() => undefined);
    return done;
  }

  /** Where lines may be that are of these times, in the order of the file; parts that lie side by side are one. */
  partsOf({ fromMs, toMs }: { readonly fromMs: number; readonly toMs: number }): FilePart[] {
    const found: { start: number; end: number }[] = [];
    for (const { start, end, firstMs, lastMs } of this.#parts) {
      if (lastMs < fromMs || firstMs >= toMs) continue;
      const last = found.at(-1);
      if (last?.end === start) last.end = end;
      else found.push({ start, end });
    }
    return found;
  }

  async #read(file: FileHandle, size: number): Promise<void> {
    let bytesWanted = partBytes;
    while (this.#end < size) {
      const piece = await readPiece(file, this.#end, Math.min(size, this.#end + bytesWanted));
      const last = piece.lastIndexOf(lineEnd) + 1;
      if (last > 0) {
        this.#add(piece.subarray(0, last));
        bytesWanted = partBytes;
      } else if (piece.length >= lineBytesMax) {
        this.#end += piece.length; // a part of a line that nobody reads
      } else if (piece.length < bytesWanted) {
        return; // a line that has no end yet
      } else {
        bytesWanted *= 4;
      }
    }
  }

  #add(lines: Buffer): void {
    let part = this.#parts.at(-1);
    if (part === undefined || part.end !== this.#end || part.end - part.start >= partBytes) {
      part = { start: this.#end, end: this.#end, firstMs: Number.POSITIVE_INFINITY, lastMs: Number.NEGATIVE_INFINITY };
      this.#parts.push(part);
    }
    for (let start = 0; start < lines.length; start = lines.indexOf(lineEnd, start) + 1) {
      // One that says no time is of the time of the one before.
      const atMs = timeOf(lines.toString('latin1', start, start + timeBytesMax)) ?? this.#lastMs;
      this.#lastMs = atMs;
      if (atMs < part.firstMs) part.firstMs = atMs;
      if (atMs > part.lastMs) part.lastMs = atMs;
    }
    this.#end += lines.length;
    part.end = this.#end;
  }
}
