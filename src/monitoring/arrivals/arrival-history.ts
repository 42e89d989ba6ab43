/**
 * Who came to each variant, second by second, kept in the database so that it can be replayed: for two days by the second, for
 * ninety by the minute. The source are counters that only rise; they are looked at once a second, away from the requests, and
 * what they say is written every ten seconds: a kill loses no more than that. What nobody counted is a gap, and no zero.
 */
import type { Clock } from '../../clock.ts';
import { PlatformError } from '../../errors.ts';
import { type Database, inTransaction } from '../../storage/index.ts';
import { MinuteRecord, secondsPerMinute } from './minute-record.ts';
import { clearOld, minutesCounted, minutesOf, readBefore, secondsOf, writeMinute } from './minute-rows.ts';

/** Who has come so far; only rises, but for one that begins anew. */
export interface ArrivedSoFar {
  readonly endpoint: string;
  readonly variant: string;
  readonly requests: number;
  readonly rows: number;
}

export interface ArrivalHistoryOptions {
  readonly db: Database;
  readonly clock: Clock;
  readonly arrived: () => readonly ArrivedSoFar[];
  /** Nothing is lost by it: what could not be written is written the next time. */
  readonly onFailure: (error: unknown) => void;
}

export interface ArrivalsWish {
  readonly endpoint: string;
  /** All of them where there is none. */
  readonly variant?: string | undefined;
  /** Epoch milliseconds; begins and ends with whole slots. */
  readonly fromMs: number;
  readonly toMs: number;
  /** A second or a minute. */
  readonly slotMs: 1000 | 60000;
}

/** Who came in each slot; null where nobody counted. */
export interface Arrivals {
  readonly fromMs: number;
  readonly slotMs: number;
  readonly requests: readonly (number | null)[];
  readonly rows: readonly (number | null)[];
}

const secondMs = 1000;
const minuteMs = 60_000;
const dayMs = 86_400_000;
export const secondsKeptMs: number = 2 * dayMs;
export const minutesKeptMs: number = 90 * dayMs;
const slotsMax = 200_000;
const writeEvery = 10;
/** Who comes while the process is held up for so many seconds is spread over them; beyond, the machine was asleep. */
const lateSecondsMax = 10;
/** A timer that comes a little early would see the second before. */
const afterSecondMs = 5;

export class ArrivalHistory {
  readonly #options: ArrivalHistoryOptions;
  /** What the counters said when they were last looked at. */
  readonly #seen = new Map<string, { readonly requests: number; readonly rows: number }>();
  /** The minute that runs, and those that are not written yet. */
  readonly #minutes = new Map<number, MinuteRecord>();
  /** The second that runs, since the epoch. */
  #second: number;
  #looks = 0;
  #clearedHour = 0;
  /** One after the other, so that what is read is written or not, never half. */
  #turn: Promise<unknown> = Promise.resolve();
  #cancelTimer: () => void = () => undefined;

  constructor(options: ArrivalHistoryOptions) {
    this.#options = options;
    this.#second = this.#secondNow();
  }

  open(): void {
    this.#lookLater();
  }

  /** Writes what is left, the second that has just begun included. */
  async close(): Promise<void> {
    this.#cancelTimer();
    this.#look();
    this.#minute(this.#second).count(this.#second);
    await this.#write();
  }

  /** Up to now, where that is asked for. Throws `invalid_request` for more than 200 000 slots, or none. */
  async list(wish: ArrivalsWish): Promise<Arrivals> {
    const { fromMs, toMs, slotMs } = wish;
    const from = Math.floor(fromMs / slotMs);
    const slots = Math.ceil(toMs / slotMs) - from;
    if (!(slots > 0 && slots <= slotsMax)) {
      const got = slots > 0 ? `these are ${slots}` : 'the end is not after the beginning';
      throw new PlatformError('invalid_request', `expected from 1 to ${slotsMax} slots of ${slotMs / 1000} s, and ${got}`);
    }
    this.#look();
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
    if (slotMs === minuteMs) for (const row of await minutesOf(db, wish, span)) put(row.minute / minuteMs, row.requests, row.rows);
    else
      for (const { minute, seconds } of await secondsOf(db, wish, span))
        for (const [s, requestsThen, rowsThen] of seconds) put(minute / secondMs + s, requestsThen, rowsThen);
    return { fromMs: from * slotMs, slotMs, requests, rows };
  }

  /** The minute in which somebody first came to an endpoint of that name, as far as is remembered. */
  async firstMs(endpoint: string): Promise<number | null> {
    const row = await this.#options.db
      .selectFrom('minute_arrivals')
      .select(({ fn }) => fn.min('minute').as('minute'))
      .where('endpoint_key', '=', endpoint.toLowerCase())
      .executeTakeFirst();
    return row?.minute ?? null;
  }

  #lookLater(): void {
    const { clock } = this.#options;
    const untilNextMs = secondMs - (clock.wallMs() % secondMs);
    this.#cancelTimer = clock.after(untilNextMs + afterSecondMs, () => {
      this.#look();
      if (++this.#looks % writeEvery === 0) void this.#write();
      this.#lookLater();
    });
  }

  /** Who came since last time came in the second of last time; where it was long ago, in those since then. */
  #look(): void {
    const now = this.#secondNow();
    const elapsed = now - this.#second;
    const isOver = elapsed !== 0;
    const span = elapsed > 1 && elapsed <= lateSecondsMax ? elapsed : 1;
    for (const soFar of this.#options.arrived()) {
      const { endpoint, variant } = soFar;
      const key = `${endpoint}/${variant}`;
      const [requests, rows] = this.#news(key, soFar);
      if (requests === 0) continue;
      for (let i = 0; i < span; i++) {
        const second = this.#second + i;
        this.#minute(second).add(second, { endpoint, variant }, part(requests, i, span), part(rows, i, span));
      }
    }
    if (!isOver) return;
    for (let i = 0; i < span; i++) this.#minute(this.#second + i).count(this.#second + i);
    this.#second = now;
  }

  /** What a counter has more than last time; one that has less began anew. */
  #news(key: string, { requests, rows }: ArrivedSoFar): [number, number] {
    const seen = this.#seen.get(key);
    if (seen?.requests === requests) return [0, 0];
    this.#seen.set(key, { requests, rows });
    return seen === undefined || requests < seen.requests ? [requests, rows] : [requests - seen.requests, rows - seen.rows];
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
        await inTransaction(db, async (tx) => {
          for (const record of changed) {
            record.before ??= await readBefore(tx, record.minuteMs);
            await writeMinute(tx, record);
          }
          const nowMs = this.#second * secondMs;
          if (this.#clearedHour !== hour) await clearOld(tx, { minutesMs: nowMs - minutesKeptMs, secondsMs: nowMs - secondsKeptMs });
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

/** Of so many, the part of the i-th of `parts`, as even as whole numbers are. */
function part(count: number, i: number, parts: number): number {
  return Math.floor(((i + 1) * count) / parts) - Math.floor((i * count) / parts);
}
