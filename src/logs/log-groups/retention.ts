/** Deletes expired log events, and the oldest beyond the size limits. */
import type { Database } from '../../storage/index.ts';
import type { LogGroup } from './log-group.ts';
import { deleteGroup, deleteOldestEvents, deleteStream, measureStreams } from './log-rows.ts';

/** In bytes. */
export interface LogLimits {
  /** Per group. */
  readonly groupBytesMax: number;
  /** For all groups. */
  readonly bytesMax: number;
}

/** Share of a limit that remains after trimming, so that not every sweep has to delete. */
const trimTarget = 0.9;
/** Groups created for endpoints and transforms, deleted when empty. */
const ownPrefix = '/aws/sagemaker/';
const ownStreamsMax = 1000;

/** An empty group of the server's own is deleted once it is older than its retention; a client's stays. */
export class LogRetention {
  readonly #db: Database;
  readonly #limits: LogLimits;
  /** Limits of groups that have one of their own. */
  readonly #own = new Map<string, number>();

  constructor(db: Database, limits: LogLimits) {
    this.#db = db;
    this.#limits = limits;
  }

  limitGroup(name: string, bytesMax: number): void {
    this.#own.set(name, bytesMax);
  }

  async sweep(groups: Map<string, LogGroup>, wallMs: number): Promise<void> {
    const { groupBytesMax, bytesMax } = this.#limits;
    for (const group of groups.values()) {
      const limit = this.#own.get(group.name) ?? groupBytesMax;
      const excessBytes = group.bytes > limit ? group.bytes - limit * trimTarget : 0;
      await this.#trim(group, excessBytes, wallMs);
      const isExpired = group.streams.size === 0 && group.name.startsWith(ownPrefix) && group.createdAtMs < group.retainedFromMs(wallMs);
      if (!isExpired) continue;
      groups.delete(group.name);
      await deleteGroup(this.#db, group.id);
    }
    for (const group of groups.values()) if (group.name.startsWith(ownPrefix)) await this.#deleteIdleStreams(group);
    for (;;) {
      const all = [...groups.values()].sort((one, other) => other.bytes - one.bytes);
      const bytes = all.reduce((sum, group) => sum + group.bytes, 0);
      const [largest] = all;
      if (bytes <= bytesMax || largest === undefined) return;
      await this.#trim(largest, Math.min(bytes - bytesMax * trimTarget, largest.bytes / 2 + 1), wallMs);
    }
  }

  /** Deletes the streams that have been idle the longest: each function creates one, and functions are short-lived. */
  async #deleteIdleStreams(group: LogGroup): Promise<void> {
    if (group.streams.size <= ownStreamsMax) return;
    const byIngestion = [...group.streams.values()].sort((one, other) => (one.ingestedAtMs ?? 0) - (other.ingestedAtMs ?? 0));
    for (const stream of byIngestion.slice(0, group.streams.size - ownStreamsMax * trimTarget)) {
      group.streams.delete(stream.name);
      stream.isDeleted = true;
      await deleteStream(this.#db, stream.id);
    }
  }

  async #trim(group: LogGroup, bytes: number, wallMs: number): Promise<void> {
    const retainedFromMs = group.retainedFromMs(wallMs);
    const hasExpired = [...group.streams.values()].some(({ firstAtMs }) => firstAtMs !== null && firstAtMs < retainedFromMs);
    if (bytes === 0 && !hasExpired) return;
    await deleteOldestEvents(this.#db, group.id, bytes, retainedFromMs);
    const measured = await measureStreams(this.#db, group.id);
    for (const stream of group.streams.values()) {
      const { bytes: left = 0, firstAtMs = null, lastAtMs = null } = measured.get(stream.id) ?? {};
      Object.assign(stream, { bytes: left, firstAtMs, lastAtMs });
      if (firstAtMs !== null || stream.ingestedAtMs === null || stream.ingestedAtMs >= retainedFromMs) continue;
      group.streams.delete(stream.name);
      stream.isDeleted = true;
      await deleteStream(this.#db, stream.id);
    }
  }
}
