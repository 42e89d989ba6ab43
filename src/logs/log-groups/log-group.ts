/** In-memory state of a log group and its streams; events are database rows. */

import type { LogGroupView, LogStreamView } from './log-event.ts';
import type { GroupRow, StreamRow } from './log-rows.ts';

/** A group in memory. Its changes are written with the next events. */
export class LogGroup {
  readonly id: number;
  readonly name: string;
  readonly createdAtMs: number;
  retentionDays: number | null;
  readonly streams = new Map<string, LogStream>();
  readonly limiter: RateLimiter;
  /** Has changes not stored in the database. */
  isDirty = false;

  constructor({ id, name, createdAtMs, retentionDays }: GroupRow, nowMs: number) {
    this.id = id;
    this.name = name;
    this.createdAtMs = createdAtMs;
    this.retentionDays = retentionDays;
    this.limiter = new RateLimiter(nowMs);
  }

  get bytes(): number {
    let bytes = 0;
    for (const stream of this.streams.values()) bytes += stream.bytes;
    return bytes;
  }

  /** Events before this time are expired. Epoch milliseconds. */
  retainedFromMs(wallMs: number): number {
    return this.retentionDays === null ? 0 : wallMs - this.retentionDays * 86_400_000;
  }

  view(): LogGroupView {
    const { name, createdAtMs, retentionDays, bytes } = this;
    return { name, createdAtMs, retentionDays, bytes };
  }

  row(): GroupRow {
    const { id, name, createdAtMs, retentionDays } = this;
    return { id, name, createdAtMs, retentionDays };
  }
}

/** A stream in memory, with what lists show of it. */
export class LogStream {
  readonly id: number;
  readonly group: LogGroup;
  readonly name: string;
  readonly createdAtMs: number;
  firstAtMs: number | null;
  lastAtMs: number | null;
  ingestedAtMs: number | null;
  bytes: number;
  /** How far the file has been read whose lines it holds; null for other streams. */
  sourceOffset: number | null;
  isDirty = false;
  /** Deleted: pending lines are discarded. */
  isDeleted = false;
  /** Lines dropped since the last stored one. */
  skipped = 0;

  constructor(group: LogGroup, row: Omit<StreamRow, 'groupId'>) {
    this.group = group;
    this.id = row.id;
    this.name = row.name;
    this.createdAtMs = row.createdAtMs;
    this.firstAtMs = row.firstAtMs;
    this.lastAtMs = row.lastAtMs;
    this.ingestedAtMs = row.ingestedAtMs;
    this.bytes = row.bytes;
    this.sourceOffset = row.sourceOffset;
  }

  /** Accounts for a new event. */
  addEvent(atMs: number, bytes: number, wallMs: number): void {
    this.firstAtMs = Math.min(this.firstAtMs ?? atMs, atMs);
    this.lastAtMs = Math.max(this.lastAtMs ?? atMs, atMs);
    this.ingestedAtMs = wallMs;
    this.bytes += bytes;
    this.isDirty = true;
  }

  view(): LogStreamView {
    const { name, createdAtMs, firstAtMs, lastAtMs, ingestedAtMs, bytes } = this;
    return { name, createdAtMs, firstAtMs, lastAtMs, ingestedAtMs, bytes };
  }

  row(): StreamRow {
    return { id: this.id, groupId: this.group.id, ...this.view(), sourceOffset: this.sourceOffset };
  }
}

/** Limits printed lines of a group: a burst, then a rate per second, in lines and bytes. */

const lineRate = { perSecond: 500, burst: 5000 };
const byteRate = { perSecond: 512 * 1024, burst: 4 * 1024 * 1024 };

class RateLimiter {
  #lines = lineRate.burst;
  #bytes = byteRate.burst;
  #atMs: number;

  constructor(nowMs: number) {
    this.#atMs = nowMs;
  }

  /** Admits a line of `bytes` if both limits allow it. */
  admits(bytes: number, nowMs: number): boolean {
    const seconds = (nowMs - this.#atMs) / 1000;
    this.#atMs = nowMs;
    this.#lines = Math.min(lineRate.burst, this.#lines + seconds * lineRate.perSecond);
    this.#bytes = Math.min(byteRate.burst, this.#bytes + seconds * byteRate.perSecond);
    if (this.#lines < 1 || this.#bytes < bytes) return false;
    this.#lines--;
    this.#bytes -= bytes;
    return true;
  }
}
