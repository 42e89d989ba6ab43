/**
 * Decodes rows of CSV into input tensors. The first line determines the form of the others. Parsing stops at the first line that differs,
 * at the first cell that is not a number, or at the first excess row; nothing after it is built.
 */
import { PlatformError } from '../../errors.ts';
import { describeTensor, elementCount, type Signature, type TensorSpec } from '../../tensor.ts';
import { columnSpecs } from './columns.ts';
import { columnsByName, formatNames, headerNames, indexOfName } from './csv-header.ts';
import { CsvLines, parseCsv } from './csv-lines.ts';
import {
  anyRows,
  hasRows,
  noInputs,
  type RowInvocation,
  type RowLimits,
  rowsMaxOf,
  runOneByOne,
  specNames,
  tensorOfRows,
  tooManyRows,
  wholeTensor,
} from './invocation.ts';

/** Advice for columns that are not inputss. It depends on how the interface of the caller can name a label column. */
function strayHint(labelling: string | undefined, hasHeader: boolean): string {
  if (labelling === undefined) return 'leave out columns that are not inputs';
  return hasHeader
    ? `leave out a column of answers with ${labelling}`
    : `leave out a column of answers: write a header first, then ${labelling}`;
}

/** What the caller knows of the rows beyond their text. */
export interface CsvOptions {
  /** The label column, which is not an input. */
  readonly label?: string;
  /** How the caller can name the label column; absent if that is not possible. */
  readonly labelling?: string;
  /** The header of the file that these rows are from, or null if it has none. If set, no line of the text is treated as a header. */
  readonly header?: readonly string[] | null;
  /** Set if the text has only some columns of a file. Errors then refer to positions in that file. Only called for errors. */
  readonly source?: CsvSource;
  readonly limits?: RowLimits;
}

/** Allowed columns beyond those of the model, so that a wrong file is rejected with its number of columns. */
const spareColumns = 4096;
/** Maximum columns for a model whose rows have any number of values. */
const anyColumnsMax = 2 ** 20;

/** Where the cells of a row are in the file that they were taken from. */
export interface CsvSource {
  /** Number of columns that a row, or the header, has in the file. */
  readonly widthOf: (row: number | 'header') => number;
  /** Position in the file of a column of the row, from 0. */
  readonly placeOf: (row: number, column: number) => number;
}

/** The column names if the first line of a file is a header, else null. */
export function csvHeader(signature: Signature, firstLine: string, label?: string): readonly string[] | null {
  const [first] = parseCsv(firstLine);
  return first === undefined ? null : csvHeaderOf(signature, first, label);
}

/** Throws `invalid_request` if the header does not assign each column to one of several inputs, or to a column of a single input. */
export function checkCsvHeader({ inputs }: Signature, header: readonly string[]): void {
  const [spec] = inputs;
  const named = inputs.length === 1 && spec !== undefined ? columnSpecs(spec) : null;
  if (named !== null) columnsByName(named, widthsOf(named), header, [...header.keys()], strayHint(undefined, true));
  const widths = widthsOf(inputs);
  if (inputs.length > 1 && !widths.includes(-1)) columnsByName(inputs, widths, header, [...header.keys()], strayHint(undefined, true));
}

/** Number of columns per input; -1 if it varies. */
function widthsOf(inputs: readonly TensorSpec[]): number[] {
  return inputs.map((spec) => (hasRows(spec) && !spec.shape.includes(-1, 1) ? elementCount(spec.shape.slice(1)) : -1));
}

function csvHeaderOf({ inputs }: Signature, first: readonly string[], label: string | undefined): readonly string[] | null {
  const names = headerNames(first);
  if (!inputs.some(({ datatype }) => datatype === 'BYTES')) return first.every((cell) => !isNumber(cell)) ? names : null;
  // Text cells can have any content, so a line that contains one name in another case is not a header.
  const known = [...inputs.map(({ name }) => name), ...(label === undefined ? [] : [label])];
  const isHeader = names.some((name) => known.includes(name)) || names.every((name) => indexOfName(name, known) !== -1);
  return isHeader ? names : null;
}

/**
 * Decodes rows of CSV. A model with one input gets all columns. With several inputs, each gets as many columns as its rows have elements:
 * from the left in the order of the model, or the columns named like the inputs. The first line is a header if the model takes numbers and
 * the line contains none, or if it names the inputs. Returns one invocation, or one per line if the model takes one row per request.
 */
export function decodeCsv(signature: Signature, text: string, options: CsvOptions = {}): readonly RowInvocation[] {
  const { inputs } = signature;
  if (inputs.length === 0) throw noInputs('CSV');
  const lines = new CsvLines(text, columnsMaxOf(inputs));
  const first = lines.next();
  if (first === null) throw new PlatformError('invalid_request', 'the CSV is empty: send one line a row');
  const header = options.header === undefined ? csvHeaderOf(signature, first, options.label) : options.header;
  const hasHeader = options.header === undefined && header !== null;
  const firstRow = hasHeader ? lines.next() : first;
  if (firstRow === null) throw new PlatformError('invalid_request', 'the CSV has a header and no rows: send one line a row');
  const left = labelColumn(header, options.label);
  const width = (header ?? first).length;
  const table: Table = {
    header,
    firstLine: hasHeader ? 2 : 1,
    width,
    columns: Array.from({ length: width }, (_, column) => column).filter((column) => column !== left),
    source: options.source,
    hint: strayHint(options.labelling, header !== null),
    isWhole: options.header === undefined,
  };
  checkWidth(table, 0, firstRow);
  const [spec, ...others] = inputs;
  const isOnly = spec !== undefined && others.length === 0;
  const places = isOnly ? [columnsOfOne(spec, table, left !== null)] : columnsOfSeveral(signature, table);
  const rowsMax = rowsMaxOf(inputs, options.limits ?? anyRows);
  const columns = inputs.map((): unknown[] => []);
  let rows = 0;
  for (let cells: readonly string[] | null = firstRow; cells !== null; cells = lines.next(), rows++) {
    if (rows === rowsMax) throw tooManyRows(rowsMax);
    checkWidth(table, rows, cells);
    for (const [index, input] of inputs.entries()) {
      takeCells(input, table, { row: rows, cells }, places[index] as readonly number[], columns[index] as unknown[]);
    }
  }
  if (isOnly) return ofOneInput(spec, rows, table.columns.length, columns[0] as unknown[]);
  const tensors = inputs.map((input, index) => tensorOfRows(input, rows, [places[index]?.length ?? 0], columns[index] as unknown[]));
  return [{ inputs: tensors, rows }];
}

/** Cells of a line beyond which it is rejected before the rest is split. */
export function columnsMaxOf(inputs: readonly TensorSpec[]): number {
  const elements = inputs.map(({ shape }) =>
    shape.includes(-1, 1) ? anyColumnsMax : elementCount(shape[0] === -1 ? shape.slice(1) : shape),
  );
  return elements.reduce((sum, each) => sum + each, spareColumns);
}

/** Whether the columns under this header are in the order of a single input that names its columns, or need no order. */
export function isInOrder({ inputs }: Signature, header: readonly string[]): boolean {
  const [spec] = inputs;
  return spec?.columns === undefined || (header.length === spec.columns.length && spec.columns.every((name, at) => header[at] === name));
}

/** Throws unless the row has as many columns as the first line. */
function checkWidth({ width, header, firstLine, source }: Table, row: number, cells: readonly string[]): void {
  if (cells.length === width) return;
  const [has, firstHas] = [source?.widthOf(row) ?? cells.length, source?.widthOf(header === null ? 0 : 'header') ?? width];
  throw new PlatformError('invalid_request', `CSV line ${row + firstLine} has ${raggedRowText(has, firstHas)}`);
}

/** `5 columns, the first line has 4` */
export function raggedRowText(columns: number, firstColumns: number): string {
  return `${columnsText(columns)}, the first line has ${firstColumns}`;
}

function columnsText(columns: number): string {
  return columns === 1 ? '1 column' : `${columns} columns`;
}

interface Table {
  readonly header: readonly string[] | null;
  /** Line number of the first row. */
  readonly firstLine: number;
  /** Number of columns in each line. */
  readonly width: number;
  /** Columns that are inputs. */
  readonly columns: readonly number[];
  readonly source: CsvSource | undefined;
  /** The advice for columns that are not inputss. */
  readonly hint: string;
  /** Whether all lines of the file are included, with its header if it has one. */
  readonly isWhole: boolean;
}

/** The columns of a single input. Throws unless the model takes that number. */
function columnsOfOne(spec: TensorSpec, table: Table, isLabelled: boolean): readonly number[] {
  const { columns, header, hint } = table;
  const named = columnSpecs(spec);
  if (named !== null && header !== null) return columnsByName(named, widthsOf(named), header, columns, hint).flat();
  const taken = hasRows(spec) && !spec.shape.includes(-1, 1) ? elementCount(spec.shape.slice(1)) : columns.length;
  if (columns.length !== taken) throw wrongWidth(spec, table, taken, isLabelled);
  return columns;
}

function ofOneInput(spec: TensorSpec, rows: number, width: number, values: readonly unknown[]): readonly RowInvocation[] {
  if (runOneByOne(spec, rows, width)) {
    return Array.from({ length: rows }, (_, row) => ({
      inputs: [wholeTensor(spec, [width], values.slice(row * width, (row + 1) * width))],
      rows: 1,
    }));
  }
  if (!hasRows(spec) && rows === 1) return [{ inputs: [wholeTensor(spec, [width], values)], rows: 1 }];
  return [{ inputs: [tensorOfRows(spec, rows, [width], values)], rows: hasRows(spec) ? rows : 1 }];
}

/** The error refers to the columns of the file, because the user can fix it there. */
function wrongWidth(spec: TensorSpec, table: Table, taken: number, isLabelled: boolean): PlatformError {
  const { columns, header, source, isWhole, hint } = table;
  const all = source?.widthOf(0) ?? columns.length;
  const has = all === columns.length ? columnsText(all) : `${columnsText(all)}, of which the filters leave ${columns.length}`;
  const subject = isWhole ? 'the CSV has' : 'it has'; // 'it' is the line, which is processed alone
  const besides = isLabelled ? ' beside that of answers' : isWhole && header === null ? ' and no header' : '';
  return new PlatformError(
    'invalid_request',
    `${subject} ${has}${besides}, the model takes ${taken} (input '${spec.name}', ${describeTensor(spec)})`,
    isLabelled || columns.length < taken ? {} : { hint },
  );
}

/** The columns of each input. Throws if the columns do not match the inputs. */
function columnsOfSeveral(signature: Signature, table: Table): readonly (readonly number[])[] {
  const { columns, header, source, hint } = table;
  const { inputs } = signature;
  const sizes = widthsOf(inputs);
  const needed = sizes.reduce((sum, size) => sum + size, 0);
  const named = header === null || sizes.includes(-1) ? null : columnsByName(inputs, sizes, header, columns, hint);
  if (sizes.includes(-1) || needed !== columns.length) {
    const cure = sizes.includes(-1) ? '' : ` (${needed} columns)`;
    const subject = source === undefined ? 'the CSV has' : 'the filters leave';
    throw new PlatformError(
      'invalid_request',
      `the model has ${inputs.length} inputs (${specNames(inputs)})${cure}, ${subject} ${columns.length} columns: ` +
        `send JSON with named inputs, {"instances": [{"${inputs[0]?.name ?? 'name'}": …}, …]}`,
    );
  }
  return named ?? columnsInOrder(sizes, columns);
}

function columnsInOrder(sizes: readonly number[], columns: readonly number[]): number[][] {
  let at = 0;
  return sizes.map((size) => {
    at += size;
    return columns.slice(at - size, at);
  });
}

/** Appends the values of one row for one input. */
function takeCells(
  { datatype }: TensorSpec,
  table: Table,
  { row, cells }: { readonly row: number; readonly cells: readonly string[] },
  columns: readonly number[],
  into: unknown[],
): void {
  for (const column of columns) {
    const cell = cells[column] as string;
    into.push(datatype === 'BYTES' ? cell : (numberOf(cell, datatype) ?? refuseCell(cell.trim(), table, row, column)));
  }
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
  const column = indexOfName(label, header);
  if (column < 0) throw new PlatformError('invalid_request', `no column of the CSV is called '${label}', there are ${formatNames(header)}`);
  return column;
}

/** The value of a cell; null if it is not a number. 64-bit integers remain text, so that none is rounded. */
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
