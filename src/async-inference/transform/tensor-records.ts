/**
 * Runs records through an ONNX model: converts rows of text or arrays to tensors, in batches, and the outputs back to rows.
 * Plain numeric CSV takes a fast path; everything else is decoded like an invocation.
 */
import {
  type Block,
  blocksOf,
  type CsvSource,
  checkCsvHeader,
  checkedJson,
  csvHeader,
  cutRows,
  decodeCsv,
  decodeInstances,
  decodeJson,
  decodeJsonRows,
  decodeNpy,
  headerNames,
  isInOrder,
  jsonInvocation,
  type LineRecord,
  npyFile,
  parseCsv,
  parseObject,
  predictionsCsvBytes,
  predictionTexts,
  type RowInvocation,
  recordsOf,
  textOf,
} from '../../codecs/index.ts';
import { messageOf, PlatformError } from '../../errors.ts';
import { bytesOf, elementCount, rowCount, type Signature, type Tensor, takesJson } from '../../tensor.ts';
import { nextTurn } from '../../threads/index.ts';
import type { CsvThreads } from './csv-threads.ts';
import { cellsOf, type RecordFilters } from './record-filters.ts';
import { type BadRecord, type BlockResult, isRecordError, oneByOne, UnreadableObject } from './run-records.ts';
import type { BadRecords, ObjectForm } from './transform-job.ts';

export type RunTensors = (invocation: RowInvocation) => Promise<readonly Tensor[]>;

export interface TensorRecordsOptions {
  readonly signature: Signature;
  readonly form: ObjectForm;
  readonly filters: RecordFilters;
  readonly policy: BadRecords;
  readonly run: RunTensors;
  readonly csv: CsvThreads;
  /** Rows per run. */
  readonly rowsMax: number;
}

export class TensorRecords {
  readonly #options: TensorRecordsOptions;
  readonly #isCsv: boolean;
  /** Elements per row if rows are plain 32-bit floats; otherwise 0. */
  readonly #plainWidth: number;
  /** Resolved against the object's header once it is known. */
  #filters: RecordFilters;
  /** For CSV: undefined until the first line was read. */
  #header: readonly string[] | null | undefined;
  /** The first line of a CSV, with all columns. */
  #firstLine = '';

  constructor(options: TensorRecordsOptions) {
    this.#options = options;
    this.#filters = options.filters;
    this.#isCsv = options.form.format === 'csv';
    this.#plainWidth = this.#isCsv && !options.filters.filtersInput ? plainWidth(options.signature) : 0;
  }

  /** Processes the first line of a CSV. Returns whether it is a header instead of a record. */
  begin(firstLine: string): boolean {
    const { filters, signature } = this.#options;
    this.#firstLine = firstLine;
    if (filters.namesColumns) {
      this.#filters = failObjectUnless(() => filters.under(firstLine));
      this.#header = headerNames(parseCsv(this.#filters.inputOf(firstLine, true))[0] ?? []);
    } else {
      try {
        this.#header = csvHeader(signature, filters.inputOf(firstLine, true));
      } catch {
        this.#header = null; // the error is reported when the line is run
      }
    }
    const header = this.#header;
    if (header !== null) failObjectUnless(() => checkCsvHeader(signature, header));
    return header !== null;
  }

  async lines(block: Block): Promise<BlockResult> {
    const { policy } = this.#options;
    if (this.#filters.areIdle) {
      const result = await this.#fastPath(block);
      if (result !== null) return result;
    }
    const records = recordsOf(block, this.#isCsv);
    const results: string[] = [];
    let bad: BlockResult['bad'] = [];
    try {
      for (const part of partsOf(records)) {
        results.push(...(await this.#runAll(part)));
        await nextTurn();
      }
    } catch (error) {
      if (!isRecordError(error)) throw error;
      const runOne = async (record: LineRecord): Promise<string> => (await this.#runAll([record]))[0] as string;
      const rest = await oneByOne(records.slice(results.length), runOne, policy, (record) => this.#parse(record));
      results.push(...rest.results);
      bad = rest.bad;
    }
    return { output: results.length === 0 ? '' : `${results.join('\n')}\n`, records: results.length, bad };
  }

  /** Processes a whole object as one payload. */
  async whole(bytes: Buffer): Promise<BlockResult> {
    const { signature, form, filters } = this.#options;
    if (form.format === 'npy') return this.rows(bytes);
    if (form.format !== 'json') {
      // The object is one payload, but still consists of lines.
      const pieces: string[] = [];
      const bad: BadRecord[] = [];
      let count = 0;
      for await (const block of this.#blocksIn(bytes)) {
        const result = await this.lines(block);
        pieces.push(result.output.toString());
        result.consumed?.();
        bad.push(...result.bad);
        count += result.records;
      }
      return { output: pieces.join(''), records: count, bad };
    }
    const text = textOf(bytes);
    const input = filters.inputOfBody(text);
    const isJson = takesJson(signature);
    const invocations = isJson ? decodeJsonRows(signature, 'application/json', Buffer.from(input)) : decodeJson(signature, input);
    const texts: string[] = [];
    for (const each of invocations.flatMap((all) => this.#cut(all))) {
      const outputs = await this.#options.run(each);
      if (form.result === 'csv') texts.push(predictionsCsvBytes(outputs, each.rows).toString());
      else texts.push(...predictionTexts(outputs, each.rows, signature.outputs));
    }
    const rows = invocations.reduce((sum, each) => sum + each.rows, 0);
    if (form.result === 'csv') return { output: texts.join(''), records: rows, bad: [] };
    const result = invocations[0]?.reply === 'value' ? texts.join('') : `{"predictions":[${texts.join(',')}]}`;
    return { output: filters.outputOf(text, result, false), records: rows, bad: [] };
  }

  /** Processes a part of an npy file, passed as a complete npy file. */
  async rows(file: Buffer): Promise<BlockResult> {
    const { form, signature } = this.#options;
    const pieces: (Buffer | string)[] = [];
    let count = 0;
    for (const each of decodeNpy(signature, file).flatMap((all) => this.#cut(all))) {
      const outputs = await this.#options.run(each);
      count += each.rows;
      if (form.result === 'npy') pieces.push(Buffer.from(rowsOnly(outputs, each.rows).data));
      else if (form.result === 'csv') pieces.push(predictionsCsvBytes(outputs, each.rows).toString());
      else pieces.push(`${predictionTexts(outputs, each.rows, signature.outputs).join('\n')}\n`);
    }
    const output = form.result === 'npy' ? Buffer.concat(pieces as Buffer[]) : pieces.join('');
    return { output, records: count, bad: [] };
  }

  /** Header of the result npy file for `rows` rows, derived from a first run. */
  async resultHead(file: Buffer, rows: number): Promise<Buffer> {
    const [first] = decodeNpy(this.#options.signature, file);
    const { shape, datatype } = rowsOnly(await this.#options.run(first as RowInvocation), (first as RowInvocation).rows);
    return npyFile({ datatype, shape: [rows, ...shape.slice(1)], data: new Uint8Array(0) });
  }

  async *#blocksIn(bytes: Buffer): AsyncGenerator<Block> {
    const limits = { recordsMax: this.#options.rowsMax, bytesMax: bytes.length + 1, hasQuotes: this.#isCsv };
    let isFirst = this.#isCsv;
    for await (const block of blocksOf(oneOf(bytes), limits)) {
      const rest = isFirst ? withoutHeader(this, block) : block;
      isFirst = false;
      if (rest !== null) yield rest;
    }
  }

  /** Null if the block is not plain numeric CSV or fails: the slow path then reports the error. */
  async #fastPath(block: Block): Promise<BlockResult | null> {
    const { signature, csv, run, form } = this.#options;
    const header = this.#header ?? null;
    if (this.#plainWidth === 0 || (header !== null && !isInOrder(signature, header))) return null;
    const [spec] = signature.inputs as [Signature['inputs'][number]];
    const queue = csv.openQueue();
    const consumed = (): void => queue.clear();
    const values = await queue.read(block.bytes, this.#plainWidth, block.records);
    if (values === null) {
      consumed();
      return null;
    }
    const input = { name: spec.name, datatype: spec.datatype, shape: [block.records, ...spec.shape.slice(1)], data: bytesOf(values) };
    try {
      const outputs = await run({ inputs: [input], rows: block.records });
      const isCsv = form.result === 'csv';
      const output = isCsv ? await queue.write(outputs, block.records) : `${predictionTexts(outputs, block.records).join('\n')}\n`;
      return { output, consumed, records: block.records, bad: [] };
    } catch (error) {
      if (!isRecordError(error)) throw error;
      consumed();
      return null;
    }
  }

  /** Results of the records, in order. Throws if any record is bad, without identifying it. */
  async #runAll(records: readonly LineRecord[]): Promise<readonly string[]> {
    const { form } = this.#options;
    const filters = this.#filters;
    const texts = records.map(({ text }) => textOf(text));
    const inputs = texts.map((text) => filters.inputOf(text, this.#isCsv));
    const results = this.#isCsv
      ? await this.#results(this.#csvInvocations(inputs, this.#sourceOf(texts)))
      : await this.#jsonResults(inputs);
    if (results.length !== records.length) {
      throw new PlatformError('model_failed', `the model returned ${results.length} results for ${records.length} records`);
    }
    const isCsv = form.result === 'csv';
    return results.map((result, index) => filters.outputOf(texts[index] as string, result, isCsv));
  }

  /** Throws if a record cannot be parsed. */
  #parse({ text: bytes }: LineRecord): void {
    const text = textOf(bytes);
    const input = this.#filters.inputOf(text, this.#isCsv);
    if (this.#isCsv) this.#csvInvocations([input], this.#sourceOf([text]));
    else this.#jsonInvocations([input]);
  }

  #csvInvocations(lines: readonly string[], source: CsvSource): readonly RowInvocation[] {
    const { signature } = this.#options;
    const header = this.#header ?? null;
    return decodeCsv(signature, `${lines.join('\n')}\n`, this.#filters.filtersInput ? { header, source } : { header });
  }

  #sourceOf(records: readonly string[]): CsvSource {
    const recordAt = (row: number | 'header'): string => (row === 'header' ? this.#firstLine : (records[row] ?? ''));
    return {
      widthOf: (row) => cellsOf(recordAt(row)).length,
      placeOf: (row, column) => this.#filters.indexesUsed(recordAt(row))[column] ?? column,
    };
  }

  async #jsonResults(lines: readonly string[]): Promise<readonly string[]> {
    const results: string[] = [];
    for (const { invocations, isDocument } of this.#jsonInvocations(lines)) {
      const found = await this.#results(invocations);
      results.push(...(isDocument ? [`{"predictions":[${found.join(',')}]}`] : found));
    }
    return results;
  }

  /** Lines with rows are decoded together, documents separately. */
  #jsonInvocations(lines: readonly string[]): readonly { readonly invocations: readonly RowInvocation[]; readonly isDocument: boolean }[] {
    const { signature } = this.#options;
    if (takesJson(signature)) {
      for (const line of lines) checkedJson(line, 'it');
      return [{ invocations: [jsonInvocation(signature, lines)], isDocument: false }];
    }
    const values = lines.map(parseLine);
    if (!values.some(isDocument)) return [{ invocations: decodeInstances(signature, values), isDocument: false }];
    return values.map((value, index) => {
      if (!isDocument(value)) return { invocations: decodeInstances(signature, [value]), isDocument: false };
      return { invocations: this.#document(lines[index] as string), isDocument: true };
    });
  }

  #document(line: string): readonly RowInvocation[] {
    const { signature, form } = this.#options;
    if (form.result === 'csv')
      throw new PlatformError('unsupported', 'a document with instances does not fit into one CSV line: accept application/jsonlines');
    parseObject(line); // checks the nesting depth
    return decodeJson(signature, line);
  }

  async #results(invocations: readonly RowInvocation[]): Promise<string[]> {
    const results: string[] = [];
    for (const each of invocations.flatMap((all) => this.#cut(all))) {
      const outputs = await this.#options.run(each);
      if (this.#options.form.result !== 'csv') results.push(...predictionTexts(outputs, each.rows, this.#options.signature.outputs));
      else results.push(...csvLines(predictionsCsvBytes(outputs, each.rows).toString()));
    }
    return results;
  }

  #cut(invocation: RowInvocation): RowInvocation[] {
    return cutRows(invocation, this.#options.signature.inputs, this.#options.rowsMax);
  }
}

/** Text of the records that are decoded without a pause: a few milliseconds. */
const partBytes = 32 * 1024;

/** Records in groups of `partBytes`; a longer record is alone. */
function* partsOf(records: readonly LineRecord[]): Generator<readonly LineRecord[]> {
  let [start, bytes] = [0, 0];
  for (const [index, { text }] of records.entries()) {
    if (index > start && bytes + text.length > partBytes) {
      yield records.slice(start, index);
      [start, bytes] = [index, 0];
    }
    bytes += text.length;
  }
  if (start < records.length) yield records.slice(start);
}

/** The block without its header line, if it has one; null if nothing remains. */
export function withoutHeader(records: TensorRecords, block: Block): Block | null {
  const isCsv = true;
  const [first] = recordsOf({ bytes: block.bytes, firstLine: block.firstLine }, isCsv);
  if (first === undefined) return block;
  const hasMark = first.text[0] === 0xef && first.text[1] === 0xbb && first.text[2] === 0xbf;
  const text = hasMark ? first.text.subarray(3) : first.text;
  let line: string;
  try {
    line = textOf(text);
  } catch (error) {
    throw new UnreadableObject(`line ${first.line}: ${messageOf(error)}`, { cause: error });
  }
  const isHeader = records.begin(line);
  if (!isHeader) return hasMark ? { ...block, bytes: block.bytes.subarray(block.bytes.indexOf(text)) } : block;
  if (block.records === 1) return null;
  const end = block.bytes.indexOf(first.text) + first.text.length;
  return { ...block, bytes: block.bytes.subarray(end), records: block.records - 1, firstLine: first.line + breaks(first.text) };
}

/** A broken header fails the whole object, not each of its lines. */
function failObjectUnless<T>(read: () => T): T {
  try {
    return read();
  } catch (error) {
    throw new UnreadableObject(messageOf(error), { cause: error });
  }
}

function breaks(text: Buffer): number {
  return text.reduce((count, byte) => count + (byte === 0x0a ? 1 : 0), 0);
}

async function* oneOf(bytes: Buffer): AsyncGenerator<Buffer> {
  yield bytes;
}

/** Row width of a model with a single float32 input of fixed size; otherwise 0. */
function plainWidth({ inputs }: Signature): number {
  const [spec, ...others] = inputs;
  if (spec === undefined || others.length > 0 || spec.datatype !== 'FP32') return 0;
  if (spec.shape[0] !== -1 || spec.shape.includes(-1, 1)) return 0;
  return elementCount(spec.shape.slice(1));
}

function parseLine(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch (cause) {
    throw new PlatformError('invalid_request', `it is not JSON: ${messageOf(cause).slice(0, 200)}`, { cause });
  }
}

/** Whether the line is a complete body: `{"instances": [row, …]}`, or tensors. */
function isDocument(value: unknown): boolean {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return false;
  return Array.isArray((value as { instances?: unknown }).instances) || isTensors((value as { inputs?: unknown }).inputs);
}

function isTensors(inputs: unknown): boolean {
  return Array.isArray(inputs) && inputs.every((each) => typeof each === 'object' && each !== null && 'name' in each && 'data' in each);
}

/** Splits CSV written by this module; quoted text may contain line breaks. */
function csvLines(text: string): string[] {
  if (!text.includes('"')) return text.slice(0, -1).split('\n');
  return recordsOf({ bytes: Buffer.from(text), firstLine: 1 }, true).map((record) => record.text.toString());
}

/** The single output, if its first dimension is the rows. */
function rowsOnly(outputs: readonly Tensor[], rows: number): Tensor {
  const [output, ...others] = outputs;
  if (output === undefined || others.length > 0) {
    throw new UnreadableObject(
      `the model has ${outputs.length} outputs, but an npy file has only one: accept text/csv or application/jsonlines`,
    );
  }
  if (output.shape.length > 0 && rowCount(output.shape) === rows && output.datatype !== 'BYTES') return output;
  throw new UnreadableObject(`the output '${output.name}' is not an array with one number per row: accept application/jsonlines`);
}
