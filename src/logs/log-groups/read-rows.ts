/** Reads a page of a log group stored in the database. */
import type { Database } from '../../storage/index.ts';
import { eventOverheadBytes, invalidCursor, type LogEvent, type LogPage, type LogQuery, pageBytesMax } from './log-event.ts';
import type { LogGroup } from './log-group.ts';
import { type EventPosition, type EventRow, readEvents } from './log-rows.ts';

const rowsAtOnce = 1000;
/** Rows scanned for one page: rare matches can take several pages. */
const rowsMax = 10_000;
/** The latest time a Date can represent. */
const timeMax = 8_640_000_000_000_000;

/**
 * A page can be empty although there is more: it ends after a number of rows, so that a filter that matches nothing does not hold the
 * database.
 */
export async function readLogRows(db: Database, group: LogGroup, query: LogQuery, wallMs: number): Promise<LogPage> {
  const isForward = query.from === 'head';
  const names = new Map([...group.streams.values()].map(({ id, name }) => [id, name]));
  const streamIds = query.streams === null ? null : [...query.streams].flatMap((name) => group.streams.get(name)?.id ?? []);
  const fromMs = Math.max(query.fromMs, group.retainedFromMs(wallMs), -timeMax);
  const toMs = Math.min(query.toMs, timeMax);
  const start = query.cursor ?? cursorOf({ atMs: fromMs, seq: 0 });
  let position = query.cursor === null ? null : positionOf(query.cursor);
  if (streamIds?.length === 0) return { events: [], before: start, after: start, isEnd: true };
  const found: LogEvent[] = [];
  let first: EventRow | null = null;
  let isEnd = false;
  let [bytes, rowsLeft] = [0, rowsMax];
  while (found.length < query.limit && bytes < pageBytesMax && rowsLeft > 0 && !isEnd) {
    const limit = Math.min(rowsAtOnce, rowsLeft);
    const rows = await readEvents(db, { groupId: group.id, streamIds, fromMs, toMs, position, isForward, limit });
    isEnd = rows.length < limit;
    for (const row of rows) {
      if (found.length === query.limit || (bytes > 0 && bytes + row.bytes > pageBytesMax)) {
        [isEnd, bytes] = [false, pageBytesMax];
        break;
      }
      first ??= row;
      position = row;
      rowsLeft--;
      if (!query.matches(row.message)) continue;
      bytes += row.message.length + eventOverheadBytes;
      found.push(eventOf(row, names.get(row.streamId) ?? ''));
    }
  }
  const near = first === null ? start : cursorOf(first);
  const far = position === null ? start : cursorOf(position);
  return isForward ? { events: found, before: near, after: far, isEnd } : { events: found.reverse(), before: far, after: near, isEnd };
}

function eventOf(row: EventRow, stream: string): LogEvent {
  const { atMs, seq, ingestedAtMs, message } = row;
  return { id: `${String(atMs).padStart(16, '0')}${String(seq).padStart(16, '0')}`, stream, atMs, ingestedAtMs, message };
}

function cursorOf({ atMs, seq }: EventPosition): string {
  return `${atMs}/${seq}`;
}

function positionOf(cursor: string): EventPosition {
  const [, at, seq] = /^(-?\d{1,16})\/(\d{1,16})$/.exec(cursor) ?? [];
  if (at === undefined || seq === undefined) throw invalidCursor();
  return { atMs: Number(at), seq: Number(seq) };
}
