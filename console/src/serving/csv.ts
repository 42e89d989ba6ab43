/** Reads CSV: quotes, commas, semicolons or tabs, with or without a header. */
import { isNumber } from '../kit/format/write-csv.ts';

export interface Csv {
  /** Column names, generated if the file has none. */
  readonly header: readonly string[];
  readonly hasHeader: boolean;
  readonly rows: readonly (readonly string[])[];
  /** Number of lines whose column count differs from the first line's. They are skipped. */
  readonly ragged: number;
}

export function parseCsvText(text: string): Csv {
  const clean = text.replace(/^\uFEFF/, '');
  const separator = separatorOf(clean);
  const lines = linesOf(clean, separator).filter((line) => line.length > 1 || (line[0] ?? '') !== '');
  const [first = []] = lines;
  const hasHeader =
    lines.length > 1 && first.some((cell) => cell.trim() !== '' && !isNumber(cell)) && hasHeaderNames(first, lines[1] ?? []);
  const all = hasHeader ? lines.slice(1) : lines;
  const rows = all.filter((line) => line.length === first.length);
  const header = hasHeader ? first.map((name) => name.trim()) : first.map((_, index) => `column ${index + 1}`);
  return { header, hasHeader, rows, ragged: all.length - rows.length };
}

/** Guesses whether the first line is a header: no numbers above numbers, or short names above texts. */
function hasHeaderNames(first: readonly string[], second: readonly string[]): boolean {
  if (first.some(isNumber)) return false;
  return second.some(isNumber) || first.every((cell) => cell.length <= 40 && !/[.!?]\s|\s\S+\s\S+\s/.test(cell));
}

function separatorOf(text: string): string {
  const [line = ''] = text.split('\n', 1);
  return [',', ';', '\t'].toSorted((a, b) => line.split(b).length - line.split(a).length)[0] ?? ',';
}

function linesOf(text: string, separator: string): string[][] {
  const lines: string[][] = [];
  let line: string[] = [];
  let cell = '';
  let isQuoted = false;
  const endCell = (): void => {
    line.push(cell);
    cell = '';
  };
  for (let i = 0; i < text.length; i++) {
    const character = text.charAt(i);
    if (isQuoted) {
      if (character !== '"') cell += character;
      else if (text[i + 1] === '"') {
        cell += '"';
        i++;
      } else isQuoted = false;
    } else if (character === '"' && cell.trim() === '') {
      cell = '';
      isQuoted = true;
    } else if (character === separator) endCell();
    else if (character === '\n') {
      endCell();
      lines.push(line);
      line = [];
    } else if (character !== '\r') cell += character;
  }
  if (cell !== '' || line.length > 0) {
    endCell();
    lines.push(line);
  }
  return lines;
}
