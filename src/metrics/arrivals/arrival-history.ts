/**
 * Stores the arrivals of each variant so that they can be replayed: per second for two days, per minute for ninety. It polls monotonic
 * counters once a second, off the request path, and writes every second while requests arrive, otherwise every ten. A kill loses at
 * most that much. Seconds that were not counted are gaps, not zeros.
 */

import type { Clock } from '../../clock.ts';
import { PlatformError } from '../../errors.ts';
import { nameKey } from '../../names.ts';
import { type Database, inTransaction, WritePace } from '../../storage/index.ts';
import { MinuteRecord, secondsPerMinute } from './minute-record.ts';
import { deleteOldMinutes, minutesCounted, minutesOf, readPrevious, secondsOf, writeMinute } from './minute-rows.ts';

/** Totals so far; they only decrease when a counter restarts from zero. */
export interface ArrivedSoFar {
  readonly endpoint: string;
  readonly variant: string;
  readonly requests: number;
  readonly rows: number;
}

/** Where counts come from: monotonic counters, read once a second. */
export interface ArrivalHistoryOptions {
  readonly db: Database;
  readonly clock: Clock;
  readonly arrived: () => readonly ArrivedSoFar[];
  /** Called if a write fails. Nothing is lost: the next write includes it. */
  readonly onFailure: (error: unknown) => void;
}

/** Which arrivals, in which resolution. */
export interface ArrivalsQuery {
  readonly endpoint: string;
  /** Default: all variants. */
  readonly variant?: string | undefined;
  /** Epoch milliseconds. The range is extended to whole slots. */
  readonly fromMs: number;
  readonly toMs: number;
  /** A second or a minute. */
  readonly slotMs: 1000 | 60000;
}

/** Arrivals by slot; null for slots that were not counted. */
export interface Arrivals {
  readonly fromMs: number;
  readonly slotMs: number;
  readonly requests: readonly (number | null)[];
  readonly rows: readonly (number | null)[];
}

const secondMs = 1000;
const minuteMs = 60_000;
const dayMs = 86_400_000;
/** How long arrivals are stored by the second. */
export const secondsRetentionMs: number = 2 * dayMs;
/** How long arrivals are stored by the minute. */
export const minutesRetentionMs: number = 90 * dayMs;
const slotsMax = 200_000;
/** After a stall of up to this many seconds, arrivals are spread over it. After a longer one, the machine must have been asleep. */
const lateSecondsMax = 10;
/** A timer that fires slightly early would see the previous second. */
const afterSecondMs = 5;

/** Seconds in which the server did not run are gaps, not zeros. */
export class ArrivalHistory {
  readonly #options: ArrivalHistoryOptions;
  /** Counter values at the last poll. */
  readonly #observed = new Map<string, { readonly requests: number; readonly rows: number }>();
  /** The current minute, and those not written yet. */
  readonly #minutes = new Map<number, MinuteRecord>();
  /** The current second, since the epoch. */
  #second: number;
  readonly #pace: WritePace;
  /** There are arrivals that are not written yet. */
  #hasChanges = false;
  #clearedHour = 0;
  /** Serializes reads and writes, so that a read never sees half a write. */
  #turn: Promise<unknown> = Promise.resolve();
  #cancelTimer: () => void = () => undefined;

  constructor(options: ArrivalHistoryOptions) {
    this.#options = options;
    this.#second = this.#secondNow();
    this.#pace = new WritePace(options.clock);
  }

  open(): void {
    this.#schedulePoll();
  }

  /** Writes everything, including the second that has just begun. */
  async close(): Promise<void> {
    this.#cancelTimer();
    this.#poll();
    this.#minute(this.#second).count(this.#second);
    await this.#write();
  }

  /** Includes arrivals up to now. Throws `invalid_request` for no slots or more than 200,000. */
  async list(query: ArrivalsQuery): Promise<Arrivals> {
    const { fromMs, toMs, slotMs } = query;
    const from = Math.floor(fromMs / slotMs);
    const slots = Math.ceil(toMs / slotMs) - from;
    if (!(slots > 0 && slots <= slotsMax)) {
      const got = slots > 0 ? `${slots}` : 'an end that is not after the start';
      throw new PlatformError('invalid_request', `expected 1 to ${slotsMax} slots of ${slotMs / 1000} s, got ${got}`);
    }
    this.#poll();
    this.#minute(this.#second).count(this.#second);
    await this.#write();
    const { db } = this.#options;
    const [requests, rows] = [new Array<number | null>(slots).fill(null), new Array<number | null>(slots).fill(null)];
    const put = (slot: number, requestsThen: number, rowsThen: number): void => {
      if (slot < from || slot >= from + slots) return;
      requests[slot - from] = (requests[slot - from] ?? 0) + requestsThen;
      rows[slot - from] = (rows[slot - from] ?? 0) + rowsThen;
    };
    const span = { fromMs: Math.floor(fromMs / minuteMs) * minuteMs, toMs };
    for (const { minute, counted } of await minutesCounted(db, span)) {
      if (slotMs === minuteMs) {
        if (counted.includes('1')) put(minute / minuteMs, 0, 0);
      } else for (let s = 0; s < secondsPerMinute; s++) if (counted[s] === '1') put(minute / secondMs + s, 0, 0);
    }
    if (slotMs === minuteMs) for (const row of await minutesOf(db, query, span)) put(row.minute / minuteMs, row.requests, row.rows);
    else
      for (const { minute, seconds } of await secondsOf(db, query, span))
        for (const [s, requestsThen, rowsThen] of seconds) put(minute / secondMs + s, requestsThen, rowsThen);
    return { fromMs: from * slotMs, slotMs, requests, rows };
  }

  /** The first minute with arrivals for an endpoint of that name; null if none is stored. */
  async firstMs(endpoint: string): Promise<number | null> {
    const row = await this.#options.db
      .selectFrom('minute_arrivals')
      .select(({ fn }) => fn.min('minute').as('minute'))
      .where('endpoint_key', '=', nameKey(endpoint))
      .executeTakeFirst();
    return row?.minute ?? null;
  }

  #schedulePoll(): void {
    const { clock } = this.#options;
    const untilNextMs = secondMs - (clock.wallMs() % secondMs);
    this.#cancelTimer = clock.after(untilNextMs + afterSecondMs, () => {
      this.#poll();
      if (this.#pace.isDue(this.#hasChanges)) void this.#pace.write(() => this.#write());
      this.#schedulePoll();
    });
  }

  /** Assigns arrivals since the last poll to its second, or spreads them over the seconds since then after a short stall. */
  #poll(): void {
    const now = this.#secondNow();
    const elapsed = now - this.#second;
    const isOver = elapsed !== 0;
    const span = elapsed > 1 && elapsed <= lateSecondsMax ? elapsed : 1;
    for (const soFar of this.#options.arrived()) {
      const { endpoint, variant } = soFar;
      const key = `${endpoint}/${variant}`;
      const [requests, rows] = this.#changes(key, soFar);
      if (requests === 0) continue;
      this.#hasChanges = true;
      for (let i = 0; i < span; i++) {
        const second = this.#second + i;
        this.#minute(second).add(second, { endpoint, variant }, part(requests, i, span), part(rows, i, span));
      }
    }
    if (!isOver) return;
    for (let i = 0; i < span; i++) this.#minute(this.#second + i).count(this.#second + i);
    this.#second = now;
  }

  /** Increase since the last poll. A counter that decreased was restarted from zero. */
  #changes(key: string, { requests, rows }: ArrivedSoFar): [number, number] {
    const previous = this.#observed.get(key);
    if (previous?.requests === requests) return [0, 0];
    this.#observed.set(key, { requests, rows });
    return previous === undefined || requests < previous.requests ? [requests, rows] : [requests - previous.requests, rows - previous.rows];
  }

  #minute(second: number): MinuteRecord {
    const minute = Math.floor(second / secondsPerMinute) * minuteMs;
    let record = this.#minutes.get(minute);
    if (record === undefined) this.#minutes.set(minute, (record = new MinuteRecord(minute)));
    return record;
  }

  #write(): Promise<void> {
    return this.#inTurn(async () => {
      const { db } = this.#options;
      const changed = [...this.#minutes.values()].filter((record) => record.isChanged);
      const hour = Math.floor(this.#second / 3600);
      if (changed.length > 0) {
        const versions = changed.map((record) => record.version);
        this.#hasChanges = false;
        await inTransaction(db, async (tx) => {
          for (const record of changed) {
            record.before ??= await readPrevious(tx, record.minuteMs);
            await writeMinute(tx, record);
          }
          const nowMs = this.#second * secondMs;
          if (this.#clearedHour !== hour)
            await deleteOldMinutes(tx, { minutesMs: nowMs - minutesRetentionMs, secondsMs: nowMs - secondsRetentionMs });
        });
        this.#clearedHour = hour;
        for (const [i, record] of changed.entries()) record.written(versions[i] as number);
      }
      const current = this.#minute(this.#second);
      for (const [minute, record] of this.#minutes) if (record !== current && !record.isChanged) this.#minutes.delete(minute);
    }).catch(this.#options.onFailure);
  }

  #inTurn<T>(run: () => Promise<T>): Promise<T> {
    const result = this.#turn.then(run);
    this.#turn = result.catch(() => undefined);
    return result;
  }

  #secondNow(): number {
    return Math.floor(this.#options.clock.wallMs() / secondMs);
  }
}

/** The i-th of `parts` integer parts of `count`, as even as possible. */
function part(count: number, i: number, parts: number): number {
  return Math.floor(((i + 1) * count) / parts) - Math.floor((i * count) / parts);
}
