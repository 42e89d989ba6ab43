/** Reads the lines of CSV by RFC 4180, one at a time. A reader that stops at the first error spends nothing on the rest. */
import { PlatformError } from '../../errors.ts';

const comma = 0x2c;
const newline = 0x0a;
const carriageReturn = 0x0d;
/** Maximum quotes per cell: replacing a quote temporarily takes fifty bytes. */
const quotesMax = 2 ** 20;

/** Reads on demand; a line that was not read costs nothing. */
export class CsvLines {
  readonly #text: string;
  /** Maximum cells of a line: a longer line is rejected before the rest is split. */
  readonly #cellsMax: number;
  #at: number;
  #lines = 0;

  constructor(text: string, cellsMax: number = Number.POSITIVE_INFINITY) {
    this.#text = text;
    this.#cellsMax = cellsMax;
    this.#at = text.startsWith('\ufeff') ? 1 : 0;
  }

  /** The cells of the next non-empty line; null at the end. Throws `invalid_request` for an unterminated quote, `too_large`. */
  next(): string[] | null {
    for (;;) {
      this.#skipBreaks();
      if (this.#at >= this.#text.length) return null;
      const cells = this.#line();
      if (cells.length === 1 && cells[0] === '') continue; // nothing but ""
      this.#lines++;
      return cells;
    }
  }

  #skipBreaks(): void {
    for (; ; this.#at++) {
      const code = this.#text.charCodeAt(this.#at);
      if (code !== newline && code !== carriageReturn) return;
    }
  }

  #line(): string[] {
    const text = this.#text;
    const cells: string[] = [];
    for (;;) {
      cells.push(text[this.#at] === '"' ? this.#quotedCell() : this.#plainCell());
      if (cells.length > this.#cellsMax) {
        throw new PlatformError('too_large', `CSV line ${this.#lines + 1} has more than ${this.#cellsMax} columns`);
      }
      if (text.charCodeAt(this.#at) !== comma) break;
      this.#at++;
    }
    if (text.charCodeAt(this.#at) === carriageReturn) this.#at++;
    if (text.charCodeAt(this.#at) === newline) this.#at++;
    return cells;
  }

  #plainCell(): string {
    const text = this.#text;
    const start = this.#at;
    let at = start;
    for (; at < text.length; at++) {
      const code = text.charCodeAt(at);
      if (code === comma || code === newline || code === carriageReturn) break;
    }
    this.#at = at;
    return text.slice(start, at);
  }

  #quotedCell(): string {
    const text = this.#text;
    const start = this.#at + 1;
    let quotes = 0;
    for (let at = start; ; at += 2) {
      at = text.indexOf('"', at);
      if (at < 0) throw this.#broken('a quote is opened and never closed');
      if (text[at + 1] === '"') {
        if (++quotes > quotesMax)
          throw new PlatformError('too_large', `CSV line ${this.#lines + 1} has a cell of more than ${quotesMax} quotes`);
        continue;
      }
      this.#at = at + 1;
      if (this.#at < text.length && !',\r\n'.includes(text[this.#at] as string)) {
        throw this.#broken('text follows a closing quote; write a quote inside a cell twice');
      }
      const cell = text.slice(start, at);
      return quotes > 0 ? cell.replaceAll('""', '"') : cell;
    }
  }

  #broken(why: string): PlatformError {
    return new PlatformError('invalid_request', `CSV line ${this.#lines + 1}: ${why}`);
  }
}

/** All lines of a short text. */
export function parseCsv(text: string): string[][] {
  const lines = new CsvLines(text);
  const all: string[][] = [];
  for (let cells = lines.next(); cells !== null; cells = lines.next()) all.push(cells);
  return all;
}
