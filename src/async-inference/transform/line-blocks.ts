/**
 * Cuts a stream of bytes into blocks of whole lines, whatever chunks it comes in. A line break within a quoted cell of CSV
 * ends no line of the table. Holds one block and one chunk at a time.
 */
import { PlatformError } from '../../errors.ts';

export interface Block {
  readonly bytes: Buffer;
  /** Lines with something in them. */
  readonly records: number;
  /** The number of its first line in the object, from 1. */
  readonly firstLine: number;
  /** How many bytes and lines of the object there are up to its end. */
  readonly endOffset: number;
  readonly endLine: number;
}

/** A line by itself, without its end. */
export interface LineRecord {
  readonly text: Buffer;
  readonly line: number;
}

export interface Position {
  readonly offset: number;
  /** Lines before it. */
  readonly lines: number;
}

export const startOfObject: Position = { offset: 0, lines: 0 };

export interface BlockLimits {
  readonly recordsMax: number;
  /** A longer line is refused. */
  readonly bytesMax: number;
  /** CSV: quotes hold line breaks. */
  readonly hasQuotes: boolean;
}

const newline = 0x0a;
const carriageReturn = 0x0d;
const quote = 0x22;
const comma = 0x2c;

export class BlockCutter {
  readonly #limits: BlockLimits;
  #pieces: Buffer[] = [];
  #pieceBytes = 0;
  /** Of the line that is not over yet; those of it in `#pieces`. */
  #lineBytes = 0;
  #records = 0;
  /** Physical lines before the block, before the record that is not over yet, and so far. */
  #blockLines: number;
  #recordLines: number;
  #lines: number;
  /** Where the block begins in the object. */
  #offset: number;
  #last = newline;
  #isQuoted = false;
  /** The last byte was a quote that ended a cell, or half of one within it. */
  #hasClosed = false;

  constructor(limits: BlockLimits, { offset, lines } = startOfObject) {
    this.#limits = limits;
    this.#offset = offset;
    this.#blockLines = lines;
    this.#recordLines = lines;
    this.#lines = lines;
  }

  /** The blocks that are complete with these bytes. Throws `too_large` for a line beyond the limit. */
  push(chunk: Buffer): Block[] {
    const blocks: Block[] = [];
    let start = 0;
    let at = 0;
    const state = { chunk, quoteAt: this.#limits.hasQuotes ? chunk.indexOf(quote) : -1 };
    for (;;) {
      const end = this.#recordEnd(state, at);
      if (end < 0) break;
      const lineBytes = this.#lineBytes + end + 1 - at;
      const before = end > 0 ? chunk[end - 1] : this.#last;
      const isBlank = lineBytes === 1 || (lineBytes === 2 && before === carriageReturn);
      this.#checkLine(lineBytes);
      if (!isBlank && this.#pieceBytes + end + 1 - start > this.#limits.bytesMax) {
        // What is there without this line goes; this line begins the next block.
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

  /** What is left, where the last line has no end too. */
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

  #hold(bytes: Buffer): void {
    this.#pieces = [bytes];
    this.#pieceBytes = bytes.length;
  }

  #checkLine(bytes: number): void {
    const { bytesMax } = this.#limits;
    if (bytes <= bytesMax) return;
    const quoted = this.#isQuoted ? '; a quote is opened in it and never closed' : '';
    throw new PlatformError(
      'too_large',
      `line ${this.#recordLines + 1} has more than the ${bytesMax} bytes that one record may have${quoted}`,
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

  /** Where the record that goes on at `at` ends in the chunk; -1 where it goes on behind it. Counts lines as it goes. */
  #recordEnd(state: { readonly chunk: Buffer; quoteAt: number }, from: number): number {
    const { chunk } = state;
    let at = from;
    for (;;) {
      const end = chunk.indexOf(newline, at);
      if (state.quoteAt >= 0 && state.quoteAt < at) state.quoteAt = chunk.indexOf(quote, at);
      const next = state.quoteAt;
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

  /** A quote opens a cell only at its beginning; two within a cell are one. */
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

/** The blocks of a stream. */
export async function* blocksOf(source: AsyncIterable<Buffer>, limits: BlockLimits, from = startOfObject): AsyncGenerator<Block> {
  const cutter = new BlockCutter(limits, from);
  for await (const chunk of source) yield* cutter.push(chunk);
  yield* cutter.end();
}

/** The lines of a block with something in them. */
export function recordsOf(block: Pick<Block, 'bytes' | 'firstLine'>, hasQuotes: boolean): LineRecord[] {
  const cutter = new BlockCutter(
    { recordsMax: 1, bytesMax: Number.POSITIVE_INFINITY, hasQuotes },
    { offset: 0, lines: block.firstLine - 1 },
  );
  return [...cutter.push(block.bytes), ...cutter.end()].map(({ bytes, endLine }) => {
    // Blank lines before it came along.
    let start = 0;
    while (bytes[start] === newline || (bytes[start] === carriageReturn && bytes[start + 1] === newline)) start++;
    let end = bytes.length;
    if (bytes[end - 1] === newline) end--;
    if (end > start && bytes[end - 1] === carriageReturn) end--;
    const text = bytes.subarray(start, end);
    return { text, line: endLine - breaksIn(text) };
  });
}

function breaksIn(text: Buffer): number {
  let breaks = 0;
  for (let at = text.indexOf(newline); at >= 0; at = text.indexOf(newline, at + 1)) breaks++;
  return breaks;
}
