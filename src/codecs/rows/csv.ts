/** CSV by RFC 4180 (quotes, line breaks in quotes, either line end, a byte order mark), and its rows as an input tensor. */
import { PlatformError } from '../../errors.ts';
import { elementCount, type Signature } from '../../tensor.ts';
import { type Invocation, onlyInput, tensorOfRows } from './invocation.ts';

const labelHint = 'leave out a column of answers with ?label=NAME (--label NAME)';

/** The cells of each line; empty lines are left out. Throws `invalid_request` for a quote that never ends. */
export function parseCsv(text: string): string[][] {
  const lines: string[][] = [];
  let cells: string[] = [];
  const endLine = (): void => {
    if (cells.length > 1 || cells[0] !== '') lines.push(cells);
    cells = [];
  };
  let at = text.startsWith('\ufeff') ? 1 : 0;
  while (at < text.length) {
    let cell: string;
    if (text[at] === '"') ({ cell, at } = quotedCell(text, at, lines.length + 1));
    else {
      const start = at;
      while (at < text.length && text[at] !== ',' && text[at] !== '\n' && text[at] !== '\r') at++;
      cell = text.slice(start, at);
    }
    cells.push(cell);
    if (text[at] === ',') {
      at++;
      if (at === text.length) cells.push('');
      continue;
    }
    if (text[at] === '\r') at++;
    if (text[at] === '\n') at++;
    endLine();
  }
  if (cells.length > 0) endLine();
  return lines;
}

function quotedCell(text: string, start: number, line: number): { cell: string; at: number } {
  let cell = '';
  let at = start + 1;
  for (;;) {
    const quote = text.indexOf('"', at);
    if (quote < 0) throw new PlatformError('invalid_request', `CSV line ${line}: a quote is opened and never closed`);
    cell += text.slice(at, quote);
    if (text[quote + 1] !== '"') {
      const end = quote + 1;
      if (end < text.length && !',\r\n'.includes(text[end] as string)) {
        throw new PlatformError('invalid_request', `CSV line ${line}: text follows a closing quote; write a quote inside a cell twice`);
      }
      return { cell, at: end };
    }
    cell += '"';
    at = quote + 2;
  }
}

/** Of a header with many columns the first tell what kind of file it is. */
const shownColumnsMax = 10;

export interface CsvOptions {
  /** The column that holds the true answer: it is left out of the input. */
  readonly label?: string;
}

/** Rows of CSV for a model with one input. The first line is a header when the model takes numbers and it holds none. */
export function decodeCsv(signature: Signature, text: string, options: CsvOptions = {}): Invocation {
  const spec = onlyInput(signature, 'CSV');
  const lines = parseCsv(text);
  const [first] = lines;
  if (first === undefined) throw new PlatformError('invalid_request', 'the CSV is empty: send one line a row');
  const hasHeader = isHeader(first, spec.datatype === 'BYTES', [spec.name, options.label]);
  const rows = hasHeader ? lines.slice(1) : lines;
  if (rows.length === 0) throw new PlatformError('invalid_request', 'the CSV has a header and no rows: send one line a row');
  const left = labelColumn(hasHeader ? first : null, options.label);
  const values: unknown[] = [];
  for (const [index, cells] of rows.entries()) {
    const line = index + (hasHeader ? 2 : 1);
    if (cells.length !== first.length) {
      throw new PlatformError('invalid_request', `CSV line ${line} has ${cells.length} columns, the first line has ${first.length}`);
    }
    for (const [column, cell] of cells.entries()) {
      if (column !== left)
        values.push(spec.datatype === 'BYTES' ? cell : numberOf(cell, spec.datatype, line, column, hasHeader ? first[column] : undefined));
    }
  }
  const columns = first.length - (left === null ? 0 : 1);
  const hint = left === null && columns > elementCount(spec.shape.slice(1)) ? labelHint : undefined;
  return { inputs: [tensorOfRows(spec, rows.length, [columns], values, hint)], rows: rows.length };
}

function isHeader(first: readonly string[], takesText: boolean, known: readonly (string | undefined)[]): boolean {
  if (takesText) return first.some((cell) => known.includes(cell));
  return first.every((cell) => !isNumber(cell));
}

function isNumber(cell: string): boolean {
  return cell.trim() !== '' && (Number.isFinite(Number(cell)) || /^[+-]?(nan|inf(inity)?)$/i.test(cell.trim()));
}

function labelColumn(header: readonly string[] | null, label: string | undefined): number | null {
  if (label === undefined) return null;
  if (header === null) {
    throw new PlatformError('invalid_request', `the CSV has no header, so no column is called '${label}': add a header line`);
  }
  const column = header.indexOf(label);
  if (column < 0) {
    const shown = header.slice(0, shownColumnsMax).map((name) => name.slice(0, 60));
    const others = header.length > shown.length ? `, … (${header.length} in all)` : '';
    throw new PlatformError('invalid_request', `no column of the CSV is called '${label}', there are ${shown.join(', ')}${others}`);
  }
  return column;
}

/** 64-bit integers stay text, so that none is rounded on the way. */
function numberOf(cell: string, datatype: string, line: number, column: number, header: string | undefined): unknown {
  const text = cell.trim();
  if (datatype === 'INT64' || datatype === 'UINT64') return /^[+-]?\d+\.0*$/.test(text) ? text.slice(0, text.indexOf('.')) : text;
  if (datatype === 'BOOL' && /^(true|false)$/i.test(text)) return text.toLowerCase() === 'true';
  if (!isNumber(text)) {
    const hint = text === '' ? 'write NaN for a value that is missing' : labelHint;
    const name = header === undefined ? '' : ` (${header.slice(0, 60)})`;
    throw new PlatformError(
      'invalid_request',
      `CSV line ${line}, column ${column + 1}${name}: '${text.slice(0, 40)}' is not a number; ${hint}`,
    );
  }
  const [, sign, word] = /^([+-]?)(nan|inf)/i.exec(text) ?? [];
  if (word === undefined) return Number(text);
  if (word.toLowerCase() === 'nan') return Number.NaN;
  return sign === '-' ? Number.NEGATIVE_INFINITY : Number.POSITIVE_INFINITY;
}
