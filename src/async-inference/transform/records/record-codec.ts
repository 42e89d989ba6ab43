/**
 * Converts records of text to the inputs of an ONNX model, and its outputs back to records. Large records are converted in a thread, so this
 * depends on nothing but plain data.
 */
import {
  type CsvSource,
  checkedJson,
  cutRows,
  decodeCsv,
  decodeInstances,
  decodeJson,
  decodeJsonRows,
  jsonInvocation,
  parseObject,
  predictionsCsvBytes,
  predictionTexts,
  type RowInvocation,
  recordsOf,
  textOf,
} from '../../../codecs/index.ts';
import { messageOf, PlatformError } from '../../../errors.ts';
import { type Signature, type Tensor, takesJson } from '../../../tensor.ts';
import { type ThreadTask, threadTask } from '../../../threads/index.ts';
import type { ObjectForm } from '../transform-job.ts';
import { cellsOf, type FilterSpec, RecordFilters } from './record-filters.ts';

/** Everything that a conversion depends on, as plain data. */
export interface RecordCodecSpec {
  readonly signature: Signature;
  readonly filters: FilterSpec;
  /** The names of all columns of a CSV; null if they are not needed. */
  readonly columns: readonly string[] | null;
  /** The names of the columns that the model receives; null if the CSV has no header. */
  readonly header: readonly string[] | null;
  /** The first line of a CSV, with all columns. */
  readonly firstLine: string;
  readonly isCsv: boolean;
  readonly result: ObjectForm['result'];
  /** Rows per run. */
  readonly rowsMax: number;
}

/** What one run of the model returned. */
export interface RunOutputs {
  readonly outputs: readonly Tensor[];
  readonly rows: number;
}

/** Runs whose results belong together; of a document they become one. */
export interface RecordGroup<Run> {
  readonly runs: readonly Run[];
  readonly isDocument: boolean;
}

/** Made in the thread that uses it, from its spec. */
export class RecordCodec {
  readonly #spec: RecordCodecSpec;
  readonly #filters: RecordFilters;

  constructor(spec: RecordCodecSpec) {
    this.#spec = spec;
    this.#filters = new RecordFilters(spec.filters, spec.columns);
  }

  /** The runs for these records. Throws if any record is bad, without identifying it. */
  decode(records: readonly string[]): readonly RecordGroup<RowInvocation>[] {
    const { isCsv } = this.#spec;
    const inputs = records.map((record) => this.#filters.inputOf(record, isCsv));
    const groups = isCsv ? [{ invocations: this.#csvInvocations(inputs, records), isDocument: false }] : this.#jsonInvocations(inputs);
    return groups.map(({ invocations, isDocument }) => ({ runs: this.#cut(invocations), isDocument }));
  }

  /** The result of each of `count` records. These are needed only if the filters change the output. */
  encode(records: readonly string[], count: number, groups: readonly RecordGroup<RunOutputs>[]): readonly string[] {
    const { result } = this.#spec;
    const results = groups.flatMap(({ runs, isDocument }) => {
      const found = runs.flatMap((run) => this.#texts(run));
      return isDocument ? [`{"predictions":[${found.join(',')}]}`] : found;
    });
    if (results.length !== count) {
      throw new PlatformError('model_failed', `the model returned ${results.length} results for ${count} records`);
    }
    if (!this.#filters.changesOutput) return results;
    return results.map((each, index) => this.#filters.outputOf(records[index] as string, each, result === 'csv'));
  }

  /** The runs for an object that is one JSON body. */
  decodeBody(body: string): readonly RowInvocation[] {
    const { signature } = this.#spec;
    const input = this.#filters.inputOfBody(body);
    return this.#cut(
      takesJson(signature) ? decodeJsonRows(signature, 'application/json', Buffer.from(input)) : decodeJson(signature, input),
    );
  }

  encodeBody(body: string, runs: readonly RunOutputs[], reply: RowInvocation['reply']): string {
    const { signature, result } = this.#spec;
    if (result === 'csv') return runs.map(({ outputs, rows }) => predictionsCsvBytes(outputs, rows).toString()).join('');
    const texts = runs.flatMap(({ outputs, rows }) => predictionTexts(outputs, rows, signature.outputs));
    const joined = reply === 'value' ? texts.join('') : `{"predictions":[${texts.join(',')}]}`;
    return this.#filters.outputOf(body, joined, false);
  }

  #texts({ outputs, rows }: RunOutputs): readonly string[] {
    const { signature, result } = this.#spec;
    return result === 'csv' ? csvLines(predictionsCsvBytes(outputs, rows).toString()) : predictionTexts(outputs, rows, signature.outputs);
  }

  #csvInvocations(lines: readonly string[], records: readonly string[]): readonly RowInvocation[] {
    const { signature, header } = this.#spec;
    const source = this.#filters.filtersInput ? { source: this.#sourceOf(records) } : {};
    return decodeCsv(signature, `${lines.join('\n')}\n`, { header, ...source });
  }

  #sourceOf(records: readonly string[]): CsvSource {
    const recordAt = (row: number | 'header'): string => (row === 'header' ? this.#spec.firstLine : (records[row] ?? ''));
    return {
      widthOf: (row) => cellsOf(recordAt(row)).length,
      placeOf: (row, column) => this.#filters.indexesUsed(recordAt(row))[column] ?? column,
    };
  }

  /** Lines with rows are decoded together, documents separately. */
  #jsonInvocations(lines: readonly string[]): readonly { readonly invocations: readonly RowInvocation[]; readonly isDocument: boolean }[] {
    const { signature } = this.#spec;
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
    const { signature, result } = this.#spec;
    if (result === 'csv')
      throw new PlatformError('unsupported', 'a document with instances does not fit into one CSV line: accept application/jsonlines');
    parseObject(line); // checks the nesting depth
    return decodeJson(signature, line);
  }

  #cut(invocations: readonly RowInvocation[]): readonly RowInvocation[] {
    return invocations.flatMap((each) => cutRows(each, this.#spec.signature.inputs, this.#spec.rowsMax));
  }
}

/** Either the records of a split object, or the only body of one that is not split. */
interface RecordTexts {
  readonly codec: RecordCodecSpec;
  readonly texts: readonly Uint8Array[];
  readonly isBody: boolean;
}

/** Records with the outputs of their runs. */
export interface RecordResults extends RecordTexts {
  readonly count: number;
  readonly groups: readonly RecordGroup<RunOutputs>[];
  readonly reply: RowInvocation['reply'];
}

/** Records to runs. The memory of the tensors moves to the caller. */
export const decodeRecordsTask: ThreadTask<RecordTexts, readonly RecordGroup<RowInvocation>[]> = threadTask(
  import.meta.url,
  'decodeRecordsTask',
  ({ codec, texts, isBody }) => {
    const decoder = new RecordCodec(codec);
    const records = texts.map(decodedText);
    return isBody ? [{ runs: decoder.decodeBody(records[0] ?? ''), isDocument: false }] : decoder.decode(records);
  },
  (groups) => groups.flatMap(({ runs }) => runs.flatMap(({ inputs }) => inputs.map(({ data }) => data))),
);

/** Outputs to records. */
export const encodeRecordsTask: ThreadTask<RecordResults, readonly string[]> = threadTask(
  import.meta.url,
  'encodeRecordsTask',
  ({ codec, texts, count, isBody, groups, reply }) => {
    const encoder = new RecordCodec(codec);
    const records = texts.map(decodedText);
    if (!isBody) return encoder.encode(records, count, groups);
    const runs = groups.flatMap((group) => group.runs);
    return [encoder.encodeBody(records[0] ?? '', runs, reply)];
  },
);

/** Structured cloning turns a Buffer into a plain array. */
function decodedText({ buffer, byteOffset, length }: Uint8Array): string {
  return textOf(Buffer.from(buffer, byteOffset, length));
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
