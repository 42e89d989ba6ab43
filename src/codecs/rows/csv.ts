/** CSV by RFC 4180 (quotes, line breaks in quotes, either line end, a byte order mark), and its rows as an input tensor. */
import { PlatformError } from '../../errors.ts';
import { describeTensor, elementCount, type Signature, type TensorSpec } from '../../tensor.ts';
import { columnsByName, headerNames, listed, placeOfName } from './csv-header.ts';
import { hasRows, type Invocation, namesOf, runOneByOne, tensorOfRows, wholeTensor } from './invocation.ts';

/** What to do with columns that are no input, by how a column of answers can be named where this came from. */
function strayHint(labelling: string | undefined, hasHeader: boolean): string {
  if (labelling === undefined) return 'leave out columns that are no input';
  return hasHeader
    ? `leave out a column of answers with ${labelling}`
    : `leave out a column of answers: write a header first, then ${labelling}`;
}

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

export interface CsvOptions {
  /** The column that holds the true answer: it is left out of the input. */
  readonly label?: string;
  /** How whoever sent the text can name that column; not given where he cannot. */
  readonly labelling?: string;
  /** Of the file that these rows are from, null where it has none: then no line of the text is one. */
  readonly header?: readonly string[] | null;
  /** Given where these are only some columns of a file: what is wrong is told by its place there. Asked only then. */
  readonly source?: CsvSource;
}

export interface CsvSource {
  /** How many columns a row has there, or the header. */
  readonly widthOf: (row: number | 'header') => number;
  /** Which of them a column of the row is, from 0. */
  readonly placeOf: (row: number, column: number) => number;
}

/** The names of the columns where the first line of a file holds them, else null. */
export function csvHeader(signature: Signature, firstLine: string, label?: string): readonly string[] | null {
  const [first] = parseCsv(firstLine);
  return first === undefined ? null : csvHeaderOf(signature, first, label);
}

/** Throws `invalid_request` where the header does not say which column is for which of several inputs. */
export function checkCsvHeader({ inputs }: Signature, header: readonly string[]): void {
  const widths = widthsOf(inputs);
  if (inputs.length > 1 && !widths.includes(-1)) columnsByName(inputs, widths, header, [...header.keys()], strayHint(undefined, true));
}

/** How many columns each input takes; -1 where that may vary. */
function widthsOf(inputs: readonly TensorSpec[]): number[] {
  return inputs.map((spec) => (hasRows(spec) && !spec.shape.includes(-1, 1) ? elementCount(spec.shape.slice(1)) : -1));
}

function csvHeaderOf({ inputs }: Signature, first: readonly string[], label: string | undefined): readonly string[] | null {
  const names = headerNames(first);
  if (!inputs.some(({ datatype }) => datatype === 'BYTES')) return first.every((cell) => !isNumber(cell)) ? names : null;
  // Text may be anything: a line that happens to hold one name in another case is no header.
  const known = [...inputs.map(({ name }) => name), ...(label === undefined ? [] : [label])];
  const isHeader = names.some((name) => known.includes(name)) || names.every((name) => placeOfName(name, known) !== -1);
  return isHeader ? names : null;
}

/**
 * Rows of CSV. A model with one input takes all columns; one with several inputs takes from the left as many columns for
 * each as its rows have elements, in the model's order, or those that a header calls by the inputs' names. The first line is
 * a header when the model takes numbers and it holds none, or when it names the inputs. One invocation, or one for each
 * line where the model takes a row at a time.
 */
export function decodeCsv(signature: Signature, text: string, options: CsvOptions = {}): readonly Invocation[] {
  const lines = parseCsv(text);
  const [first] = lines;
  if (first === undefined) throw new PlatformError('invalid_request', 'the CSV is empty: send one line a row');
  const { inputs } = signature;
  const header = options.header === undefined ? csvHeaderOf(signature, first, options.label) : options.header;
  const hasHeader = options.header === undefined && header !== null;
  const rows = hasHeader ? lines.slice(1) : lines;
  if (rows.length === 0) throw new PlatformError('invalid_request', 'the CSV has a header and no rows: send one line a row');
  const left = labelColumn(header, options.label);
  const { source } = options;
  const width = (header ?? first).length;
  for (const [index, cells] of rows.entries()) {
    if (cells.length === width) continue;
    const [has, firstHas] = [source?.widthOf(index) ?? cells.length, source?.widthOf(header === null ? 0 : 'header') ?? width];
    throw new PlatformError('invalid_request', `CSV line ${index + (hasHeader ? 2 : 1)} has ${raggedText(has, firstHas)}`);
  }
  const columns = Array.from({ length: width }, (_, column) => column).filter((column) => column !== left);
  const table = {
    rows,
    header,
    firstLine: hasHeader ? 2 : 1,
    columns,
    source,
    hint: strayHint(options.labelling, header !== null),
    isWhole: options.header === undefined,
  };
  const [spec, ...others] = inputs;
  if (spec !== undefined && others.length === 0) return ofOneInput(spec, table, left !== null);
  return [ofSeveralInputs(signature, table)];
}

/** `5 columns, the first line has 4` */
export function raggedText(columns: number, firstColumns: number): string {
  return `${columnsText(columns)}, the first line has ${firstColumns}`;
}

function columnsText(columns: number): string {
  return columns === 1 ? '1 column' : `${columns} columns`;
}

interface Table {
  readonly rows: readonly (readonly string[])[];
  readonly header: readonly string[] | null;
  /** The number of the line that the first row stands on. */
  readonly firstLine: number;
  /** Those that are inputs. */
  readonly columns: readonly number[];
  readonly source: CsvSource | undefined;
  /** For columns that are none. */
  readonly hint: string;
  /** All lines of a file are here, its header too where it has one. */
  readonly isWhole: boolean;
}

function ofOneInput(spec: TensorSpec, table: Table, isLabelled: boolean): readonly Invocation[] {
  const { rows, columns } = table;
  const width = columns.length;
  const taken = hasRows(spec) && !spec.shape.includes(-1, 1) ? elementCount(spec.shape.slice(1)) : width;
  if (width !== taken) throw wrongWidth(spec, table, taken, isLabelled);
  const values = valuesOf(spec, table, columns);
  if (runOneByOne(spec, rows.length, width)) {
    return rows.map((_, row) => ({ inputs: [wholeTensor(spec, [width], values.slice(row * width, (row + 1) * width))], rows: 1 }));
  }
  if (!hasRows(spec) && rows.length === 1) return [{ inputs: [wholeTensor(spec, [width], values)], rows: 1 }];
  return [{ inputs: [tensorOfRows(spec, rows.length, [width], values)], rows: hasRows(spec) ? rows.length : 1 }];
}

/** In words of the file, by whose columns it is mended. */
function wrongWidth(spec: TensorSpec, table: Table, taken: number, isLabelled: boolean): PlatformError {
  const { columns, header, source, isWhole, hint } = table;
  const all = source?.widthOf(0) ?? columns.length;
  const has = all === columns.length ? columnsText(all) : `${columnsText(all)}, of which the filters leave ${columns.length}`;
  const who = isWhole ? 'the CSV has' : 'it has'; // 'it' is the line that is run by itself
  const besides = isLabelled ? ' beside that of answers' : isWhole && header === null ? ' and no header' : '';
  return new PlatformError(
    'invalid_request',
    `${who} ${has}${besides}, the model takes ${taken} (input '${spec.name}', ${describeTensor(spec)})`,
    isLabelled || columns.length < taken ? {} : { hint },
  );
}

function ofSeveralInputs(signature: Signature, table: Table): Invocation {
  const { rows, columns, header, source, hint } = table;
  const { inputs } = signature;
  const sizes = widthsOf(inputs);
  const needed = sizes.reduce((sum, size) => sum + size, 0);
  const named = header === null || sizes.includes(-1) ? null : columnsByName(inputs, sizes, header, columns, hint);
  if (sizes.includes(-1) || needed !== columns.length) {
    const cure = sizes.includes(-1) ? '' : ` (${needed} columns)`;
    const who = source === undefined ? 'the CSV has' : 'the filters leave';
    throw new PlatformError(
      'invalid_request',
      `the model has ${inputs.length} inputs (${namesOf(inputs)})${cure}, ${who} ${columns.length} columns: ` +
        `send JSON with named inputs, {"instances": [{"${inputs[0]?.name ?? 'name'}": …}, …]}`,
    );
  }
  const places = named ?? columnsInOrder(sizes, columns);
  const tensors = inputs.map((spec, index) =>
    tensorOfRows(spec, rows.length, [sizes[index] as number], valuesOf(spec, table, places[index] as number[])),
  );
  return { inputs: tensors, rows: rows.length };
}

function columnsInOrder(sizes: readonly number[], columns: readonly number[]): number[][] {
  let at = 0;
  return sizes.map((size) => {
    at += size;
    return columns.slice(at - size, at);
  });
}

function valuesOf({ datatype }: TensorSpec, table: Table, columns: readonly number[]): unknown[] {
  const values: unknown[] = [];
  for (const [row, cells] of table.rows.entries()) {
    for (const column of columns) {
      const cell = cells[column] as string;
      values.push(datatype === 'BYTES' ? cell : (numberOf(cell, datatype) ?? refuseCell(cell.trim(), table, row, column)));
    }
  }
  return values;
}

function refuseCell(text: string, { header, firstLine, source, hint }: Table, row: number, column: number): never {
  const place = (source?.placeOf(row, column) ?? column) + 1;
  const title = header?.[column];
  const name = title === undefined ? '' : ` (${title.slice(0, 60)})`;
  throw new PlatformError(
    'invalid_request',
    `CSV line ${row + firstLine}, column ${place}${name}: '${text.slice(0, 40)}' is not a number; ` +
      (text === '' ? 'write NaN for a value that is missing' : hint),
  );
}

function isNumber(cell: string): boolean {
  return cell.trim() !== '' && (Number.isFinite(Number(cell)) || /^[+-]?(nan|inf(inity)?)$/i.test(cell.trim()));
}

function labelColumn(header: readonly string[] | null, label: string | undefined): number | null {
  if (label === undefined) return null;
  if (header === null) {
    throw new PlatformError('invalid_request', `the CSV has no header, so no column is called '${label}': add a header line`);
  }
  const column = placeOfName(label, header);
  if (column < 0) throw new PlatformError('invalid_request', `no column of the CSV is called '${label}', there are ${listed(header)}`);
  return column;
}

/** 64-bit integers stay text, so that none is rounded on the way. Null for what is no number. */
function numberOf(cell: string, datatype: string): number | string | boolean | null {
  const text = cell.trim();
  if (datatype === 'INT64' || datatype === 'UINT64') return /^[+-]?\d+\.0*$/.test(text) ? text.slice(0, text.indexOf('.')) : text;
  if (datatype === 'BOOL' && /^(true|false)$/i.test(text)) return text.toLowerCase() === 'true';
  if (!isNumber(text)) return null;
  const [, sign, word] = /^([+-]?)(nan|inf)/i.exec(text) ?? [];
  if (word === undefined) return Number(text);
  if (word.toLowerCase() === 'nan') return Number.NaN;
  return sign === '-' ? Number.NEGATIVE_INFINITY : Number.POSITIVE_INFINITY;
}
