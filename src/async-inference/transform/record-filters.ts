/** What of a record the model sees, and what of its result is written: filters and the join of both. Text in, text out. */
import { parseCsv } from '../../codecs/index.ts';
import { messageOf, PlatformError } from '../../errors.ts';
import { isWhole, type JsonPath, parsePath, select } from './json-path.ts';

export interface FilterOrder {
  readonly inputFilter: string;
  readonly outputFilter: string;
  readonly joins: boolean;
}

export class RecordFilters {
  readonly #input: JsonPath;
  readonly #output: JsonPath;
  readonly #joins: boolean;

  constructor({ inputFilter, outputFilter, joins }: FilterOrder) {
    this.#input = parsePath(inputFilter);
    this.#output = parsePath(outputFilter);
    this.#joins = joins;
  }

  /** Whether everything stays as it is. */
  get areIdle(): boolean {
    return !this.filtersInput && !this.changesOutput;
  }

  get filtersInput(): boolean {
    return !isWhole(this.#input);
  }

  get changesOutput(): boolean {
    return this.#joins || !isWhole(this.#output);
  }

  /** What the model sees. Throws `invalid_request` for a record of another form. */
  inputOf(record: string, isCsv: boolean): string {
    if (!this.filtersInput) return record;
    if (isCsv) return csvLine(select(this.#input, cellsOf(record)));
    return JSON.stringify(select(this.#input, parseJson(record, 'the record')));
  }

  /** What is written. `result` is a line of CSV, or JSON. */
  outputOf(record: string, result: string, isCsv: boolean): string {
    if (!this.changesOutput) return result;
    if (isCsv) return this.#csvOutput(record, result);
    const joined = this.#joins ? joinedJson(record, result) : result;
    return isWhole(this.#output) ? joined : JSON.stringify(select(this.#output, parseJson(joined, 'the result')));
  }

  #csvOutput(record: string, result: string): string {
    const joined = this.#joins ? `${record},${result}` : result;
    return isWhole(this.#output) ? joined : csvLine(select(this.#output, cellsOf(joined)));
  }
}

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

function cellsOf(line: string): readonly string[] {
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
