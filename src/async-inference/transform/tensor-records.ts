/**
 * Records through a model that the built-in worker runs: rows of text or of an array into tensors, many at once, and what
 * comes out into rows again. The quick way is for numbers in CSV; whatever is not that plain takes the way of invocations.
 */
import {
  type CsvSource,
  checkCsvHeader,
  csvHeader,
  cutRows,
  decodeCsv,
  decodeInstances,
  decodeJson,
  decodeNpy,
  headerNames,
  type Invocation,
  npyFile,
  parseCsv,
  parseObject,
  predictionsCsvBytes,
  predictionTexts,
  textOf,
} from '../../codecs/index.ts';
import { messageOf, PlatformError } from '../../errors.ts';
import { bytesOf, elementCount, rowCount, type Signature, type Tensor } from '../../tensor.ts';
import type { CsvBeside } from './csv-beside.ts';
import { type Block, blocksOf, type LineRecord, recordsOf } from './line-blocks.ts';
import { cellsOf, type RecordFilters } from './record-filters.ts';
import { type BadRecord, type BlockResult, isTheirs, ObjectSpoilt, oneByOne } from './run-records.ts';
import type { ObjectForm } from './transform-job.ts';

export type RunTensors = (invocation: Invocation) => Promise<readonly Tensor[]>;

export interface TensorRecordsOptions {
  readonly signature: Signature;
  readonly form: ObjectForm;
  readonly filters: RecordFilters;
  readonly policy: 'fail' | 'skip';
  readonly run: RunTensors;
  readonly csv: CsvBeside;
  /** Of a run. */
  readonly rowsMax: number;
}

export class TensorRecords {
  readonly #options: TensorRecordsOptions;
  readonly #isCsv: boolean;
  /** Elements of a row, where rows are plainly 32-bit floats; else 0. */
  readonly #plainWidth: number;
  /** By the columns of the object's own header, once that is known. */
  #filters: RecordFilters;
  /** Of a CSV: undefined until its first line is known. */
  #header: readonly string[] | null | undefined;
  /** The first line of a CSV, with all columns. */
  #firstLine = '';

  constructor(options: TensorRecordsOptions) {
    this.#options = options;
    this.#filters = options.filters;
    this.#isCsv = options.form.format === 'csv';
    this.#plainWidth = this.#isCsv && !options.filters.filtersInput ? plainWidth(options.signature) : 0;
  }

  /** Takes the first line of a CSV; the answer is whether it is a header, which is no record. */
  begin(firstLine: string): boolean {
    const { filters, signature } = this.#options;
    this.#firstLine = firstLine;
    if (filters.namesColumns) {
      this.#filters = spoiltUnless(() => filters.under(firstLine));
      this.#header = headerNames(parseCsv(this.#filters.inputOf(firstLine, true))[0] ?? []);
    } else {
      try {
        this.#header = csvHeader(signature, filters.inputOf(firstLine, true));
      } catch {
        this.#header = null; // what is wrong with it is told when it is run
      }
    }
    const header = this.#header;
    if (header !== null) spoiltUnless(() => checkCsvHeader(signature, header));
    return header !== null;
  }

  async lines(block: Block): Promise<BlockResult> {
    const { policy } = this.#options;
    if (this.#filters.areIdle) {
      const result = await this.#quickly(block);
      if (result !== null) return result;
    }
    const records = recordsOf(block, this.#isCsv);
    let results: readonly string[];
    let bad: BlockResult['bad'] = [];
    try {
      results = await this.#together(records);
    } catch (error) {
      if (!isTheirs(error)) throw error;
      const runOne = async (record: LineRecord): Promise<string> => (await this.#together([record]))[0] as string;
      ({ results, bad } = await oneByOne(records, runOne, policy, (record) => this.#look(record)));
    }
    return { output: results.length === 0 ? '' : `${results.join('\n')}\n`, records: results.length, bad };
  }

  /** A whole object as one. */
  async whole(bytes: Buffer): Promise<BlockResult> {
    const { signature, form, filters } = this.#options;
    if (form.format === 'npy') return this.rows(bytes);
    if (form.format !== 'json') {
      // The object is one payload; what is in it are lines all the same.
      const pieces: string[] = [];
      const bad: BadRecord[] = [];
      let count = 0;
      for await (const block of this.#blocksIn(bytes)) {
        const result = await this.lines(block);
        pieces.push(result.output.toString());
        result.taken?.();
        bad.push(...result.bad);
        count += result.records;
      }
      return { output: pieces.join(''), records: count, bad };
    }
    const text = textOf(bytes);
    const invocations = decodeJson(signature, filters.inputOfBody(text));
    const texts: string[] = [];
    for (const each of invocations.flatMap((all) => this.#cut(all))) {
      const outputs = await this.#options.run(each);
      if (form.result === 'csv') texts.push(predictionsCsvBytes(outputs, each.rows).toString());
      else texts.push(...predictionTexts(outputs, each.rows));
    }
    const rows = invocations.reduce((sum, each) => sum + each.rows, 0);
    if (form.result === 'csv') return { output: texts.join(''), records: rows, bad: [] };
    return { output: filters.outputOf(text, `{"predictions":[${texts.join(',')}]}`, false), records: rows, bad: [] };
  }

  /** Some rows of an npy file, as a file of their own. */
  async rows(file: Buffer): Promise<BlockResult> {
    const { form, signature } = this.#options;
    const pieces: (Buffer | string)[] = [];
    let count = 0;
    for (const each of decodeNpy(signature, file).flatMap((all) => this.#cut(all))) {
      const outputs = await this.#options.run(each);
      count += each.rows;
      if (form.result === 'npy') pieces.push(Buffer.from(rowsOnly(outputs, each.rows).data));
      else if (form.result === 'csv') pieces.push(predictionsCsvBytes(outputs, each.rows).toString());
      else pieces.push(`${predictionTexts(outputs, each.rows).join('\n')}\n`);
    }
    const output = form.result === 'npy' ? Buffer.concat(pieces as Buffer[]) : pieces.join('');
    return { output, records: count, bad: [] };
  }

  /** The head of the npy file that the results of so many rows make, from those of a first run. */
  async resultHead(file: Buffer, rows: number): Promise<Buffer> {
    const [first] = decodeNpy(this.#options.signature, file);
    const { shape, datatype } = rowsOnly(await this.#options.run(first as Invocation), (first as Invocation).rows);
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

  /** Null where it is not that plain, or something is wrong: then the long way tells. */
  async #quickly(block: Block): Promise<BlockResult | null> {
    if (this.#plainWidth === 0) return null;
    const { signature, csv, run, form } = this.#options;
    const [spec] = signature.inputs as [Signature['inputs'][number]];
    const desk = csv.desk();
    const taken = (): void => desk.clear();
    const values = await desk.read(block.bytes, this.#plainWidth, block.records);
    if (values === null) {
      taken();
      return null;
    }
    const input = { name: spec.name, datatype: spec.datatype, shape: [block.records, ...spec.shape.slice(1)], data: bytesOf(values) };
    try {
      const outputs = await run({ inputs: [input], rows: block.records });
      const isCsv = form.result === 'csv';
      const output = isCsv ? await desk.write(outputs, block.records) : `${predictionTexts(outputs, block.records).join('\n')}\n`;
      return { output, taken, records: block.records, bad: [] };
    } catch (error) {
      if (!isTheirs(error)) throw error;
      taken();
      return null;
    }
  }

  /** The results of the records, in their order. Throws where one of them is at fault, without saying which. */
  async #together(records: readonly LineRecord[]): Promise<readonly string[]> {
    const { form } = this.#options;
    const filters = this.#filters;
    const texts = records.map(({ text }) => textOf(text));
    const inputs = texts.map((text) => filters.inputOf(text, this.#isCsv));
    const results = this.#isCsv
      ? await this.#results(this.#csvInvocations(inputs, this.#sourceOf(texts)))
      : await this.#jsonResults(inputs);
    if (results.length !== records.length) {
      throw new PlatformError('model_failed', `the model gave ${results.length} results for ${records.length} records`);
    }
    const isCsv = form.result === 'csv';
    return results.map((result, index) => filters.outputOf(texts[index] as string, result, isCsv));
  }

  /** Throws where a record cannot be read. */
  #look({ text: bytes }: LineRecord): void {
    const text = textOf(bytes);
    const input = this.#filters.inputOf(text, this.#isCsv);
    if (this.#isCsv) this.#csvInvocations([input], this.#sourceOf([text]));
    else this.#jsonInvocations([input]);
  }

  #csvInvocations(lines: readonly string[], source: CsvSource): readonly Invocation[] {
    const { signature } = this.#options;
    const header = this.#header ?? null;
    return decodeCsv(signature, `${lines.join('\n')}\n`, this.#filters.filtersInput ? { header, source } : { header });
  }

  #sourceOf(records: readonly string[]): CsvSource {
    const recordAt = (row: number | 'header'): string => (row === 'header' ? this.#firstLine : (records[row] ?? ''));
    return {
      widthOf: (row) => cellsOf(recordAt(row)).length,
      placeOf: (row, column) => this.#filters.placesSeen(recordAt(row))[column] ?? column,
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

  /** Lines of rows are one together; a document is one by itself. */
  #jsonInvocations(lines: readonly string[]): readonly { readonly invocations: readonly Invocation[]; readonly isDocument: boolean }[] {
    const { signature } = this.#options;
    const values = lines.map(parseLine);
    if (!values.some(isDocument)) return [{ invocations: decodeInstances(signature, values), isDocument: false }];
    return values.map((value, index) => {
      if (!isDocument(value)) return { invocations: decodeInstances(signature, [value]), isDocument: false };
      return { invocations: this.#document(lines[index] as string), isDocument: true };
    });
  }

  #document(line: string): readonly Invocation[] {
    const { signature, form } = this.#options;
    if (form.result === 'csv')
      throw new PlatformError('unsupported', 'a document of instances gives no single line of CSV: accept application/jsonlines');
    parseObject(line); // not nested too deep
    return decodeJson(signature, line);
  }

  async #results(invocations: readonly Invocation[]): Promise<string[]> {
    const results: string[] = [];
    for (const each of invocations.flatMap((all) => this.#cut(all))) {
      const outputs = await this.#options.run(each);
      if (this.#options.form.result !== 'csv') results.push(...predictionTexts(outputs, each.rows));
      else results.push(...csvLines(predictionsCsvBytes(outputs, each.rows).toString()));
    }
    return results;
  }

  #cut(invocation: Invocation): Invocation[] {
    return cutRows(invocation, this.#options.signature.inputs, this.#options.rowsMax);
  }
}

/** A block without its first line, where that is a header; null where nothing is left. */
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
    throw new ObjectSpoilt(`line ${first.line}: ${messageOf(error)}`, { cause: error });
  }
  const isHeader = records.begin(line);
  if (!isHeader) return hasMark ? { ...block, bytes: block.bytes.subarray(block.bytes.indexOf(text)) } : block;
  if (block.records === 1) return null;
  const end = block.bytes.indexOf(first.text) + first.text.length;
  return { ...block, bytes: block.bytes.subarray(end), records: block.records - 1, firstLine: first.line + breaks(first.text) };
}

/** What is wrong with a header is wrong with the whole object, not with each of its lines. */
function spoiltUnless<T>(read: () => T): T {
  try {
    return read();
  } catch (error) {
    throw new ObjectSpoilt(messageOf(error), { cause: error });
  }
}

function breaks(text: Buffer): number {
  return text.reduce((count, byte) => count + (byte === 0x0a ? 1 : 0), 0);
}

async function* oneOf(bytes: Buffer): AsyncGenerator<Buffer> {
  yield bytes;
}

/** A model of one input whose rows are 32-bit floats of one size. */
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

/** As a body of its own: `{"instances": [row, …]}`, or tensors. */
function isDocument(value: unknown): boolean {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return false;
  return Array.isArray((value as { instances?: unknown }).instances) || isTensors((value as { inputs?: unknown }).inputs);
}

function isTensors(inputs: unknown): boolean {
  return Array.isArray(inputs) && inputs.every((each) => typeof each === 'object' && each !== null && 'name' in each && 'data' in each);
}

/** Lines of what we wrote ourselves; text in quotes may hold line breaks. */
function csvLines(text: string): string[] {
  if (!text.includes('"')) return text.slice(0, -1).split('\n');
  return recordsOf({ bytes: Buffer.from(text), firstLine: 1 }, true).map((record) => record.text.toString());
}

/** The only output, where it counts rows. */
function rowsOnly(outputs: readonly Tensor[], rows: number): Tensor {
  const [output, ...others] = outputs;
  if (output === undefined || others.length > 0) {
    throw new ObjectSpoilt(`the model has ${outputs.length} outputs, an npy file holds one: accept text/csv or application/jsonlines`);
  }
  if (output.shape.length > 0 && rowCount(output.shape) === rows && output.datatype !== 'BYTES') return output;
  throw new ObjectSpoilt(`the output '${output.name}' is no array with a number for each row: accept application/jsonlines`);
}
