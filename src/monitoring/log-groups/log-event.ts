/** What is kept in log groups, and how it is read: rows of a database and files are read the same way. */
import { PlatformError } from '../../errors.ts';
import type { Matches } from './pattern-text.ts';

export interface LogEvent {
  /** Unique within its group, and the same each time it is read. */
  readonly id: string;
  readonly stream: string;
  /** Epoch milliseconds. */
  readonly atMs: number;
  readonly ingestedAtMs: number;
  readonly message: string;
}

export interface LogWish {
  /** Null for all. */
  readonly streams: ReadonlySet<string> | null;
  /** Epoch milliseconds: from here on… */
  readonly fromMs: number;
  /** …and before this. */
  readonly toMs: number;
  /** The first ones, or the last ones; either way they come in the order of their time. */
  readonly from: 'head' | 'tail';
  /** `after` or `before` of a page: from there on, or back. */
  readonly cursor: string | null;
  readonly limit: number;
  readonly matches: Matches;
  /** What matches has this in it: pieces without it need not be looked at. */
  readonly containing?: string;
}

export interface LogPage {
  readonly events: readonly LogEvent[];
  /** What is before the page, and after it. */
  readonly before: string;
  readonly after: string;
  /** There is nothing more that way now; else there may be, also where the page is empty. */
  readonly isEnd: boolean;
}

export interface LogGroupView {
  readonly name: string;
  /** Epoch milliseconds. */
  readonly createdAtMs: number;
  /** Null where only the size is bounded. */
  readonly retentionDays: number | null;
  readonly bytes: number;
}

export interface LogStreamView {
  readonly name: string;
  readonly createdAtMs: number;
  readonly firstAtMs: number | null;
  readonly lastAtMs: number | null;
  readonly ingestedAtMs: number | null;
  readonly bytes: number;
}

/** What AWS adds to the length of each event. */
export const eventOverheadBytes = 26;
/** Of the messages of one page, with their overhead. */
export const pageBytesMax = 1024 * 1024;

export function invalidCursor(): PlatformError {
  return new PlatformError('invalid_request', 'The specified nextToken is invalid.');
}

/** A line of this length says what it has to say. */
const lineLengthMax = 64 * 1024;

/** What a process printed, as a line that may be kept and shown: cut where it is endless, with its control characters escaped. */
export function asLine(text: string): string {
  const cut =
    text.length <= lineLengthMax ? text : `${text.slice(0, lineLengthMax)} … (${text.length - lineLengthMax} more characters were cut)`;
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
  return cut
    .toWellFormed()
    .replaceAll(/[\u0000-\u0008\u000b-\u001f\u007f]/g, (character) => `\\x${character.charCodeAt(0).toString(16).padStart(2, '0')}`);
}
