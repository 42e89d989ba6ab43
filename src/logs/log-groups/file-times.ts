/**
 * An index of the times in a log file, piece by piece, to find a time span without reading the whole file. Times need not be ascending: the
 * clock can be set back, and requests are logged when they end. A file is read once, later reads only the appended part.
 */
import type { FileHandle } from 'node:fs/promises';
import { endOfLine, lineBytesMax, lineTime, readPiece } from './file-lines.ts';

/** A byte range of whole lines. */
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
/** A line has its time within this prefix. */
const timeBytesMax = 64;

/** Holds the times of pieces, not of lines, so its size is a fraction of the file's. */
export class FileTimes {
  readonly #parts: TimedPart[] = [];
  #end = 0;
  #lastMs = 0;
  #reading: Promise<void> = Promise.resolve();

  /** End of the last indexed line. */
  get end(): number {
    return this.#end;
  }

  /** Indexes the appended part, up to the last line that ends before `size`. */
  read(file: FileHandle, size: number): Promise<void> {
    const done = this.#reading.then(() => this.#read(file, size));
    this.#reading = done.catch(() => undefined);
    return done;
  }

  /** Ranges that may have lines of the time span, in file order; adjacent ranges are merged. */
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
      const last = piece.lastIndexOf(endOfLine) + 1;
      if (last > 0) {
        this.#add(piece.subarray(0, last));
        bytesWanted = partBytes;
      } else if (piece.length >= lineBytesMax) {
        this.#end += piece.length; // a part of a line that is too long
      } else if (piece.length < bytesWanted) {
        return; // an unfinished line
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
    for (let start = 0; start < lines.length; start = lines.indexOf(endOfLine, start) + 1) {
      // A line without a time gets the time of the previous line.
      const atMs = lineTime(lines.toString('latin1', start, start + timeBytesMax)) ?? this.#lastMs;
      this.#lastMs = atMs;
      if (atMs < part.firstMs) part.firstMs = atMs;
      if (atMs > part.lastMs) part.lastMs = atMs;
    }
    this.#end += lines.length;
    part.end = this.#end;
  }
}
