/**
 * Cuts a stream of bytes into blocks of whole lines, independent of chunk boundaries. A line break in a quoted CSV cell
 * does not end a record. Holds one block and one chunk in memory.
 */
import { PlatformError } from '../../errors.ts';
import { nextTurn } from '../../threads/index.ts';

/** A part of an object that is processed, and repeated after a crash, as a whole. */
export interface Block {
  readonly bytes: Buffer;
  /** Number of non-blank lines. */
  readonly records: number;
  /** Number of the first line in the object, from 1. */
  readonly firstLine: number;
  /** Bytes and lines of the object up to the end of the block. */
  readonly endOffset: number;
  readonly endLine: number;
}

/** A single line without its line break. */
export interface LineRecord {
  readonly text: Buffer;
  readonly line: number;
}

/** A position at the start of a line, from which cutting can resume. */
export interface BlockPosition {
  readonly offset: number;
  /** Lines before the position. */
  readonly lines: number;
}

/** Where the first run of a transform begins. */
export const startOfObject: BlockPosition = { offset: 0, lines: 0 };

/** When a block is complete, and what is a line. */
export interface BlockLimits {
  readonly recordsMax: number;
  /** Longer lines are rejected. */
  readonly bytesMax: number;
  /** CSV: quoted cells may contain line breaks. */
  readonly hasQuotes: boolean;
}

const newline = 0x0a;
const carriageReturn = 0x0d;
const quote = 0x22;
const comma = 0x2c;

/** Cuts one object. It can begin behind any block that was cut before. */
export class BlockCutter {
  readonly #limits: BlockLimits;
  #pieces: Buffer[] = [];
  #pieceBytes = 0;
  /** Bytes of the incomplete line. */
  #lineBytes = 0;
  #records = 0;
  /** Physical lines before the block, before the incomplete record, and in total. */
  #blockLines: number;
  #recordLines: number;
  #lines: number;
  /** Start of the block in the object. */
  #offset: number;
  #last = newline;
  #isQuoted = false;
  /** Whether the last byte was a quote that ended a cell or was the first of an escaped pair. */
  #hasClosed = false;

  constructor(limits: BlockLimits, { offset, lines } = startOfObject) {
    this.#limits = limits;
    this.#offset = offset;
    this.#blockLines = lines;
    this.#recordLines = lines;
    this.#lines = lines;
  }

  /** Returns the blocks completed by these bytes. Throws `too_large` for a line above the limit. */
  push(chunk: Buffer): Block[] {
    const blocks: Block[] = [];
    let start = 0;
    let at = 0;
    const quoteAt = this.#limits.hasQuotes ? chunk.indexOf(quote) : -1;
    const marks = { chunk, quoteAt, newlineAt: chunk.indexOf(newline) };
    for (;;) {
      if (start === at && this.#pieceBytes === 0) {
        at = this.#skipBlankLines(chunk, at);
        start = at;
      }
      const end = this.#recordEnd(marks, at);
      if (end < 0) break;
      const lineBytes = this.#lineBytes + end + 1 - at;
      const before = end > 0 ? chunk[end - 1] : this.#last;
      const isBlank = lineBytes === 1 || (lineBytes === 2 && before === carriageReturn);
      this.#checkLine(lineBytes);
      if (this.#pieceBytes + end + 1 - start > this.#limits.bytesMax) {
        // Emit the block without this line; the line begins the next block.
        const all = Buffer.concat([...this.#pieces, chunk.subarray(start, end + 1)]);
        const block = this.#cut(all.subarray(0, all.length - lineBytes), this.#recordLines);
        if (block !== null) blocks.push(block);
        this.#hold(all.subarray(all.length - lineBytes));
        start = end + 1;
      }
      this.#recordLines = this.#lines;
      this.#lineBytes = 0;
      if (!isBlank) this.#records++;
      at = end + 1;
      if (this.#records === 0) {
        this.#cut(Buffer.concat([...this.#pieces, chunk.subarray(start, at)]), this.#lines);
        start = at;
      }
      if (this.#records >= this.#limits.recordsMax) {
        const bytes = this.#pieces.length === 0 ? chunk.subarray(start, at) : Buffer.concat([...this.#pieces, chunk.subarray(start, at)]);
        const block = this.#cut(bytes, this.#lines);
        if (block !== null) blocks.push(block);
        start = at;
      }
    }
    if (chunk.length > 0) this.#last = chunk[chunk.length - 1] as number;
    this.#lineBytes += chunk.length - at;
    this.#checkLine(this.#lineBytes);
    if (start < chunk.length) {
      this.#pieces.push(chunk.subarray(start));
      this.#pieceBytes += chunk.length - start;
    }
    return blocks;
  }

  /** Returns the remaining blocks, including a last line without a line break. */
  end(): Block[] {
    const all = Buffer.concat(this.#pieces);
    const blocks: Block[] = [];
    const rest = this.#lineBytes;
    if (rest > 0 && all.length > this.#limits.bytesMax) {
      const block = this.#cut(all.subarray(0, all.length - rest), this.#recordLines);
      if (block !== null) blocks.push(block);
      this.#hold(all.subarray(all.length - rest));
    }
    if (rest > 0) {
      this.#records++;
      this.#lines++;
    }
    const block = this.#cut(Buffer.concat(this.#pieces), this.#lines);
    if (block !== null) blocks.push(block);
    return blocks;
  }

  /** Leaves out the blank lines in front of a block, which may be as many as the object has bytes. Returns where they end. */
  #skipBlankLines(chunk: Buffer, from: number): number {
    if (this.#isQuoted) return from;
    let at = from;
    while (chunk[at] === newline) at++;
    if (at > from) {
      this.#lines += at - from;
      this.#recordLines = this.#lines;
      this.#blockLines = this.#lines;
      this.#offset += at - from;
    }
    return at;
  }

  #hold(bytes: Buffer): void {
    this.#pieces = [bytes];
    this.#pieceBytes = bytes.length;
  }

  #checkLine(bytes: number): void {
    const { bytesMax } = this.#limits;
    if (bytes <= bytesMax) return;
    const quoted = this.#isQuoted ? '; a quote in it is never closed' : '';
    throw new PlatformError(
      'too_large',
      `line ${this.#recordLines + 1} is too long: expected at most ${bytesMax} bytes per record${quoted}`,
    );
  }

  #cut(bytes: Buffer, lines: number): Block | null {
    const firstLine = this.#blockLines + 1;
    const endOffset = this.#offset + bytes.length;
    const records = this.#records;
    this.#pieces = [];
    this.#pieceBytes = 0;
    this.#records = 0;
    this.#offset = endOffset;
    this.#blockLines = lines;
    return records === 0 ? null : { bytes, records, firstLine, endOffset, endLine: lines };
  }

  /** End of the current record in the chunk, or -1 if it continues beyond. Counts physical lines. */
  #recordEnd(marks: Marks, from: number): number {
    const { chunk } = marks;
    let at = from;
    for (;;) {
      marks.newlineAt = markFrom(chunk, newline, at, marks.newlineAt);
      marks.quoteAt = markFrom(chunk, quote, at, marks.quoteAt);
      const { newlineAt: end, quoteAt: next } = marks;
      if (next >= 0 && (end < 0 || next < end)) {
        this.#turn(next, chunk, from);
        at = next + 1;
        continue;
      }
      if (end < 0) return -1;
      this.#lines++;
      if (!this.#isQuoted) return end;
      at = end + 1;
    }
  }

  /** Processes a quote. It opens a quoted cell only at the start of the cell; two quotes within a cell are an escaped quote. */
  #turn(next: number, chunk: Buffer, from: number): void {
    if (this.#isQuoted) {
      this.#isQuoted = false;
      this.#hasClosed = true;
      return;
    }
    const before = next > 0 ? chunk[next - 1] : this.#last;
    const isFirst = next === from && this.#lineBytes === 0;
    if (isFirst || before === comma || (before === quote && this.#hasClosed)) this.#isQuoted = true;
    else this.#hasClosed = false;
  }
}

/** The next line break and the next quote of a chunk, or -1 if there are no more. */
interface Marks {
  readonly chunk: Buffer;
  quoteAt: number;
  newlineAt: number;
}

/**
 * The first mark at or after `from`, if `known` is the last one that was looked up. Nothing is searched twice: a chunk full of quotes or
 * blank lines costs no more than its bytes.
 */
function markFrom(chunk: Buffer, mark: number, from: number, known: number): number {
  if (known < 0 || known >= from) return known;
  return chunk[from] === mark ? from : chunk.indexOf(mark, from);
}

/** The blocks of a stream. */
export async function* blocksOf(source: AsyncIterable<Buffer>, limits: BlockLimits, from = startOfObject): AsyncGenerator<Block> {
  const cutter = new BlockCutter(limits, from);
  for await (const chunk of source) yield* cutter.push(chunk);
  yield* cutter.end();
}

/** The non-blank lines of a block. */
export function recordsOf(block: Pick<Block, 'bytes' | 'firstLine'>, hasQuotes: boolean): LineRecord[] {
  const cutter = new BlockCutter(
    { recordsMax: 1, bytesMax: Number.POSITIVE_INFINITY, hasQuotes },
    { offset: 0, lines: block.firstLine - 1 },
  );
  return [...cutter.push(block.bytes), ...cutter.end()].map(recordOf);
}

/** Cutting this much takes about a millisecond. */
const sliceBytes = 256 * 1024;

/** The same, without holding the event loop. */
export async function recordsInSlices(block: Block, hasQuotes: boolean): Promise<LineRecord[]> {
  const { bytes, firstLine } = block;
  if (bytes.length <= sliceBytes || block.records === 1) return recordsOf(block, hasQuotes);
  const cutter = new BlockCutter({ recordsMax: 1, bytesMax: Number.POSITIVE_INFINITY, hasQuotes }, { offset: 0, lines: firstLine - 1 });
  const records: LineRecord[] = [];
  for (let at = 0; at < bytes.length; at += sliceBytes) {
    for (const each of cutter.push(bytes.subarray(at, at + sliceBytes))) records.push(recordOf(each));
    await nextTurn();
  }
  return [...records, ...cutter.end().map(recordOf)];
}

function recordOf({ bytes, endLine }: Block): LineRecord {
  // Skip preceding blank lines.
  let start = 0;
  while (bytes[start] === newline || (bytes[start] === carriageReturn && bytes[start + 1] === newline)) start++;
  let end = bytes.length;
  if (bytes[end - 1] === newline) end--;
  if (end > start && bytes[end - 1] === carriageReturn) end--;
  const text = bytes.subarray(start, end);
  return { text, line: endLine - breaksIn(text) };
}

function breaksIn(text: Buffer): number {
  let breaks = 0;
  for (let at = text.indexOf(newline); at >= 0; at = text.indexOf(newline, at + 1)) breaks++;
  return breaks;
}
