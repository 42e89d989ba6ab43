/** The filters of a transform for models that take bytes: as tasks, because the records of a block or a single one may be large. */
import { recordsOf } from '../../../codecs/index.ts';
import { PlatformError } from '../../../errors.ts';
import { threadTask } from '../../../threads/index.ts';
import { type FilterSpec, RecordFilters } from './record-filters.ts';

/** Records and the filters to apply. */
export interface FilteredRecords {
  readonly filters: FilterSpec;
  readonly bytes: Uint8Array;
  /** `csv` and `lines` are cut into records; `line` and `document` are one. In a document nested lists are rows. */
  readonly form: 'csv' | 'lines' | 'csv-line' | 'line' | 'document';
}

/** The filtered records, one per line. */
export const filterInputsTask = threadTask(
  import.meta.url,
  'filterInputsTask',
  ({ filters, bytes, form }: FilteredRecords): Uint8Array => {
    const applied = new RecordFilters(filters);
    const inputOf = (text: string): string => (form === 'document' ? applied.inputOfBody(text) : applied.inputOf(text, isCsv(form)));
    return movableBytes(
      textsOf(bytes, form)
        .map((text) => `${inputOf(text)}\n`)
        .join(''),
    );
  },
  (output) => [output],
);

/** Records with the model's answer to them, to be joined. */
export interface FilteredAnswer extends FilteredRecords {
  readonly answer: Uint8Array;
  readonly isCsvAnswer: boolean;
}

/** What is written for the records, given the answer of the model. Throws `model_failed` unless it has a line per record. */
export const filterOutputsTask = threadTask(
  import.meta.url,
  'filterOutputsTask',
  ({ filters, bytes, form, answer, isCsvAnswer }: FilteredAnswer): Uint8Array => {
    const applied = new RecordFilters(filters);
    const records = textsOf(bytes, form);
    const results = records.length === 1 ? [asBuffer(answer).toString().trim()] : textsOf(answer, isCsvAnswer ? 'csv' : 'lines');
    if (results.length !== records.length) {
      throw new PlatformError(
        'model_failed',
        `the model returned ${results.length} lines for ${records.length} records: send single records instead`,
      );
    }
    const outputs = results.map((result, index) => `${applied.outputOf(records[index] as string, result, isCsvAnswer)}\n`);
    return movableBytes(outputs.join(''));
  },
  (output) => [output],
);

function isCsv(form: FilteredRecords['form']): boolean {
  return form === 'csv' || form === 'csv-line';
}

function textsOf(bytes: Uint8Array, form: FilteredRecords['form']): readonly string[] {
  const all = asBuffer(bytes);
  if (form !== 'csv' && form !== 'lines') return [all.toString()];
  return recordsOf({ bytes: all, firstLine: 1 }, form === 'csv').map(({ text }) => text.toString());
}

/** Small buffers are parts of a shared one, which cannot move to another thread. */
function movableBytes(text: string): Buffer {
  const bytes = Buffer.allocUnsafeSlow(Buffer.byteLength(text));
  bytes.write(text);
  return bytes;
}

/** Structured cloning turns a Buffer into a plain array. */
function asBuffer({ buffer, byteOffset, length }: Uint8Array): Buffer {
  return Buffer.from(buffer, byteOffset, length);
}
