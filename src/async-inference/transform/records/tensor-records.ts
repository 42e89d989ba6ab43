/**
 * Runs records through an ONNX model: converts rows of text or arrays to tensors, in batches, and the outputs back to rows.
 * Plain numeric CSV takes a fast path; everything else is decoded like an invocation.
 */
import {
  type Block,
  blocksOf,
  checkCsvHeader,
  csvHeader,
  cutRows,
  decodeNpy,
  headerNames,
  isInOrder,
  type LineRecord,
  npyFile,
  parseCsv,
  predictionsCsvBytes,
  predictionTexts,
  type RowInvocation,
  recordsInSlices,
  recordsOf,
  textOf,
} from '../../../codecs/index.ts';
import { messageOf } from '../../../errors.ts';
import { bytesOf, elementCount, rowCount, type Signature, type Tensor } from '../../../tensor.ts';
import { copyInSlices, nextTurn, type Threads } from '../../../threads/index.ts';
import type { BadRecords, ObjectForm } from '../transform-job.ts';
import type { CsvThreads } from './csv-threads.ts';
import {
  decodeRecordsTask,
  encodeRecordsTask,
  type RecordCodecSpec,
  type RecordGroup,
  type RecordResults,
  type RunOutputs,
} from './record-codec.ts';
import type { RecordFilters } from './record-filters.ts';
import { type BadRecord, type BlockResult, isRecordError, oneByOne, UnreadableObject } from './run-records.ts';

/** Runs rows on a worker of the transform. */
export type RunTensors = (invocation: RowInvocation) => Promise<readonly Tensor[]>;

/** How records become rows. */
export interface TensorRecordsOptions {
  readonly signature: Signature;
  readonly form: ObjectForm;
  readonly filters: RecordFilters;
  readonly policy: BadRecords;
  readonly run: RunTensors;
  readonly csv: CsvThreads;
  /** For records that take too long to convert on the event loop. */
  readonly threads: Threads;
  /** Rows per run. */
  readonly rowsMax: number;
}

/** One per object, because filters may depend on its header. */
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

  /**
   * The lines of a block as batches. The fast path decodes the block as a whole; it is not possible with filters, or if a record is
   * invalid. Then records are decoded singly, so that only the invalid ones are lost.
   */
  async lines(block: Block): Promise<BlockResult> {
    const { policy } = this.#options;
    if (this.#filters.areIdle) {
      const result = await this.#fastPath(block);
      if (result !== null) return result;
    }
    const records = await recordsInSlices(block, this.#isCsv);
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
      const rest = await oneByOne(
        records.slice(results.length),
        runOne,
        policy,
        async (record) => void (await this.#decoded([record.text], false)),
      );
      results.push(...rest.results);
      bad = rest.bad;
    }
    return { output: results.length === 0 ? '' : `${results.join('\n')}\n`, records: results.length, bad };
  }

  /** Processes a whole object as one payload. */
  async whole(bytes: Buffer): Promise<BlockResult> {
    const { form } = this.#options;
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
    const { results, rows } = await this.#convert([bytes], true);
    return { output: results[0] ?? '', records: rows, bad: [] };
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
    const texts = records.map(({ text }) => text);
    return (await this.#convert(texts, false)).results;
  }

  /** Converts small texts and outputs in place, others in a thread. */
  async #convert(texts: readonly Buffer[], isBody: boolean): Promise<{ readonly results: readonly string[]; readonly rows: number }> {
    const { run } = this.#options;
    const { changesOutput } = this.#filters;
    const codec = this.#codecSpec();
    const bytes = sizeOf(texts);
    const decoded = await this.#decoded(texts, isBody);
    const groups: RecordGroup<RunOutputs>[] = [];
    let [outputBytes, rows] = [0, 0];
    for (const { runs, isDocument } of decoded) {
      const results: RunOutputs[] = [];
      for (const each of runs) {
        const outputs = await run(each);
        outputBytes += sizeOf(outputs.map(({ data }) => data));
        rows += each.rows;
        results.push({ outputs, rows: each.rows });
      }
      groups.push({ runs: results, isDocument });
    }
    const reply = decoded[0]?.runs[0]?.reply;
    const encodedBytes = outputBytes + (changesOutput ? bytes : 0);
    const input = { codec, texts: changesOutput ? texts : [], count: texts.length, isBody, reply };
    return { results: await this.#encoded({ ...input, groups }, encodedBytes), rows };
  }

  async #decoded(texts: readonly Buffer[], isBody: boolean): Promise<readonly RecordGroup<RowInvocation>[]> {
    const input = { codec: this.#codecSpec(), isBody };
    const bytes = sizeOf(texts);
    if (bytes <= partBytes) return decodeRecordsTask.run({ ...input, texts });
    const moved = await Promise.all(texts.map(copyInSlices));
    return this.#options.threads.run(decodeRecordsTask, { ...input, texts: moved }, { bytes, moved, work: recordWork, lane: 'background' });
  }

  async #encoded(input: RecordResults, bytes: number): Promise<readonly string[]> {
    if (bytes <= partBytes) return encodeRecordsTask.run(input);
    const texts = await Promise.all(input.texts.map(copyInSlices));
    const moved: Uint8Array[] = [...texts];
    const groups = await Promise.all(
      input.groups.map(async ({ runs, isDocument }) => ({ isDocument, runs: await Promise.all(runs.map((each) => movable(each, moved))) })),
    );
    return this.#options.threads.run(
      encodeRecordsTask,
      { ...input, texts, groups },
      { bytes, moved, work: recordWork, lane: 'background' },
    );
  }

  #codecSpec(): RecordCodecSpec {
    const { signature, form, rowsMax } = this.#options;
    const { spec, columns } = this.#filters;
    const header = this.#header ?? null;
    return { signature, filters: spec, columns, header, firstLine: this.#firstLine, isCsv: this.#isCsv, result: form.result, rowsMax };
  }

  #cut(invocation: RowInvocation): RowInvocation[] {
    return cutRows(invocation, this.#options.signature.inputs, this.#options.rowsMax);
  }
}

const recordWork = { name: 'converting the records', hint: 'Split large records, or lower the largest payload of the transform' };

/** The same outputs in memory that can move. */
async function movable({ outputs, rows }: RunOutputs, moved: Uint8Array[]): Promise<RunOutputs> {
  const copies = await Promise.all(outputs.map(async (tensor) => ({ ...tensor, data: await copyInSlices(tensor.data) })));
  moved.push(...copies.map(({ data }) => data));
  return { outputs: copies, rows };
}

function sizeOf(pieces: readonly Uint8Array[]): number {
  return pieces.reduce((sum, { length }) => sum + length, 0);
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
