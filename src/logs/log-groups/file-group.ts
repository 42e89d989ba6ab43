/**
 * Reads a log file and its rotated predecessors (`x.log`, `x.log.1`, `x.log.2`) as a log group with one stream, in the order of writing.
 * Lines are JSON that starts with a time, which need not be ascending. Files can be rotated at any time: they are identified by inode.
 */
import { type FileHandle, open } from 'node:fs/promises';
import { eachLine, eachLineBack, type Line, lineTime } from './file-lines.ts';
import { FileTimes } from './file-times.ts';
import {
  invalidCursor,
  type LogEvent,
  type LogGroupView,
  type LogPage,
  type LogQuery,
  type LogStreamView,
  pageBytesMax,
} from './log-event.ts';

/** Which file, and under which name it appears. */
export interface FileGroupOptions {
  readonly name: string;
  readonly path: string;
  /** Largest number of files, including the current one. */
  readonly files: number;
  /** Flushes pending lines to the file. */
  readonly flush: () => Promise<void>;
}

/** Bytes scanned for one page. */
const scannedBytesMax = 8 * 1024 * 1024;

interface Segment {
  readonly key: string;
  readonly file: FileHandle;
  readonly inode: number;
  readonly size: number;
  readonly createdAtMs: number;
  readonly changedAtMs: number;
  readonly times: FileTimes;
}

interface Position {
  readonly segment: number;
  readonly offset: number;
}

/** Read-only: the events are the lines of the file. */
export class FileGroup {
  readonly name: string;
  readonly #options: FileGroupOptions;
  /** By inode and creation time, since inodes are reused. */
  #times = new Map<string, FileTimes>();

  constructor(options: FileGroupOptions) {
    this.name = options.name;
    this.#options = options;
  }

  view(): Promise<LogGroupView> {
    return this.#open(async (segments) => ({
      name: this.name,
      createdAtMs: segments[0]?.createdAtMs ?? 0,
      retentionDays: null,
      bytes: segments.reduce((sum, { size }) => sum + size, 0),
    }));
  }

  streamView(): Promise<LogStreamView> {
    return this.#open(async (segments) => {
      const [first, last] = [segments[0], segments.at(-1)];
      const lastAtMs = last === undefined ? null : Math.floor(last.changedAtMs);
      const firstAtMs = first === undefined ? null : await firstTime(first);
      const bytes = segments.reduce((sum, { size }) => sum + size, 0);
      return { name: streamName, createdAtMs: first?.createdAtMs ?? 0, firstAtMs, lastAtMs, ingestedAtMs: lastAtMs, bytes };
    });
  }

  async read(query: LogQuery): Promise<LogPage> {
    await this.#options.flush();
    return this.#open(async (segments) => {
      for (const { times, file, size } of segments) await times.read(file, size);
      const isEmpty = segments.length === 0 || query.streams?.has(streamName) === false;
      const start = query.cursor ?? '0-0';
      if (isEmpty) return { events: [], before: start, after: start, isEnd: true };
      return query.from === 'head' ? readOn(segments, query) : readBack(segments, query);
    });
  }

  /**
   * Opens all files; `segments` are oldest first. The newest is opened first: a file rotated meanwhile is found again by its inode and
   * skipped.
   */
  async #open<T>(use: (segments: readonly Segment[]) => Promise<T> | T): Promise<T> {
    const segments: Segment[] = [];
    try {
      for (let number = 0; number < this.#options.files; number++) {
        const file = await open(number === 0 ? this.#options.path : `${this.#options.path}.${number}`).catch(() => null);
        if (file === null) continue; // missing, or being renamed
        const { ino: inode, size, birthtimeMs, mtimeMs: changedAtMs } = await file.stat();
        const key = `${inode} ${birthtimeMs}`;
        const known = this.#times.get(key);
        // A truncated file is indexed again.
        const times = known !== undefined && known.end <= size ? known : new FileTimes();
        if (segments.some((segment) => segment.inode === inode)) await file.close();
        else segments.unshift({ key, file, inode, size, createdAtMs: Math.floor(birthtimeMs), changedAtMs, times });
      }
      this.#times = new Map(segments.map(({ key, times }) => [key, times]));
      return await use(segments);
    } finally {
      for (const { file } of segments) await file.close();
    }
  }
}

const streamName = 'log';

async function readOn(segments: readonly Segment[], query: LogQuery): Promise<LogPage> {
  const start = query.cursor === null ? { segment: 0, offset: 0 } : positionOf(segments, query.cursor, 'head');
  const page = new Page(segments, query);
  let after = start;
  let scanned = 0;
  for (let segment = start.segment; segment < segments.length; segment++) {
    const { file, inode, times } = segments[segment] as Segment;
    after = { segment, offset: segment === start.segment ? start.offset : 0 };
    for (const part of times.partsOf(query)) {
      if (part.end <= after.offset) continue;
      after = { segment, offset: Math.max(after.offset, part.start) };
      for await (const line of eachLine(file, after.offset, part.end, query.containing)) {
        const isFull = scanned > scannedBytesMax || (line.text !== null && !page.add(inode, line));
        if (isFull) return page.end(start, after, false);
        scanned += line.end - after.offset;
        after = { segment, offset: line.end };
      }
    }
    after = { segment, offset: Math.max(after.offset, times.end) };
  }
  return page.end(start, after, true);
}

async function readBack(segments: readonly Segment[], query: LogQuery): Promise<LogPage> {
  const last = { segment: segments.length - 1, offset: segments.at(-1)?.times.end ?? 0 };
  const start = query.cursor === null ? last : positionOf(segments, query.cursor, 'tail');
  const page = new Page(segments, query);
  let before = start;
  let scanned = 0;
  for (let segment = start.segment; segment >= 0; segment--) {
    const { file, inode, times } = segments[segment] as Segment;
    before = { segment, offset: segment === start.segment ? start.offset : times.end };
    for (const part of times.partsOf(query).reverse()) {
      if (part.start >= before.offset) continue;
      before = { segment, offset: Math.min(before.offset, part.end) };
      for await (const line of eachLineBack(file, part.start, before.offset, query.containing)) {
        const isFull = scanned > scannedBytesMax || (line.text !== null && !page.add(inode, line));
        if (isFull) return page.end(before, start, false);
        scanned += before.offset - line.start;
        before = { segment, offset: line.start };
      }
    }
    before = { segment, offset: 0 };
  }
  return page.end(before, start, true);
}

/** A page being filled. */
class Page {
  readonly #segments: readonly Segment[];
  readonly #query: LogQuery;
  readonly #events: LogEvent[] = [];
  #bytes = 0;
  #lastAtMs = 0;

  constructor(segments: readonly Segment[], query: LogQuery) {
    this.#segments = segments;
    this.#query = query;
  }

  /** False if the page is full. */
  add(inode: number, { text, start }: Line): boolean {
    const { fromMs, toMs, limit, matches } = this.#query;
    const message = text ?? '';
    const atMs = lineTime(message) ?? this.#lastAtMs;
    this.#lastAtMs = atMs;
    if (atMs < fromMs || atMs >= toMs || !matches(message)) return true;
    if (this.#events.length >= limit || (this.#bytes > 0 && this.#bytes + message.length > pageBytesMax)) return false;
    this.#bytes += message.length;
    this.#events.push({ id: `${inode}-${start}`, stream: streamName, atMs, ingestedAtMs: atMs, message });
    return true;
  }

  end(before: Position, after: Position, isEnd: boolean): LogPage {
    const events = this.#query.from === 'head' ? this.#events : this.#events.reverse();
    return { events, before: this.#cursorOf(before), after: this.#cursorOf(after), isEnd };
  }

  #cursorOf({ segment, offset }: Position): string {
    return `${this.#segments[segment]?.inode ?? 0}-${offset}`;
  }
}

/** Position of a cursor. A cursor in a deleted file is at the beginning of the oldest one. */
function positionOf(segments: readonly Segment[], cursor: string, from: LogQuery['from']): Position {
  const [, inode, offset] = /^(\d{1,20})-(\d{1,16})$/.exec(cursor) ?? [];
  if (inode === undefined || offset === undefined) throw invalidCursor();
  const segment = segments.findIndex((each) => String(each.inode) === inode);
  if (segment < 0) return { segment: 0, offset: 0 };
  const { size } = segments[segment] as Segment;
  return Number(offset) <= size ? { segment, offset: Number(offset) } : { segment, offset: from === 'head' ? 0 : size };
}

async function firstTime({ file, size }: Segment): Promise<number | null> {
  for await (const { text } of eachLine(file, 0, size)) return lineTime(text ?? '');
  return null;
}
