/** The lines of a part of a file, forward and back, a piece at a time. */
import type { FileHandle } from 'node:fs/promises';

export interface Line {
  /** Null where it is left out: it is none that is looked for, or longer than any line that was meant. */
  readonly text: string | null;
  /** Where it begins, and where the next one does. */
  readonly start: number;
  readonly end: number;
}

const pieceBytes = 256 * 1024;
/** A longer line is left out. */
export const lineBytesMax = 4 * 1024 * 1024;
export const lineEnd = 0x0a;

/** Epoch milliseconds, where a line of one of our logs begins with them. */
export function timeOf(line: string): number | null {
  const found = /^\{(?:"level":\d+,)?"(?:at|time)":(\d{1,16})/.exec(line);
  return found === null ? null : Number(found[1]);
}

/**
 * The lines that begin from an offset on and end before another; what has no line end yet is none. Pieces that do not have
 * `containing` in them come as one line without text.
 */
export async function* eachLine(file: FileHandle, from: number, to: number, containing?: string): AsyncGenerator<Line> {
  let bytesWanted = pieceBytes;
  for (let at = from; at < to; ) {
    const piece = await readPiece(file, at, Math.min(to, at + bytesWanted));
    const last = piece.lastIndexOf(lineEnd) + 1;
    if (last === 0) {
      const isAll = at + piece.length >= to;
      if (piece.length >= lineBytesMax) {
        yield { text: null, start: at, end: at + piece.length };
        at += piece.length;
      } else if (isAll || piece.length < bytesWanted) return;
      bytesWanted *= 4;
      continue;
    }
    bytesWanted = pieceBytes;
    yield* linesOf(piece.subarray(0, last), at, containing);
    at += last;
  }
}

/** The lines that begin from an offset on and end before another, the last one first. */
export async function* eachLineBack(file: FileHandle, from: number, to: number, containing?: string): AsyncGenerator<Line> {
  let bytesWanted = pieceBytes;
  for (let end = to; end > from; ) {
    const start = Math.max(from, end - bytesWanted);
    const piece = await readPiece(file, start, end);
    const last = piece.lastIndexOf(lineEnd) + 1;
    const first = start === from ? 0 : piece.indexOf(lineEnd) + 1;
    if ((start > from && (first === 0 || first === last)) || last === 0) {
      if (start === from) {
        if (last === 0) return; // a line that has no end yet
      } else if (bytesWanted < lineBytesMax) {
        bytesWanted *= 4;
        continue;
      }
      yield { text: null, start, end };
      end = start;
      continue;
    }
    bytesWanted = pieceBytes;
    yield* [...linesOf(piece.subarray(first, last), start + first, containing)].reverse();
    end = start + first;
  }
}

function* linesOf(piece: Buffer, at: number, containing: string | undefined): Generator<Line> {
  if (containing !== undefined && !piece.includes(containing)) {
    yield { text: null, start: at, end: at + piece.length };
    return;
  }
  for (let start = 0; start < piece.length; ) {
    const end = piece.indexOf(lineEnd, start) + 1;
    if (end - start > 1) yield { text: piece.toString('utf8', start, end - 1), start: at + start, end: at + end };
    start = end;
  }
}

/** Shorter where the file is. */
export async function readPiece(file: FileHandle, from: number, to: number): Promise<Buffer> {
  const piece = Buffer.allocUnsafe(to - from);
  let length = 0;
  while (length < piece.length) {
    const { bytesRead } = await file.read(piece, length, piece.length - length, from + length);
    if (bytesRead === 0) break;
    length += bytesRead;
  }
  return piece.subarray(0, length);
}
