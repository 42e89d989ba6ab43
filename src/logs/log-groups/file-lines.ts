/** Reads the lines of a file range forward or backward, piece by piece. */
import type { FileHandle } from 'node:fs/promises';

/** A line by its place in the file. */
export interface Line {
  /** Null for skipped lines: not matching, or too long. */
  readonly text: string | null;
  /** Byte offsets of its start and of the next line. */
  readonly start: number;
  readonly end: number;
}

const pieceBytes = 256 * 1024;
/** Longer lines are skipped. */
export const lineBytesMax = 4 * 1024 * 1024;
/** The byte `\n`, which occurs in no other character of UTF-8. */
export const endOfLine = 0x0a;

/** The time of a line of the server's own logs, epoch milliseconds; null without one. */
export function lineTime(line: string): number | null {
  const found = /^\{(?:"level":\d+,)?"(?:at|time)":(\d{1,16})/.exec(line);
  return found === null ? null : Number(found[1]);
}

/**
 * Lines within the byte range, without an unfinished last line. Pieces that do not contain `containing` are returned as one line without
 * text.
 */
export async function* eachLine(file: FileHandle, from: number, to: number, containing?: string): AsyncGenerator<Line> {
  let bytesWanted = pieceBytes;
  for (let at = from; at < to; ) {
    const piece = await readPiece(file, at, Math.min(to, at + bytesWanted));
    const last = piece.lastIndexOf(endOfLine) + 1;
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

/** Lines within the byte range, last one first. */
export async function* eachLineBack(file: FileHandle, from: number, to: number, containing?: string): AsyncGenerator<Line> {
  let bytesWanted = pieceBytes;
  for (let end = to; end > from; ) {
    const start = Math.max(from, end - bytesWanted);
    const piece = await readPiece(file, start, end);
    const last = piece.lastIndexOf(endOfLine) + 1;
    const first = start === from ? 0 : piece.indexOf(endOfLine) + 1;
    if ((start > from && (first === 0 || first === last)) || last === 0) {
      if (start === from) {
        if (last === 0) return; // an unfinished line
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
    const end = piece.indexOf(endOfLine, start) + 1;
    if (end - start > 1) yield { text: piece.toString('utf8', start, end - 1), start: at + start, end: at + end };
    start = end;
  }
}

/** Shorter at the end of the file. */
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
