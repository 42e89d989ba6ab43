/** A page of a log group whose events are rows. */
import type { Database } from '../../storage/index.ts';
import { eventOverheadBytes, invalidCursor, type LogEvent, type LogPage, type LogWish, pageBytesMax } from './log-event.ts';
import type { LogGroup } from './log-group.ts';
import { type EventRow, type Position, readEvents } from './log-rows.ts';

const rowsAtOnce = 1000;
/** Looked at for one page: a rare word is found over several. */
const rowsMax = 10_000;
/** The latest time that a Date can hold. */
const timeMax = 8_640_000_000_000_000;

export async function readRows(db: Database, group: LogGroup, wish: LogWish, wallMs: number): Promise<LogPage> {
  const isForward = wish.from === 'head';
  const names = new Map([...group.streams.values()].map(({ id, name }) => [id, name]));
  const streamIds = wish.streams === null ? null : [...wish.streams].flatMap((name) => group.streams.get(name)?.id ?? []);
  const fromMs = Math.max(wish.fromMs, group.keptFromMs(wallMs), -timeMax);
  const toMs = Math.min(wish.toMs, timeMax);
  const start = wish.cursor ?? cursorOf({ atMs: fromMs, seq: 0 });
  let position = wish.cursor === null ? null : positionOf(wish.cursor);
  if (streamIds?.length === 0) return { events: [], before: start, after: start, isEnd: true };
  const found: LogEvent[] = [];
  let first: EventRow | null = null;
  let isEnd = false;
  let [bytes, rowsLeft] = [0, rowsMax];
  while (found.length < wish.limit && bytes < pageBytesMax && rowsLeft > 0 && !isEnd) {
    const limit = Math.min(rowsAtOnce, rowsLeft);
    const rows = await readEvents(db, { groupId: group.id, streamIds, fromMs, toMs, position, isForward, limit });
    isEnd = rows.length < limit;
    for (const row of rows) {
      if (found.length === wish.limit || (bytes > 0 && bytes + row.bytes > pageBytesMax)) {
        [isEnd, bytes] = [false, pageBytesMax];
        break;
      }
      first ??= row;
      position = row;
      rowsLeft--;
      if (!wish.matches(row.message)) continue;
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

function cursorOf({ atMs, seq }: Position): string {
  return `${atMs}/${seq}`;
}

function positionOf(cursor: string): Position {
  const [, at, seq] = /^(-?\d{1,16})\/(\d{1,16})$/.exec(cursor) ?? [];
  if (at === undefined || seq === undefined) throw invalidCursor();
  return { atMs: Number(at), seq: Number(seq) };
}
