/** From records to results: what runners of every kind of model have in common. */
import { asPlatformError, PlatformError } from '../../errors.ts';
import type { LineRecord } from './line-blocks.ts';

/** A record that nothing can be made of. */
export interface BadRecord {
  readonly line: number;
  readonly why: string;
}

export interface BlockResult {
  readonly output: Buffer | string;
  /** The output is valid until this is called, where it is given: its memory is used again. */
  readonly taken?: () => void;
  readonly records: number;
  /** Left out. */
  readonly bad: readonly BadRecord[];
}

/** The object cannot be gone on with. The message says why and where. */
export class ObjectSpoilt extends PlatformError {
  constructor(message: string, options: { readonly cause?: unknown } = {}) {
    super('invalid_request', message, options);
    this.name = 'ObjectSpoilt';
  }
}

/** What goes wrong with the platform, not with the record: leaving the record out would be no cure. */
export function isTheirs(error: unknown): boolean {
  const { code } = asPlatformError(error);
  return code === 'invalid_request' || code === 'model_failed' || code === 'too_large' || code === 'unsupported';
}

/**
 * Finds the records at fault in a block that failed: each is run by itself. Nobody is at fault where the cause was another one.
 * `runOne` gives the result of a record.
 */
export async function oneByOne(
  records: readonly LineRecord[],
  runOne: (record: LineRecord) => Promise<string>,
  policy: 'fail' | 'skip',
): Promise<{ readonly results: readonly string[]; readonly bad: readonly BadRecord[] }> {
  const results: string[] = [];
  const bad: BadRecord[] = [];
  for (const record of records) {
    try {
      results.push(await runOne(record));
    } catch (error) {
      if (!isTheirs(error)) throw error;
      const why = plainly(error);
      if (policy === 'fail') throw new ObjectSpoilt(`line ${record.line}: ${why}`, { cause: error });
      bad.push({ line: record.line, why });
    }
  }
  return { results, bad };
}

const strayHint = /leave out columns that are no input$/;
const filterHint =
  'columns that are no features are left out with --ignore NAME (or a number, -1 for the last), or an input filter such as $[:-1]';

/** Without the number that the line has within its block, and with what helps here. */
export function plainly(error: unknown): string {
  const { message, hint } = asPlatformError(error);
  const text = message
    .replace(/^CSV line \d+[,:]? ?/, '')
    .replace(/^instances\[0\] /, 'it ')
    .replace(/^has/, 'it has');
  return (hint === undefined ? text : `${text}; ${hint}`).replace(strayHint, filterHint);
}
