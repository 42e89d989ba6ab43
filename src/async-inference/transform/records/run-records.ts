/** Runs records and finds bad ones; shared by all kinds of models. */
import type { LineRecord } from '../../../codecs/index.ts';
import { asPlatformError, PlatformError } from '../../../errors.ts';
import { Slices } from '../../../threads/index.ts';
import type { BadRecords } from '../transform-job.ts';

/** Parsing this many bytes takes a few milliseconds. */
const bytesPerSlice = 32 * 1024;

/** A record that could not be processed. */
export interface BadRecord {
  readonly line: number;
  readonly why: string;
}

/** The output of one block, in the order of its records. */
export interface BlockResult {
  readonly output: Buffer | string;
  /** If present, must be called after the output was written; its memory is then reused. */
  readonly consumed?: () => void;
  readonly records: number;
  /** Skipped records. */
  readonly bad: readonly BadRecord[];
}

/** The whole object failed. The message has the reason and the position. */
export class UnreadableObject extends PlatformError {
  constructor(message: string, options: { readonly cause?: unknown } = {}) {
    super('invalid_request', message, options);
    this.name = 'UnreadableObject';
  }
}

/** Whether the record caused the error. Skipping records does not help against errors of the platform. */
export function isRecordError(error: unknown): boolean {
  const { code } = asPlatformError(error);
  return code === 'invalid_request' || code === 'model_failed' || code === 'too_large' || code === 'unsupported';
}

/**
 * Finds the bad records of a failed block by running each one alone. If the failure has another cause, it may find none. `runOne` returns
 * the result of a record. `parse` optionally parses a record without the model and throws if it is malformed.
 */
export async function oneByOne(
  records: readonly LineRecord[],
  runOne: (record: LineRecord) => Promise<string>,
  policy: BadRecords,
  parse: ((record: LineRecord) => void | Promise<void>) | null = null,
): Promise<{ readonly results: readonly string[]; readonly bad: readonly BadRecord[] }> {
  // Report several bad lines at once, found by parsing the block in memory, without running the model.
  if (policy === 'fail' && parse !== null) await rejectMalformed(records, parse);
  const results: string[] = [];
  const bad: BadRecord[] = [];
  for (const record of records) {
    try {
      results.push(await runOne(record));
    } catch (error) {
      const found = badRecord(record, error);
      if (policy === 'fail') throw new UnreadableObject(summarizeFailures([found]), { cause: error });
      bad.push(found);
      if (policy === 'mark') results.push('null');
    }
  }
  return { results, bad };
}

async function rejectMalformed(records: readonly LineRecord[], parse: (record: LineRecord) => void | Promise<void>): Promise<void> {
  const bad: BadRecord[] = [];
  const slices = new Slices(bytesPerSlice);
  for (const record of records) {
    await slices.done(record.text.length);
    try {
      await parse(record);
    } catch (error) {
      bad.push(badRecord(record, error));
    }
  }
  if (bad.length > 0) throw new UnreadableObject(summarizeFailures(bad, records.at(-1)?.line));
}

/** Returns the record as a bad one if it caused the error; rethrows any other error. */
function badRecord({ line }: LineRecord, error: unknown): BadRecord {
  if (!isRecordError(error)) throw error;
  return { line, why: readableMessage(error) };
}

const reportedMax = 5;

/** `line 2: why; lines 3, 7: another; and 3 more up to line 4097`, with the hint only once. */
function summarizeFailures(bad: readonly BadRecord[], lastLine?: number): string {
  const whys = [...Map.groupBy(bad, ({ why }) => why)];
  const reported = whys
    .slice(0, reportedMax)
    .map(([why, of]) => `${linesText(of, lastLine)}: ${why.endsWith(cure) ? why.slice(0, -cure.length) : why}`);
  const omitted = whys.slice(reportedMax).reduce((sum, [, of]) => sum + of.length, 0);
  const more = omitted === 0 ? [] : [`and ${omitted} more up to line ${lastLine}`];
  return `${[...reported, ...more].join('; ')}${whys.slice(0, reportedMax).some(([why]) => why.endsWith(cure)) ? cure : ''}`;
}

function linesText(bad: readonly BadRecord[], lastLine?: number): string {
  const lines = bad.slice(0, reportedMax).map(({ line }) => line);
  const more = bad.length > lines.length ? ` and ${bad.length - lines.length} more up to line ${lastLine}` : '';
  return `${bad.length === 1 ? 'line' : 'lines'} ${lines.join(', ')}${more}`;
}

const strayHint = /leave out columns that are not inputs$/;
const filterHint = 'hide columns that are not features with --ignore NAME (or an index, -1 for the last) or an input filter such as $[:-1]';
const cure = `; ${filterHint}`;

/** The message without the line number within the block, with the hint for transforms. */
export function readableMessage(error: unknown): string {
  const { message, hint } = asPlatformError(error);
  const text = message
    .replace(/^CSV line \d+[,:]? ?/, '')
    .replace(/^instances\[0\] /, 'it ')
    .replace(/^has/, 'it has');
  return (hint === undefined ? text : `${text}; ${hint}`).replace(strayHint, filterHint);
}
