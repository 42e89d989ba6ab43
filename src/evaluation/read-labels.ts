/** Reads the labels of a file and fingerprints its rows, in a thread: a file of the largest size takes seconds. */
import { hash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { blocksOf, headerNames, indexOfName, parseCsv, raggedRowText, recordsOf, textOf } from '../codecs/index.ts';
import { messageOf, PlatformError } from '../errors.ts';
import { type ThreadTask, threadTask } from '../threads/index.ts';
import { classesMax, classTextOf, compareClasses, type SetDescription, setRowsMax, setRowsMin } from './evaluation-set.ts';
import { rowBytesMax, tooManySetRows } from './set-limits.ts';

/** The file to read, and its label column. */
export interface LabelsInput extends SetDescription {
  readonly path: string;
}

/** What was read of a file. */
export interface ReadLabels {
  readonly rows: number;
  /** Null if labels are values. */
  readonly classes: readonly string[] | null;
  /** By row: the number of the class (int32), or the value (float64). */
  readonly labels: Uint8Array;
  /** Fingerprints of all rows without their labels (float64), ascending: sets with equal fingerprints share rows. */
  readonly fingerprints: Uint8Array;
}

const rowsPerBlock = 256;

/** Reads a whole file. */
export const labelsTask: ThreadTask<LabelsInput, Promise<ReadLabels>> = threadTask(import.meta.url, 'labelsTask', labelsOf);

/** Counts before anything is parsed, because counting takes a fraction of the time. `withinSetLimits` has counted what has no quotes. */
async function checkRowCount({ path, format }: Pick<LabelsInput, 'path' | 'format'>): Promise<void> {
  if (format !== 'csv') return;
  let records = -1; // without the header
  const limits = { recordsMax: rowsPerBlock, bytesMax: rowBytesMax, hasQuotes: true };
  for await (const block of blocksOf(createReadStream(path) as AsyncIterable<Buffer>, limits)) {
    records += block.records;
    if (records > setRowsMax) throw tooManySetRows();
  }
}

/** Throws `invalid_request` for a file that is not an evaluation set. */
export async function labelsOf({ path, format, label, metric }: LabelsInput): Promise<ReadLabels> {
  await checkRowCount({ path, format });
  const limits = { recordsMax: rowsPerBlock, bytesMax: rowBytesMax, hasQuotes: format === 'csv' };
  const reader = format === 'csv' ? new CsvLabels(label) : new JsonLabels(label);
  const found: unknown[] = [];
  const fingerprints: number[] = [];
  for await (const block of blocksOf(createReadStream(path) as AsyncIterable<Buffer>, limits)) {
    for (const { text, line } of recordsOf(block, format === 'csv')) {
      const row = at(line, () => reader.read(textOf(text)));
      if (row === null) continue;
      if (found.length === setRowsMax) throw tooManySetRows();
      found.push(at(line, () => checkedLabel(row.label, metric === 'accuracy')));
      fingerprints.push(fingerprintOf(row.cells));
    }
  }
  if (found.length < setRowsMin) throw invalid(`expected at least ${setRowsMin} rows, got ${found.length}: fewer prove nothing`);
  const labels =
    metric === 'accuracy' ? numbered(found as string[]) : { rows: found.length, classes: null, labels: bytesOfValues(found as number[]) };
  return { ...labels, fingerprints: bytesOfValues(Float64Array.from(fingerprints).sort()) };
}

interface LabelledRow {
  readonly label: unknown;
  /** The other columns or members, in the order of their names. */
  readonly cells: readonly (readonly [name: string, value: unknown])[];
}

class CsvLabels {
  readonly #label: string;
  #column = -1;
  #names: readonly string[] = [];
  /** Indexes of the other columns, in the order of their names. */
  #others: readonly number[] = [];

  constructor(label: string) {
    this.#label = label;
  }

  /** Null for the header. */
  read(text: string): LabelledRow | null {
    const [cells = []] = parseCsv(text);
    if (this.#column === -1) {
      const names = headerNames([(cells[0] ?? '').replace(/^\uFEFF/, ''), ...cells.slice(1)]);
      this.#column = indexOfName(this.#label, names);
      this.#names = names;
      this.#others = [...names.keys()].filter((place) => place !== this.#column).sort((a, b) => byText(names[a] ?? '', names[b] ?? ''));
      if (this.#column !== -1) return null;
      const known = names.length > 12 ? `${names.slice(0, 6).join(', ')} … ${names.slice(-3).join(', ')}` : names.join(', ');
      throw invalid(`there is no label column '${this.#label.slice(0, 80)}' in the header: ${known.slice(0, 300)}`);
    }
    const { length: width } = this.#names;
    if (cells.length !== width) throw invalid(`it has ${raggedRowText(cells.length, width)}`);
    return { label: cells[this.#column], cells: this.#others.map((place) => [this.#names[place] ?? '', cells[place]]) };
  }
}

class JsonLabels {
  readonly #label: string;

  constructor(label: string) {
    this.#label = label;
  }

  read(text: string): LabelledRow {
    let row: unknown;
    try {
      row = JSON.parse(text);
    } catch (cause) {
      throw invalid(`it is not JSON: ${messageOf(cause).slice(0, 200)}`);
    }
    const isObject = typeof row === 'object' && row !== null && !Array.isArray(row);
    if (isObject && Object.hasOwn(row as object, this.#label)) {
      const { [this.#label]: label, ...others } = row as Readonly<Record<string, unknown>>;
      return { label, cells: Object.entries(others).sort(([a], [b]) => byText(a, b)) };
    }
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

function numbered(texts: readonly string[]): Omit<ReadLabels, 'fingerprints'> {
  const classes = [...new Set(texts)].sort(compareClasses);
  if (classes.length === 1) throw invalid(`all labels are '${classes[0]}': expected at least 2 classes`);
  if (classes.length > classesMax) {
    throw invalid(`expected at most ${classesMax} classes, got ${classes.length}: for values use the metric rmse or mae`);
  }
  const indices = new Map(classes.map((text, index) => [text, index]));
  const labels = Int32Array.from(texts, (text) => indices.get(text) as number);
  return { rows: texts.length, classes, labels: new Uint8Array(labels.buffer) };
}

function bytesOfValues(values: readonly number[] | Float64Array): Uint8Array {
  return new Uint8Array(Float64Array.from(values).buffer);
}

/**
 * A fingerprint of a row: equal if the columns have the same values, however they are written (3, "3" and 3.0), in CSV or JSON lines.
 * 53 bits of a sha256: a collision among 100,000 rows occurs once in two million sets.
 */
function fingerprintOf(cells: LabelledRow['cells']): number {
  const text = cells.map(([name, value]) => `${JSON.stringify(name)}:${JSON.stringify(plainValue(value))}`).join();
  const digest = hash('sha256', text, 'buffer');
  return digest.readUInt32LE(0) * 2 ** 21 + (digest.readUInt32LE(4) >>> 11);
}

function plainValue(value: unknown): unknown {
  if (typeof value !== 'string' || value.trim() === '') return value;
  const number = Number(value);
  return Number.isFinite(number) ? number : value;
}

function byText(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
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
