/** Runs records through a model that takes bytes (a process, or a Python function): payloads and responses follow the container contract. */

import { type Block, inPlaceBytesMax, type LineRecord, recordsInSlices } from '../../../codecs/index.ts';
import { copyInSlices, type Threads, type ThreadTask } from '../../../threads/index.ts';
import type { BadRecords, ObjectForm } from '../transform-job.ts';
import { type FilteredRecords, filterInputsTask, filterOutputsTask } from './filter-tasks.ts';
import type { RecordFilters } from './record-filters.ts';
import { type BlockResult, isRecordError, oneByOne } from './run-records.ts';

/** One invocation; rejects with `model_failed` if the response is not successful. */
export type RunPayload = (body: Buffer, headers: Readonly<Record<string, string>>) => Promise<Buffer>;

/** How records become payloads. */
export interface ProcessRecordsOptions {
  readonly form: ObjectForm;
  readonly filters: RecordFilters;
  readonly policy: BadRecords;
  readonly assemble: 'none' | 'line';
  readonly run: RunPayload;
  /** For records that take too long to filter on the event loop. */
  readonly threads: Threads;
}

/** If a payload fails because of its records, they are sent one by one, and the policy of the transform decides what a bad one means. */
export class ProcessRecords {
  readonly #options: ProcessRecordsOptions;
  readonly #headers: Readonly<Record<string, string>>;

  constructor(options: ProcessRecordsOptions) {
    this.#options = options;
    const { contentType, resultType } = options.form;
    this.#headers = { 'content-type': contentType, accept: resultType };
  }

  /** The lines of a block as one payload. */
  async lines(block: Block): Promise<BlockResult> {
    const { filters, policy, form } = this.#options;
    const isCsv = form.format === 'csv';
    try {
      if (filters.areIdle) return { output: this.#assembled(await this.#run(block.bytes)), records: block.records, bad: [] };
      return { output: await this.#filtered(block.bytes, isCsv ? 'csv' : 'lines'), records: block.records, bad: [] };
    } catch (error) {
      if (!isRecordError(error)) throw error;
      const each = async (record: LineRecord): Promise<string> => {
        if (!filters.areIdle) return (await this.#filtered(record.text, isCsv ? 'csv-line' : 'line')).toString();
        return this.#assembled(await this.#run(Buffer.concat([record.text, Buffer.from('\n')]))).toString();
      };
      const { results, bad } = await oneByOne(await recordsInSlices(block, isCsv), each, policy);
      return { output: results.join(''), records: results.length, bad };
    }
  }

  async whole(bytes: Buffer): Promise<BlockResult> {
    const { filters, form } = this.#options;
    const isText = form.format === 'json' || form.format === 'jsonl';
    if (filters.areIdle || !isText) return { output: this.#assembled(await this.#run(bytes)), records: 1, bad: [] };
    return { output: await this.#filtered(bytes, form.format === 'json' ? 'document' : 'line'), records: 1, bad: [] };
  }

  #run(body: Buffer): Promise<Buffer> {
    return this.#options.run(body, this.#headers);
  }

  #assembled(output: Buffer): Buffer {
    const { assemble, form } = this.#options;
    // Bytes of an unknown format are not modified.
    if (assemble === 'none' || form.result === 'bytes' || output.length === 0 || output.at(-1) === 0x0a) return output;
    return Buffer.concat([output, Buffer.from('\n')]);
  }

  /** Filters small records in place, others in a thread. */
  async #filtered(bytes: Buffer, form: FilteredRecords['form']): Promise<Buffer> {
    const { filters, form: object } = this.#options;
    const input = { filters: filters.spec, form };
    const body = await this.#somewhere(filterInputsTask, { ...input, bytes }, bytes.length);
    const answer = await this.#run(body);
    if (!filters.changesOutput) return this.#assembled(answer);
    return this.#somewhere(
      filterOutputsTask,
      { ...input, bytes, answer, isCsvAnswer: object.result === 'csv' },
      bytes.length + answer.length,
    );
  }

  async #somewhere<Input extends { readonly bytes: Uint8Array; readonly answer?: Uint8Array }>(
    task: ThreadTask<Input, Uint8Array>,
    input: Input,
    size: number,
  ): Promise<Buffer> {
    if (size <= inPlaceBytesMax) return asBuffer(task.run(input));
    const bytes = await copyInSlices(input.bytes);
    const answer = input.answer === undefined ? {} : { answer: await copyInSlices(input.answer) };
    const moved = [bytes, ...Object.values(answer)];
    return asBuffer(
      await this.#options.threads.run(task, { ...input, bytes, ...answer }, { bytes: size, moved, work: filterWork, lane: 'background' }),
    );
  }
}

const filterWork = { name: 'filtering the records', hint: 'Split large records, or lower the largest payload of the transform' };

function asBuffer({ buffer, byteOffset, length }: Uint8Array): Buffer {
  return Buffer.from(buffer, byteOffset, length);
}
