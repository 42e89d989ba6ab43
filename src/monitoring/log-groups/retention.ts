/** What is forgotten of log groups: what is older than they keep it, and the oldest of what is too much. */
import type { Database } from '../../storage/index.ts';
import type { LogGroup } from './log-group.ts';
import { clearOldest, deleteGroup, deleteStream, measureStreams } from './log-rows.ts';

export interface LogLimits {
  /** Of one group. */
  readonly groupBytesMax: number;
  /** Of all of them. */
  readonly bytesMax: number;
}

/** Down to so much of the limit, so that there is not something to forget each time. */
const trimmedTo = 0.9;
/** Groups that come with what they tell of, and go with it. */
const ownPrefix = '/aws/sagemaker/';
const ownStreamsMax = 1000;

export class LogRetention {
  readonly #db: Database;
  readonly #limits: LogLimits;

  constructor(db: Database, limits: LogLimits) {
    this.#db = db;
    this.#limits = limits;
  }

  async sweep(groups: Map<string, LogGroup>, wallMs: number): Promise<void> {
    const { groupBytesMax, bytesMax } = this.#limits;
    for (const group of groups.values()) {
      const tooMuch = group.bytes > groupBytesMax ? group.bytes - groupBytesMax * trimmedTo : 0;
      await this.#trim(group, tooMuch, wallMs);
      const isOver = group.streams.size === 0 && group.name.startsWith(ownPrefix) && group.createdAtMs < group.keptFromMs(wallMs);
      if (!isOver) continue;
      groups.delete(group.name);
      await deleteGroup(this.#db, group.id);
    }
    for (const group of groups.values()) if (group.name.startsWith(ownPrefix)) await this.#thin(group);
    for (;;) {
      const all = [...groups.values()].sort((one, other) => other.bytes - one.bytes);
      const bytes = all.reduce((sum, group) => sum + group.bytes, 0);
      const [largest] = all;
      if (bytes <= bytesMax || largest === undefined) return;
      await this.#trim(largest, Math.min(bytes - bytesMax * trimmedTo, largest.bytes / 2 + 1), wallMs);
    }
  }

  /** Functions come and go, each with a stream of its own: the ones that were silent longest go. */
  async #thin(group: LogGroup): Promise<void> {
    if (group.streams.size <= ownStreamsMax) return;
    const silent = [...group.streams.values()].sort((one, other) => (one.ingestedAtMs ?? 0) - (other.ingestedAtMs ?? 0));
    for (const stream of silent.slice(0, group.streams.size - ownStreamsMax * trimmedTo)) {
      group.streams.delete(stream.name);
      stream.isGone = true;
      await deleteStream(this.#db, stream.id);
    }
  }

  async #trim(group: LogGroup, bytes: number, wallMs: number): Promise<void> {
    const keptFromMs = group.keptFromMs(wallMs);
    const isOld = [...group.streams.values()].some(({ firstAtMs }) => firstAtMs !== null && firstAtMs < keptFromMs);
    if (bytes === 0 && !isOld) return;
    await clearOldest(this.#db, group.id, bytes, keptFromMs);
    const measured = await measureStreams(this.#db, group.id);
    for (const stream of group.streams.values()) {
      const { bytes: left = 0, firstAtMs = null, lastAtMs = null } = measured.get(stream.id) ?? {};
      Object.assign(stream, { bytes: left, firstAtMs, lastAtMs });
      if (firstAtMs !== null || stream.ingestedAtMs === null || stream.ingestedAtMs >= keptFromMs) continue;
      group.streams.delete(stream.name);
      stream.isGone = true;
      await deleteStream(this.#db, stream.id);
    }
  }
}
