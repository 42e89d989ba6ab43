/** What of a record the model sees, and what of its result is written: filters and the join of both. Text in, text out. */
import { headerNames, parseCsv, placeOfName, raggedText } from '../../codecs/index.ts';
import { messageOf, PlatformError } from '../../errors.ts';
import { isWhole, type JsonPath, parsePath, select } from './json-path.ts';

export interface FilterOrder {
  readonly inputFilter: string;
  readonly outputFilter: string;
  readonly joins: boolean;
  /** Columns that the model does not see: names of a header or of JSON members, or numbers as filters count them. */
  readonly ignored?: readonly string[];
  /** Columns of CSV that the model does not see, and that stand before its result. */
  readonly kept?: readonly string[];
}

export class RecordFilters {
  readonly #order: FilterOrder;
  readonly #input: JsonPath;
  readonly #output: JsonPath;
  readonly #joins: boolean;
  readonly #kept: readonly string[];
  /** Those, and what is ignored. */
  readonly #hidden: readonly string[];
  readonly #header: readonly string[] | null;

  /** `header`: the names of the columns, where they are known. */
  constructor(order: FilterOrder, header: readonly string[] | null = null) {
    const { inputFilter, outputFilter, joins, ignored = [], kept = [] } = order;
    this.#order = order;
    this.#input = parsePath(inputFilter);
    this.#output = parsePath(outputFilter);
    this.#joins = joins;
    this.#kept = kept;
    this.#hidden = [...kept, ...ignored];
    this.#header = header;
  }

  /** Whether a CSV needs a header to know which columns are meant. */
  get namesColumns(): boolean {
    return this.#hidden.some((column) => !isPlace(column));
  }

  /** The same, for records under this header. Throws `invalid_request` where a column is not in it. */
  under(headerLine: string): RecordFilters {
    const filters = new RecordFilters(this.#order, cellsOf(headerLine));
    for (const column of this.#hidden) filters.#placeOf(column, filters.#header?.length ?? 0);
    return filters;
  }

  /** Whether everything stays as it is. */
  get areIdle(): boolean {
    return !this.filtersInput && !this.changesOutput;
  }

  get filtersInput(): boolean {
    return this.#hidden.length > 0 || !isWhole(this.#input);
  }

  get changesOutput(): boolean {
    return this.#joins || this.#kept.length > 0 || !isWhole(this.#output);
  }

  /** What the model sees. Throws `invalid_request` for a record of another form. */
  inputOf(record: string, isCsv: boolean): string {
    if (!this.filtersInput) return record;
    if (isCsv) return csvLine(select(this.#input, this.#shown(cellsOf(record))));
    return JSON.stringify(select(this.#input, this.#shownOf(parseJson(record, 'the record'))));
  }

  /** What the model sees of a whole JSON body, whose lists are its rows; those of a line are one row. */
  inputOfBody(body: string): string {
    if (!this.filtersInput) return body;
    const value = parseJson(body, 'the body');
    const areRows = Array.isArray(value) && value.every((each) => Array.isArray(each));
    return JSON.stringify(select(this.#input, areRows ? value.map((row) => this.#shownRow(row)) : this.#shownOf(value)));
  }

  /** Which columns of a record of CSV the model sees, from 0, in the order in which it does. */
  placesSeen(record: string): readonly number[] {
    const places = [...cellsOf(record).keys()];
    const seen = select(this.#input, this.#shown(places));
    return Array.isArray(seen) ? (seen as readonly number[]) : [seen as number];
  }

  /** What is written. `result` is a line of CSV, or JSON. */
  outputOf(record: string, result: string, isCsv: boolean): string {
    if (!this.changesOutput) return result;
    if (isCsv) return this.#csvOutput(record, result);
    const joined = this.#joins ? joinedJson(record, result) : result;
    return isWhole(this.#output) ? joined : JSON.stringify(select(this.#output, parseJson(joined, 'the result')));
  }

  #shown<Cell>(cells: readonly Cell[]): readonly Cell[] {
    if (this.#hidden.length === 0) return cells;
    // Else a column would be taken for its neighbour.
    if (this.#header !== null && cells.length !== this.#header.length)
      throw new PlatformError('invalid_request', `has ${raggedText(cells.length, this.#header.length)}`);
    const hidden = new Set(this.#hidden.map((column) => this.#placeOf(column, cells.length)));
    return cells.filter((_, place) => !hidden.has(place));
  }

  /** Of a row, or of each instance of a document. */
  #shownOf(value: unknown): unknown {
    if (this.#hidden.length === 0) return value;
    if (Array.isArray(value) && value.every(isFields)) return value.map((row) => this.#shownMembers(row));
    if (!isFields(value) || !Array.isArray(value.instances)) return this.#shownRow(value);
    const { instances, ...others } = value;
    return { ...this.#shownMembers(others, false), instances: instances.map((row) => this.#shownRow(row)) };
  }

  #shownRow(row: unknown): unknown {
    if (Array.isArray(row)) return this.#shown(row as readonly unknown[]);
    return isFields(row) ? this.#shownMembers(row) : row;
  }

  #shownMembers(row: Fields, isRow = true): Fields {
    const counted = this.#hidden.find((column) => isPlace(column) && !Object.hasOwn(row, column));
    if (isRow && counted !== undefined)
      throw new PlatformError('invalid_request', `there is no column ${counted}: a JSON object has names, leave out its members by those`);
    return Object.fromEntries(Object.entries(row).filter(([name]) => !this.#hidden.includes(name)));
  }

  #keptOf(record: string): string {
    if (this.#kept.length === 0) return '';
    const cells = cellsOf(record);
    return `${csvLine(this.#kept.map((column) => cells[this.#placeOf(column, cells.length)]))},`;
  }

  #placeOf(column: string, width: number): number {
    if (isPlace(column)) {
      const place = Number(column) < 0 ? width + Number(column) : Number(column);
      if (place >= 0 && place < width) return place;
      throw new PlatformError(
        'invalid_request',
        `there is no column ${column}: there are ${width}, counted from 0 or, from the end, from -1`,
      );
    }
    const header = this.#header;
    if (header === null) {
      throw new PlatformError(
        'invalid_request',
        `nothing says which column '${column}' is: there is no header; count it instead: 0, or -1 for the last`,
      );
    }
    const place = placeOfName(column, headerNames(header));
    if (place !== -1) return place;
    const known = header.length > 12 ? `${header.slice(0, 6).join(', ')} … ${header.slice(-3).join(', ')}` : header.join(', ');
    throw new PlatformError('invalid_request', `there is no column '${column}' in the header: ${known.slice(0, 300)}`);
  }

  #csvOutput(record: string, result: string): string {
    const joined = this.#joins ? `${record},${result}` : `${this.#keptOf(record)}${result}`;
    return isWhole(this.#output) ? joined : csvLine(select(this.#output, cellsOf(joined)));
  }
}

type Fields = Readonly<Record<string, unknown>>;

function isFields(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

const isPlace = (column: string): boolean => /^-?\d+$/.test(column);

/** Objects get `SageMakerOutput`; others become one with both. */
function joinedJson(record: string, result: string): string {
  const value = parseJson(record, 'the record');
  const text = record.trim();
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return `{"SageMakerInput":${text},"SageMakerOutput":${result}}`;
  // As text, so that no number of the record is rounded.
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

export function cellsOf(line: string): readonly string[] {
  const [cells, ...others] = parseCsv(line);
  if (cells === undefined || others.length > 0) throw new PlatformError('invalid_request', 'expected one line of CSV');
  return cells;
}

function csvLine(selected: unknown): string {
  const cells = Array.isArray(selected) ? (selected as readonly unknown[]) : [selected];
  return cells
    .map((cell) => {
      if (typeof cell !== 'string')
        throw new PlatformError('invalid_request', 'columns of CSV have numbers, not names: filter by [1,-1] or [1:]');
      return /[",\r\n]/.test(cell) ? `"${cell.replaceAll('"', '""')}"` : cell;
    })
    .join(',');
}
