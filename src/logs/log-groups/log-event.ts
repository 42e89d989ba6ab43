/** Log events and queries, shared by groups stored as database rows and as files. */
import { PlatformError } from '../../errors.ts';
import type { Matches } from './pattern-text.ts';

/** A stored line, as the APIs return it. */
export interface LogEvent {
  /** Unique within its group, and stable across reads. */
  readonly id: string;
  readonly stream: string;
  /** Epoch milliseconds. */
  readonly atMs: number;
  readonly ingestedAtMs: number;
  readonly message: string;
}

/** Which events of a group to read. */
export interface LogQuery {
  /** Null for all streams. */
  readonly streams: ReadonlySet<string> | null;
  /** Epoch milliseconds, inclusive. */
  readonly fromMs: number;
  /** Epoch milliseconds, exclusive. */
  readonly toMs: number;
  /** The first or the last events; both in time order. */
  readonly from: 'head' | 'tail';
  /** `after` or `before` of a previous page. */
  readonly cursor: string | null;
  readonly limit: number;
  readonly matches: Matches;
  /** Every match contains this text, so pieces without it are skipped. */
  readonly containing?: string;
}

/** Events in order of time, and where to continue on either side. */
export interface LogPage {
  readonly events: readonly LogEvent[];
  /** Cursors before and after the page. */
  readonly before: string;
  readonly after: string;
  /** No more events in this direction now. If false, there may be more, even after an empty page. */
  readonly isEnd: boolean;
}

/** A group as lists show it. */
export interface LogGroupView {
  readonly name: string;
  /** Epoch milliseconds. */
  readonly createdAtMs: number;
  /** Null if only the size is bounded. */
  readonly retentionDays: number | null;
  readonly bytes: number;
}

/** A stream as lists show it. Times are epoch milliseconds; null without events. */
export interface LogStreamView {
  readonly name: string;
  readonly createdAtMs: number;
  readonly firstAtMs: number | null;
  readonly lastAtMs: number | null;
  readonly ingestedAtMs: number | null;
  readonly bytes: number;
}

/** Overhead that AWS adds to the length of each event. */
export const eventOverheadBytes = 26;
/** Size limit of a page, including overhead. */
export const pageBytesMax = 1024 * 1024;

/** With the text of CloudWatch Logs, which its clients compare. */
export function invalidCursor(): PlatformError {
  return new PlatformError('invalid_request', 'The specified nextToken is invalid.');
}

/** Longer lines are truncated. */
const lineLengthMax = 64 * 1024;

/** A printed line, ready to be stored and shown: truncated, with control characters escaped. */
export function asLine(text: string): string {
  const cut =
    text.length <= lineLengthMax ? text : `${text.slice(0, lineLengthMax)} … (${text.length - lineLengthMax} more characters were cut)`;
  // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are escaped here
  return cut
    .toWellFormed()
    .replaceAll(/[\u0000-\u0008\u000b-\u001f\u007f]/g, (character) => `\\x${character.charCodeAt(0).toString(16).padStart(2, '0')}`);
}
