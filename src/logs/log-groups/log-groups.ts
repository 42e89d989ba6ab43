/**
 * Log groups as in CloudWatch Logs: output of workers and containers, failed requests, and events put by clients. The server's own lines
 * are buffered and written each second, so a kill loses no more. Rate, memory, each group and the total are bounded; dropped lines are
 * counted and marked where they are missing.
 */
import type { Clock } from '../../clock.ts';
import { PlatformError } from '../../errors.ts';
import type { Database } from '../../storage/index.ts';
import type { FileGroup } from './file-group.ts';
import { asLine, eventOverheadBytes, type LogGroupView, type LogPage, type LogQuery, type LogStreamView } from './log-event.ts';
import { LogGroup, LogStream } from './log-group.ts';
import { deleteGroup, deleteStream, type EventRow, readAll, writeBatch } from './log-rows.ts';
import { readLogRows } from './read-rows.ts';
import { LogRetention } from './retention.ts';

/** Where events are stored, and how many. */
export interface LogGroupsOptions {
  readonly db: Database;
  readonly clock: Clock;
  /** Groups backed by log files, which are read-only here. */
  readonly files: readonly FileGroup[];
  /** Writing failed: lines are retained within bounds and retried. Called once per failure period. */
  readonly onFailure: (error: unknown) => void;
  /** Limit per group. Default: 64 MiB. */
  readonly groupBytesMax?: number;
  /** Limit for all groups. Default: 512 MiB. */
  readonly bytesMax?: number;
}

/** An event to be put. */
export interface LogEventInput {
  /** Epoch milliseconds. */
  readonly atMs: number;
  readonly message: string;
}

const writeAfterMs = 1000;
const retryAfterMs = 5000;
const sweepEveryMs = 60_000;
const eventsPerBatch = 2000;
/** Limit of buffered bytes. */
const waitingBytesMax = 8 * 1024 * 1024;
/** Limits for clients. The server's own lines can create up to twice as many, so clients cannot exhaust them. */
const groupsMax = 20_000;
const streamsPerGroupMax = 5000;
const ownFactor = 2;
/** Retention of groups created by the server. */
const ownRetentionDays = 30;

export class LogGroups {
  readonly #options: LogGroupsOptions;
  readonly #groups = new Map<string, LogGroup>();
  readonly #files: ReadonlyMap<string, FileGroup>;
  readonly #retention: LogRetention;
  #lastId = 0;
  #lastSeq = 0;
  #waiting: { readonly stream: LogStream; readonly row: EventRow }[] = [];
  #waitingBytes = 0;
  /** Streams with dropped lines that are not reported yet. */
  readonly #gaps = new Set<LogStream>();
  #dropped = 0;
  #isFailing = false;
  #isClosed = false;
  #running: Promise<unknown> = Promise.resolve();
  #cancelWrite: (() => void) | null = null;
  #cancelSweep: () => void = () => {};

  constructor(options: LogGroupsOptions) {
    this.#options = options;
    this.#files = new Map(options.files.map((file) => [file.name, file]));
    const { groupBytesMax = 64 * 1024 ** 2, bytesMax = 512 * 1024 ** 2 } = options;
    this.#retention = new LogRetention(options.db, { groupBytesMax, bytesMax });
  }

  /** Reads names and counts of groups and streams, not their events. */
  async open(): Promise<void> {
    const { groups, streams, lastSeq } = await readAll(this.#options.db);
    const byId = new Map<number, LogGroup>();
    for (const row of groups) {
      const group = new LogGroup(row, this.#options.clock.nowMs());
      byId.set(row.id, group);
      this.#groups.set(row.name, group);
      this.#lastId = Math.max(this.#lastId, row.id);
    }
    for (const row of streams) {
      const group = byId.get(row.groupId);
      group?.streams.set(row.name, new LogStream(group, row));
      this.#lastId = Math.max(this.#lastId, row.id);
    }
    this.#lastSeq = lastSeq;
    this.#sweepLater();
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    this.#cancelSweep();
    await this.flush();
    this.#cancelWrite?.();
  }

  /** Lines dropped because of rate limits or write failures. */
  get dropped(): number {
    return this.#dropped;
  }

  /** Writes a line of the server, at the nearest whole millisecond. Creates missing groups and streams. Never throws. */
  write(groupName: string, streamName: string, text: string, atMs: number = this.#options.clock.wallMs()): void {
    const stream = this.#isClosed ? null : this.#streamFor(groupName, streamName);
    if (stream === null) {
      this.#dropped++;
      return;
    }
    const message = asLine(text);
    const bytes = Buffer.byteLength(message) + eventOverheadBytes;
    const hasRoom = this.#waitingBytes + bytes <= waitingBytesMax;
    if (hasRoom && stream.group.limiter.admits(bytes, this.#options.clock.nowMs())) {
      this.#reportGap(stream);
      // Of a line that a host printed, the time is known from its age, which is fractional. PostgreSQL has whole numbers.
      this.#add(stream, Math.round(atMs), message, bytes);
    } else {
      stream.skipped++;
      this.#dropped++;
      this.#gaps.add(stream);
    }
    this.#cancelWrite ??= this.#options.clock.after(this.#isFailing ? retryAfterMs : writeAfterMs, () => void this.flush());
  }

  /** Gives a group another limit than the others, until the server stops. */
  limitGroup(name: string, bytesMax: number): void {
    this.#retention.limitGroup(name, bytesMax);
  }

  /** Resolves once buffered lines are stored or writing failed. */
  async flush(): Promise<void> {
    if (this.#waiting.length === 0 && this.#gaps.size === 0) return;
    await this.#inTurn(() => this.#drain());
  }

  /** By name. */
  async groups(): Promise<LogGroupView[]> {
    const files = await Promise.all([...this.#files.values()].map((file) => file.view()));
    return [...[...this.#groups.values()].map((group) => group.view()), ...files].sort((one, other) => (one.name < other.name ? -1 : 1));
  }

  has(name: string): boolean {
    return this.#groups.has(name) || this.#files.has(name);
  }

  /** By name. Throws `not_found`. */
  async streams(groupName: string): Promise<LogStreamView[]> {
    const file = this.#files.get(groupName);
    if (file !== undefined) return [await file.streamView()];
    const streams = [...this.#group(groupName).streams.values()].map((stream) => stream.view());
    return streams.sort((one, other) => (one.name < other.name ? -1 : 1));
  }

  /** Throws `not_found`, or `invalid_request` for an invalid cursor. */
  async read(groupName: string, query: LogQuery): Promise<LogPage> {
    const file = this.#files.get(groupName);
    if (file !== undefined) return file.read(query);
    await this.flush();
    return readLogRows(this.#options.db, this.#group(groupName), query, this.#options.clock.wallMs());
  }

  /** Throws `already_exists`, `overloaded`. */
  async createGroup(name: string): Promise<void> {
    if (this.has(name)) throw new PlatformError('already_exists', 'The specified log group already exists');
    if (this.#groups.size >= groupsMax) throw tooMany('log groups', groupsMax);
    const group = this.#makeGroup(name, null);
    await this.#inTurn(() => this.#writeBatch({ groups: [group.row()] }));
    group.isDirty = false;
  }

  /** Creates a missing group and stream that a client will put events to. Throws `overloaded`, `wrong_state`. */
  make(groupName: string, streamName: string): void {
    if (this.#files.has(groupName)) this.#groupToChange(groupName);
    const group = this.#groups.get(groupName);
    if (group === undefined && this.#groups.size >= groupsMax) throw tooMany('log groups', groupsMax);
    const isNew = group?.streams.has(streamName) !== true;
    if (isNew && (group?.streams.size ?? 0) >= streamsPerGroupMax) throw tooMany('log streams in a group', streamsPerGroupMax);
    this.#streamFor(groupName, streamName);
  }

  async deleteGroup(name: string): Promise<void> {
    const group = this.#groupToChange(name);
    this.#groups.delete(name);
    for (const stream of group.streams.values()) stream.isDeleted = true;
    await this.#inTurn(() => deleteGroup(this.#options.db, group.id));
  }

  async setRetention(name: string, days: number | null): Promise<void> {
    const group = this.#groupToChange(name);
    group.retentionDays = days;
    await this.#inTurn(() => this.#writeBatch({ groups: [group.row()] }));
  }

  async createStream(groupName: string, name: string): Promise<void> {
    const group = this.#groupToChange(groupName);
    if (group.streams.has(name)) throw new PlatformError('already_exists', 'The specified log stream already exists');
    if (group.streams.size >= streamsPerGroupMax) throw tooMany('log streams in a group', streamsPerGroupMax);
    const stream = this.#makeStream(group, name);
    await this.#inTurn(() => this.#writeBatch({ groups: [group.row()], streams: [stream.row()] }));
  }

  async deleteStream(groupName: string, name: string): Promise<void> {
    const group = this.#groupToChange(groupName);
    const stream = this.#stream(group, name);
    group.streams.delete(name);
    stream.isDeleted = true;
    await this.#inTurn(() => deleteStream(this.#options.db, stream.id));
  }

  /** Stores events of a client, ordered by time; resolves when stored. Throws `not_found`. */
  async put(groupName: string, streamName: string, events: readonly LogEventInput[]): Promise<void> {
    const group = this.#groupToChange(groupName);
    const stream = this.#stream(group, streamName);
    const rows = this.#rowsOf(stream, events);
    await this.#inTurn(() => this.#writeBatch({ groups: [group.row()], streams: [stream.row()], events: rows }));
    this.#count(stream, rows);
  }

  /** How far a file was read whose lines a stream holds, as `follow` stored it; 0 if the stream does not exist. */
  sourceOffset(groupName: string, streamName: string): number {
    return this.#groups.get(groupName)?.streams.get(streamName)?.sourceOffset ?? 0;
  }

  /**
   * Stores lines of a file together with the offset behind them, in one transaction: a reader that continues from
   * `sourceOffset` after a crash loses no line and stores none twice. Creates missing groups and streams. Throws `overloaded` if there are too many streams.
   */
  async follow(groupName: string, streamName: string, events: readonly LogEventInput[], offset: number): Promise<void> {
    const stream = this.#streamFor(groupName, streamName);
    if (stream === null) throw tooMany('log streams in a group', streamsPerGroupMax * ownFactor);
    const rows = this.#rowsOf(stream, events);
    const changed = { ...stream.row(), sourceOffset: offset };
    await this.#inTurn(() => this.#writeBatch({ groups: [stream.group.row()], streams: [changed], events: rows }));
    stream.sourceOffset = offset;
    this.#count(stream, rows);
  }

  #rowsOf({ id, group }: LogStream, events: readonly LogEventInput[]): EventRow[] {
    const ingestedAtMs = this.#options.clock.wallMs();
    return events.map(({ atMs, message: provided }) => {
      const message = provided.toWellFormed().replaceAll('\u0000', '\\x00'); // PostgreSQL rejects NUL characters
      const bytes = Buffer.byteLength(message) + eventOverheadBytes;
      return { seq: ++this.#lastSeq, groupId: group.id, streamId: id, atMs, ingestedAtMs, bytes, message };
    });
  }

  #count(stream: LogStream, rows: readonly EventRow[]): void {
    for (const { atMs, bytes, ingestedAtMs } of rows) stream.addEvent(atMs, bytes, ingestedAtMs);
    this.#writeLater();
  }

  /** Deletes expired events and those over the limits. Also runs once a minute. */
  async sweep(): Promise<void> {
    await this.flush();
    await this.#inTurn(() => this.#retention.sweep(this.#groups, this.#options.clock.wallMs()));
  }

  async #drain(): Promise<void> {
    this.#cancelWrite?.();
    this.#cancelWrite = null;
    for (;;) {
      for (const stream of this.#gaps) if (this.#waitingBytes < waitingBytesMax) this.#reportGap(stream);
      if (this.#waiting.length === 0) return;
      const batch = this.#waiting.slice(0, eventsPerBatch);
      const retained = batch.filter(({ stream }) => !stream.isDeleted);
      const streams = [...new Set(retained.map(({ stream }) => stream))];
      const groups = [...new Set(streams.map(({ group }) => group))].filter(({ isDirty }) => isDirty);
      try {
        await this.#writeBatch({
          groups: groups.map((group) => group.row()),
          streams: streams.map((stream) => stream.row()),
          events: retained.map(({ row }) => row),
        });
      } catch (error) {
        if (!this.#isFailing) this.#options.onFailure(error);
        this.#isFailing = true;
        if (!this.#isClosed) this.#writeLater();
        return;
      }
      for (const group of groups) group.isDirty = false;
      this.#isFailing = false;
      this.#waiting.splice(0, batch.length);
      for (const { row } of batch) this.#waitingBytes -= row.bytes;
    }
  }

  #add(stream: LogStream, atMs: number, message: string, bytes: number): void {
    const ingestedAtMs = this.#options.clock.wallMs();
    const row = { seq: ++this.#lastSeq, groupId: stream.group.id, streamId: stream.id, atMs, ingestedAtMs, bytes, message };
    this.#waiting.push({ stream, row });
    this.#waitingBytes += bytes;
    stream.addEvent(atMs, bytes, ingestedAtMs);
  }

  /** Marks missing lines with their number. */
  #reportGap(stream: LogStream): void {
    if (stream.skipped === 0) return;
    const why = this.#isFailing ? 'writing to the disk failed' : 'the rate limit was exceeded';
    const text = `(${stream.skipped} lines were dropped here: ${why})`;
    stream.skipped = 0;
    this.#gaps.delete(stream);
    this.#add(stream, this.#options.clock.wallMs(), text, text.length + eventOverheadBytes);
  }

  #streamFor(groupName: string, streamName: string): LogStream | null {
    const isFull = this.#files.has(groupName) || this.#groups.size >= groupsMax * ownFactor;
    const group = this.#groups.get(groupName) ?? (isFull ? null : this.#makeGroup(groupName, ownRetentionDays));
    const stream = group?.streams.get(streamName);
    if (group === null || stream !== undefined) return stream ?? null;
    return group.streams.size >= streamsPerGroupMax * ownFactor ? null : this.#makeStream(group, streamName);
  }

  #makeGroup(name: string, retentionDays: number | null): LogGroup {
    const { clock } = this.#options;
    const group = new LogGroup({ id: ++this.#lastId, name, createdAtMs: clock.wallMs(), retentionDays }, clock.nowMs());
    group.isDirty = true;
    this.#groups.set(name, group);
    return group;
  }

  #makeStream(group: LogGroup, name: string): LogStream {
    const times = { createdAtMs: this.#options.clock.wallMs(), firstAtMs: null, lastAtMs: null, ingestedAtMs: null };
    const stream = new LogStream(group, { id: ++this.#lastId, name, bytes: 0, sourceOffset: null, ...times });
    group.streams.set(name, stream);
    return stream;
  }

  #group(name: string): LogGroup {
    const group = this.#groups.get(name);
    if (group === undefined) throw new PlatformError('not_found', 'The specified log group does not exist.');
    return group;
  }

  #groupToChange(name: string): LogGroup {
    if (this.#files.has(name)) throw new PlatformError('wrong_state', `${name} is written by the server and is read-only`);
    return this.#group(name);
  }

  #stream(group: LogGroup, name: string): LogStream {
    const stream = group.streams.get(name);
    if (stream === undefined) throw new PlatformError('not_found', 'The specified log stream does not exist.');
    return stream;
  }

  #writeBatch(batch: Parameters<typeof writeBatch>[1]): Promise<void> {
    return writeBatch(this.#options.db, batch);
  }

  /** Serializes operations. */
  #inTurn<T>(run: () => Promise<T>): Promise<T> {
    const mine = this.#running.then(run);
    this.#running = mine.catch(() => undefined);
    return mine;
  }

  #sweepLater(): void {
    this.#cancelSweep = this.#options.clock.after(sweepEveryMs, () => {
      void this.sweep()
        .catch((error: unknown) => this.#options.onFailure(error))
        .finally(() => {
          if (!this.#isClosed) this.#sweepLater();
        });
    });
  }

  #writeLater(): void {
    this.#cancelWrite ??= this.#options.clock.after(this.#isFailing ? retryAfterMs : writeAfterMs, () => void this.flush());
  }
}

function tooMany(what: string, most: number): PlatformError {
  return new PlatformError('overloaded', `the limit of ${most} ${what} is reached. Delete some first`);
}
