/** Runs records through a model that takes bytes (a process, or a Python function): payloads and responses follow the container contract. */

import { type Block, type LineRecord, recordsOf } from '../../codecs/index.ts';
import { PlatformError } from '../../errors.ts';
import type { RecordFilters } from './record-filters.ts';
import { type BlockResult, isRecordError, oneByOne } from './run-records.ts';
import type { BadRecords, ObjectForm } from './transform-job.ts';

/** One invocation; rejects with `model_failed` if the response is not successful. */
export type RunPayload = (body: Buffer, headers: Readonly<Record<string, string>>) => Promise<Buffer>;

export interface ProcessRecordsOptions {
  readonly form: ObjectForm;
  readonly filters: RecordFilters;
  readonly policy: BadRecords;
  readonly assemble: 'none' | 'line';
  readonly run: RunPayload;
}

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
      return { output: await this.#filtered(recordsOf(block, isCsv)), records: block.records, bad: [] };
    } catch (error) {
      if (!isRecordError(error)) throw error;
      const each = async (record: LineRecord): Promise<string> => {
        if (!filters.areIdle) return this.#filtered([record]);
        return this.#assembled(await this.#run(Buffer.concat([record.text, Buffer.from('\n')]))).toString();
      };
      const { results, bad } = await oneByOne(recordsOf(block, isCsv), each, policy);
      return { output: results.join(''), records: results.length, bad };
    }
  }

  async whole(bytes: Buffer): Promise<BlockResult> {
    const { filters, form } = this.#options;
    const isText = form.format === 'json' || form.format === 'jsonl';
    if (filters.areIdle || !isText) return { output: this.#assembled(await this.#run(bytes)), records: 1, bad: [] };
    return { output: await this.#filtered([{ text: bytes, line: 1 }]), records: 1, bad: [] };
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

  async #filtered(records: readonly LineRecord[]): Promise<string> {
    const { filters, form } = this.#options;
    const texts = records.map(({ text }) => text.toString());
    const filteredInput = (text: string): string =>
      form.format === 'json' ? filters.inputOfBody(text) : filters.inputOf(text, form.format === 'csv');
    const body = texts.map((text) => `${filteredInput(text)}\n`).join('');
    const answer = await this.#run(Buffer.from(body));
    const isCsv = form.result === 'csv';
    if (!filters.changesOutput) return this.#assembled(answer).toString();
    const results =
      records.length === 1
        ? [answer.toString().trim()]
        : recordsOf({ bytes: answer, firstLine: 1 }, isCsv).map(({ text }) => text.toString());
    if (results.length !== records.length) {
      throw new PlatformError(
        'model_failed',
        `the model returned ${results.length} lines for ${records.length} records: send single records instead`,
      );
    }
    return results.map((result, index) => `${filters.outputOf(texts[index] as string, result, isCsv)}\n`).join('');
  }
}
