/** Reads the labels of a file, in a thread: a file of the largest size takes seconds. */
import { createReadStream } from 'node:fs';
import { blocksOf, headerNames, indexOfName, parseCsv, raggedRowText, recordsOf, textOf } from '../codecs/index.ts';
import { messageOf, PlatformError } from '../errors.ts';
import { type ThreadTask, threadTask } from '../threads/index.ts';
import { classesMax, classTextOf, compareClasses, type SetDescription, setRowsMax, setRowsMin } from './evaluation-set.ts';

export interface LabelsInput extends SetDescription {
  readonly path: string;
}

export interface ReadLabels {
  readonly rows: number;
  /** Null if labels are values. */
  readonly classes: readonly string[] | null;
  /** By row: the number of the class (int32), or the value (float64). */
  readonly labels: Uint8Array;
}

/** A row, as text. Longer ones are refused. */
const rowBytesMax = 16 * 2 ** 20;
const rowsPerBlock = 256;

export const labelsTask: ThreadTask<LabelsInput, Promise<ReadLabels>> = threadTask(import.meta.url, 'labelsTask', labelsOf);

/** Throws `invalid_request` for a file that is no evaluation set. */
export async function labelsOf({ path, format, label, metric }: LabelsInput): Promise<ReadLabels> {
  const limits = { recordsMax: rowsPerBlock, bytesMax: rowBytesMax, hasQuotes: format === 'csv' };
  const reader = format === 'csv' ? new CsvLabels(label) : new JsonLabels(label);
  const found: unknown[] = [];
  for await (const block of blocksOf(createReadStream(path) as AsyncIterable<Buffer>, limits)) {
    for (const { text, line } of recordsOf(block, format === 'csv')) {
      const value = at(line, () => reader.labelOf(textOf(text)));
      if (value === header) continue;
      if (found.length === setRowsMax) throw invalid(`expected at most ${setRowsMax} rows, got more: use a sample of them`);
      found.push(at(line, () => checkedLabel(value, metric === 'accuracy')));
    }
  }
  if (found.length < setRowsMin) throw invalid(`expected at least ${setRowsMin} rows, got ${found.length}: fewer prove nothing`);
  return metric === 'accuracy'
    ? numbered(found as string[])
    : { rows: found.length, classes: null, labels: bytesOfValues(found as number[]) };
}

/** The first line of a CSV. */
const header = Symbol('header');

class CsvLabels {
  readonly #label: string;
  #column = -1;
  #width = 0;

  constructor(label: string) {
    this.#label = label;
  }

  labelOf(text: string): unknown {
    const [cells = []] = parseCsv(text);
    if (this.#column === -1) {
      const names = headerNames([(cells[0] ?? '').replace(/^\uFEFF/, ''), ...cells.slice(1)]);
      this.#column = indexOfName(this.#label, names);
      this.#width = names.length;
      if (this.#column !== -1) return header;
      const known = names.length > 12 ? `${names.slice(0, 6).join(', ')} … ${names.slice(-3).join(', ')}` : names.join(', ');
      throw invalid(`there is no label column '${this.#label.slice(0, 80)}' in the header: ${known.slice(0, 300)}`);
    }
    if (cells.length !== this.#width) throw invalid(`it has ${raggedRowText(cells.length, this.#width)}`);
    return cells[this.#column];
  }
}

class JsonLabels {
  readonly #label: string;

  constructor(label: string) {
    this.#label = label;
  }

  labelOf(text: string): unknown {
    let row: unknown;
    try {
      row = JSON.parse(text);
    } catch (cause) {
      throw invalid(`it is not JSON: ${messageOf(cause).slice(0, 200)}`);
    }
    const isObject = typeof row === 'object' && row !== null && !Array.isArray(row);
    if (isObject && Object.hasOwn(row as object, this.#label)) return (row as Readonly<Record<string, unknown>>)[this.#label];
    throw invalid(`expected an object with the member '${this.#label.slice(0, 80)}'`);
  }
}

function checkedLabel(value: unknown, isClass: boolean): string | number {
  if (isClass) {
    const text = classTextOf(value);
    if (text === null) throw invalid('the label is empty or no class: expected a number or a text');
    return text;
  }
  const number = typeof value === 'number' ? value : typeof value === 'string' && value.trim() !== '' ? Number(value) : Number.NaN;
  if (!Number.isFinite(number)) throw invalid(`the label '${String(value).slice(0, 60)}' is not a number`);
  return number;
}

function numbered(texts: readonly string[]): ReadLabels {
  const classes = [...new Set(texts)].sort(compareClasses);
  if (classes.length === 1) throw invalid(`all labels are '${classes[0]}': expected at least 2 classes`);
  if (classes.length > classesMax) {
    throw invalid(`expected at most ${classesMax} classes, got ${classes.length}: for values use the metric rmse or mae`);
  }
  const indices = new Map(classes.map((text, index) => [text, index]));
  const labels = Int32Array.from(texts, (text) => indices.get(text) as number);
  return { rows: texts.length, classes, labels: new Uint8Array(labels.buffer) };
}

function bytesOfValues(values: readonly number[]): Uint8Array {
  return new Uint8Array(Float64Array.from(values).buffer);
}

/** Names the line in the error. */
function at<T>(line: number, read: () => T): T {
  try {
    return read();
  } catch (cause) {
    throw new PlatformError('invalid_request', `line ${line}: ${messageOf(cause)}`, { cause });
  }
}

function invalid(message: string): PlatformError {
  return new PlatformError('invalid_request', message);
}
