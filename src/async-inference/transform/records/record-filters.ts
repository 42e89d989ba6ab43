/** Applies the input filter, output filter, hidden columns and join of a transform to text records. */
import { headerNames, indexOfName, parseCsv, raggedRowText } from '../../../codecs/index.ts';
import { messageOf, PlatformError } from '../../../errors.ts';
import { isRootPath, type JsonPath, parsePath, select } from './json-path.ts';

/** Filters as the user wrote them. */
export interface FilterSpec {
  readonly inputFilter: string;
  readonly outputFilter: string;
  readonly joins: boolean;
  /** Columns hidden from the model: names of a header or of JSON members, or indices as in filters. */
  readonly ignored?: readonly string[];
  /** CSV columns hidden from the model and written before its result. */
  readonly kept?: readonly string[];
}

/** Parsed filters. Names of columns are resolved once the header is known. */
export class RecordFilters {
  readonly #order: FilterSpec;
  readonly #input: JsonPath;
  readonly #output: JsonPath;
  readonly #joins: boolean;
  readonly #kept: readonly string[];
  /** Kept and ignored columns. */
  readonly #hidden: readonly string[];
  readonly #header: readonly string[] | null;

  /** `header`: the column names, if known. */
  constructor(spec: FilterSpec, header: readonly string[] | null = null) {
    const { inputFilter, outputFilter, joins, ignored = [], kept = [] } = spec;
    this.#order = spec;
    this.#input = parsePath(inputFilter);
    this.#output = parsePath(outputFilter);
    this.#joins = joins;
    this.#kept = kept;
    this.#hidden = [...kept, ...ignored];
    this.#header = header;
  }

  /** What another thread needs to apply the same filters. */
  get spec(): FilterSpec {
    return this.#order;
  }

  /** The column names, if known. */
  get columns(): readonly string[] | null {
    return this.#header;
  }

  /** Whether hidden columns are given by name, so that a CSV needs a header. */
  get namesColumns(): boolean {
    return this.#hidden.some((column) => !isColumnIndex(column));
  }

  /** The same filters for records under this header. Throws `invalid_request` if it lacks a hidden column. */
  under(headerLine: string): RecordFilters {
    const filters = new RecordFilters(this.#order, cellsOf(headerLine));
    for (const column of this.#hidden) filters.#indexOf(column, filters.#header?.length ?? 0);
    return filters;
  }

  /** Whether the filters change nothing. */
  get areIdle(): boolean {
    return !this.filtersInput && !this.changesOutput;
  }

  get filtersInput(): boolean {
    return this.#hidden.length > 0 || !isRootPath(this.#input);
  }

  get changesOutput(): boolean {
    return this.#joins || this.#kept.length > 0 || !isRootPath(this.#output);
  }

  /** The filtered input. Throws `invalid_request` if the record does not fit the filters. */
  inputOf(record: string, isCsv: boolean): string {
    if (!this.filtersInput) return record;
    if (isCsv) return csvLine(select(this.#input, this.#visible(cellsOf(record))));
    return JSON.stringify(select(this.#input, this.#visiblePart(parseJson(record, 'the record'))));
  }

  /** The filtered input of a whole JSON body. Here, nested lists are rows; in a JSON line, they are one row. */
  inputOfBody(body: string): string {
    if (!this.filtersInput) return body;
    const value = parseJson(body, 'the body');
    const areRows = Array.isArray(value) && value.every((each) => Array.isArray(each));
    return JSON.stringify(select(this.#input, areRows ? value.map((row) => this.#visibleRow(row)) : this.#visiblePart(value)));
  }

  /** Indices of the CSV columns that the model receives, in order. */
  indexesUsed(record: string): readonly number[] {
    const indices = [...cellsOf(record).keys()];
    const selected = select(this.#input, this.#visible(indices));
    return Array.isArray(selected) ? (selected as readonly number[]) : [selected as number];
  }

  /** The output for a record. `result` is a CSV line or JSON. */
  outputOf(record: string, result: string, isCsv: boolean): string {
    if (!this.changesOutput) return result;
    if (isCsv) return this.#csvOutput(record, result);
    const joined = this.#joins ? joinedJson(record, result) : result;
    return isRootPath(this.#output) ? joined : JSON.stringify(select(this.#output, parseJson(joined, 'the result')));
  }

  #visible<Cell>(cells: readonly Cell[]): readonly Cell[] {
    if (this.#hidden.length === 0) return cells;
    // A ragged row would shift the columns.
    if (this.#header !== null && cells.length !== this.#header.length)
      throw new PlatformError('invalid_request', `has ${raggedRowText(cells.length, this.#header.length)}`);
    const hidden = new Set(this.#hidden.map((column) => this.#indexOf(column, cells.length)));
    return cells.filter((_, index) => !hidden.has(index));
  }

  /** Hides columns of a row, or of each instance of a document. */
  #visiblePart(value: unknown): unknown {
    if (this.#hidden.length === 0) return value;
    if (Array.isArray(value) && value.every(isFields)) return value.map((row) => this.#visibleMembers(row));
    if (!isFields(value) || !Array.isArray(value.instances)) return this.#visibleRow(value);
    const { instances, ...others } = value;
    return { ...this.#visibleMembers(others, false), instances: instances.map((row) => this.#visibleRow(row)) };
  }

  #visibleRow(row: unknown): unknown {
    if (Array.isArray(row)) return this.#visible(row as readonly unknown[]);
    return isFields(row) ? this.#visibleMembers(row) : row;
  }

  #visibleMembers(row: Fields, isRow = true): Fields {
    const counted = this.#hidden.find((column) => isColumnIndex(column) && !Object.hasOwn(row, column));
    if (isRow && counted !== undefined)
      throw new PlatformError('invalid_request', `there is no column ${counted}: a JSON object has names, so leave out members by name`);
    return Object.fromEntries(Object.entries(row).filter(([name]) => !this.#hidden.includes(name)));
  }

  #keptOf(record: string): string {
    if (this.#kept.length === 0) return '';
    const cells = cellsOf(record);
    return `${csvLine(this.#kept.map((column) => cells[this.#indexOf(column, cells.length)]))},`;
  }

  #indexOf(column: string, width: number): number {
    if (isColumnIndex(column)) {
      const index = Number(column) < 0 ? width + Number(column) : Number(column);
      if (index >= 0 && index < width) return index;
      throw new PlatformError('invalid_request', `there is no column ${column}: expected an index below ${width}, or from -1 for the last`);
    }
    const header = this.#header;
    if (header === null) {
      throw new PlatformError(
        'invalid_request',
        `column '${column}' is unknown, because there is no header: use an index instead, 0 for the first or -1 for the last`,
      );
    }
    const index = indexOfName(column, headerNames(header));
    if (index !== -1) return index;
    const known = header.length > 12 ? `${header.slice(0, 6).join(', ')} … ${header.slice(-3).join(', ')}` : header.join(', ');
    throw new PlatformError('invalid_request', `there is no column '${column}' in the header: ${known.slice(0, 300)}`);
  }

  #csvOutput(record: string, result: string): string {
    const joined = this.#joins ? `${record},${result}` : `${this.#keptOf(record)}${result}`;
    return isRootPath(this.#output) ? joined : csvLine(select(this.#output, cellsOf(joined)));
  }
}

type Fields = Readonly<Record<string, unknown>>;

function isFields(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

const isColumnIndex = (column: string): boolean => /^-?\d+$/.test(column);

/** Adds `SageMakerOutput` to an object; wraps other values with `SageMakerInput`. */
function joinedJson(record: string, result: string): string {
  const value = parseJson(record, 'the record');
  const text = record.trim();
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return `{"SageMakerInput":${text},"SageMakerOutput":${result}}`;
  // Joined as text, so that no number of the record is rounded.
  if (Object.keys(value).length === 0) return `{"SageMakerOutput":${result}}`;
  return `${text.slice(0, -1)},"SageMakerOutput":${result}}`;
}

function parseJson(text: string, what: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new PlatformError('invalid_request', `${what} is not JSON: ${messageOf(cause).slice(0, 200)}`, { cause });
  }
}

/** The cells of one line of CSV. Throws `invalid_request` if the text is not exactly one line. */
export function cellsOf(line: string): readonly string[] {
  const [cells, ...others] = parseCsv(line);
  if (cells === undefined || others.length > 0) throw new PlatformError('invalid_request', 'expected one line of CSV');
  return cells;
}

function csvLine(selected: unknown): string {
  const cells = Array.isArray(selected) ? (selected as readonly unknown[]) : [selected];
  return cells
    .map((cell) => {
      if (typeof cell !== 'string') throw new PlatformError('invalid_request', 'filters of CSV use indices, not names: use [1,-1] or [1:]');
      return /[",\r\n]/.test(cell) ? `"${cell.replaceAll('"', '""')}"` : cell;
    })
    .join(',');
}
