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
 * `runOne` gives the result of a record; `look`, where there is something to see without the model, throws for one that cannot be read.
 */
export async function oneByOne(
  records: readonly LineRecord[],
  runOne: (record: LineRecord) => Promise<string>,
  policy: 'fail' | 'skip',
  look: ((record: LineRecord) => void) | null = null,
): Promise<{ readonly results: readonly string[]; readonly bad: readonly BadRecord[] }> {
  // Whoever mends a file wants to know more than its first bad line: looked for in what is in memory already, and not by running the model.
  if (policy === 'fail' && look !== null) refuseUnreadable(records, look);
  const results: string[] = [];
  const bad: BadRecord[] = [];
  for (const record of records) {
    try {
      results.push(await runOne(record));
    } catch (error) {
      const found = badRecord(record, error);
      if (policy === 'fail') throw new ObjectSpoilt(toldOf([found]), { cause: error });
      bad.push(found);
    }
  }
  return { results, bad };
}

function refuseUnreadable(records: readonly LineRecord[], look: (record: LineRecord) => void): void {
  const bad: BadRecord[] = [];
  for (const record of records) {
    try {
      look(record);
    } catch (error) {
      bad.push(badRecord(record, error));
    }
  }
  if (bad.length > 0) throw new ObjectSpoilt(toldOf(bad, records.at(-1)?.line));
}

/** Throws what is not the record's fault. */
function badRecord({ line }: LineRecord, error: unknown): BadRecord {
  if (!isTheirs(error)) throw error;
  return { line, why: plainly(error) };
}

const toldMax = 5;

/** `line 2: why; lines 3, 7: another; and 3 more up to line 4097`, and what helps once. */
function toldOf(bad: readonly BadRecord[], lastLine?: number): string {
  const whys = [...Map.groupBy(bad, ({ why }) => why)];
  const told = whys
    .slice(0, toldMax)
    .map(([why, of]) => `${linesText(of, lastLine)}: ${why.endsWith(cure) ? why.slice(0, -cure.length) : why}`);
  const untold = whys.slice(toldMax).reduce((sum, [, of]) => sum + of.length, 0);
  const more = untold === 0 ? [] : [`and ${untold} more up to line ${lastLine}`];
  return `${[...told, ...more].join('; ')}${whys.slice(0, toldMax).some(([why]) => why.endsWith(cure)) ? cure : ''}`;
}

function linesText(bad: readonly BadRecord[], lastLine?: number): string {
  const lines = bad.slice(0, toldMax).map(({ line }) => line);
  const more = bad.length > lines.length ? ` and ${bad.length - lines.length} more up to line ${lastLine}` : '';
  return `${bad.length === 1 ? 'line' : 'lines'} ${lines.join(', ')}${more}`;
}

const strayHint = /leave out columns that are no input$/;
const filterHint =
  'columns that are no features are left out with --ignore NAME (or a number, -1 for the last), or an input filter such as $[:-1]';
const cure = `; ${filterHint}`;

/** Without the number that the line has within its block, and with what helps here. */
export function plainly(error: unknown): string {
  const { message, hint } = asPlatformError(error);
  const text = message
    .replace(/^CSV line \d+[,:]? ?/, '')
    .replace(/^instances\[0\] /, 'it ')
    .replace(/^has/, 'it has');
  return (hint === undefined ? text : `${text}; ${hint}`).replace(strayHint, filterHint);
}
