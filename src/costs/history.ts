/**
 * Use and cost by endpoint, variant and hour, stored for 400 days. An increase of the ledger is assigned to the hour of the
 * previous poll. The ledger is polled when an hour ends and before each write. So hours are exact up to timer delay, and nothing is
 * lost or counted twice if the clock is set.
 */

import type { Clock } from '../clock.ts';
import { PlatformError } from '../errors.ts';
import { nameKey, sameName } from '../names.ts';
import { type Database, type HourlyCostsTable, inSharedTransaction, type Transaction, WritePace } from '../storage/index.ts';
import { type Account, accountFields, addAccount, isSameAccount, newAccount, subtractAccount } from './account.ts';
import { type Ledger, type Usage, usageOf } from './ledger.ts';

/** How costs can be grouped. */
export const costPeriods = ['hour', 'day', 'total'] as const;
/** Days are those of UTC. */
export type CostPeriod = (typeof costPeriods)[number];

/** Use of one variant within one period. */
export interface CostLine extends Usage {
  /** When the period begins, epoch milliseconds. */
  readonly atMs: number;
  readonly endpoint: string;
  readonly variant: string;
}

/** Which costs, and how they are grouped. */
export interface CostsQuery {
  /** Default: all endpoints. */
  readonly endpoint?: string | undefined;
  /** Start and end, epoch milliseconds; the hours that contain them count in full. */
  readonly fromMs: number;
  readonly toMs: number;
  /** Group by hour, by UTC day, or into one total. */
  readonly by: CostPeriod;
}

/** The ledger that is polled, and where its increases are stored. */
export interface CostHistoryOptions {
  readonly db: Database;
  readonly clock: Clock;
  readonly ledger: Pick<Ledger, 'variants'>;
  /** Called if a write fails. Nothing is lost: the next write includes the same use. */
  readonly onFailure: (error: unknown) => void;
}

interface HourRow {
  readonly hourMs: number;
  readonly endpoint: string;
  readonly variant: string;
  /** Use in this hour since the row was created: since this server started, or since the clock was set back to this hour. */
  readonly used: Account;
  /** The part of `used` that is stored. */
  written: Account;
  /** Use stored before the row was created; null until read from the database. */
  before: Account | null;
}

/** Expands a time range to whole hours, since use is stored by the hour; the current hour counts up to now. */
export function wholeHours({ fromMs, toMs }: Pick<CostsQuery, 'fromMs' | 'toMs'>, nowMs: number): Pick<CostsQuery, 'fromMs' | 'toMs'> {
  return { fromMs: startOf(fromMs, hourMs), toMs: Math.max(toMs, Math.min(startOf(toMs - 1, hourMs) + hourMs, nowMs)) };
}

const hourMs = 3_600_000;
const dayMs = 24 * hourMs;
const pollEveryMs = 1000;
/** Days for which hours are stored: more than a year, so that a month can be compared with the same month of the last. */
export const costRetentionDays = 400;
const linesMax = 10_000;
/** Far below the limits of both databases for parameters per statement. */
const rowsPerInsert = 500;

/** Stores hourly use in the database and lists it. One instance per server. */
export class CostHistory {
  readonly #options: CostHistoryOptions;
  /** Ledger totals at the last poll. */
  readonly #observed = new Map<string, Account>();
  /** The current hour, and earlier ones that are not fully written. */
  readonly #rows = new Map<string, HourRow>();
  #hourMs: number;
  #clearedHourMs = 0;
  #pollAtMs: number;
  readonly #pace: WritePace;
  /** Number of requests and invocations at the last poll, and at the last write. */
  #counted = 0;
  #countedWritten = 0;
  /** Serializes reads and writes, so a read never sees a partial write. */
  #turn: Promise<unknown> = Promise.resolve();
  #cancelTimer: () => void = () => undefined;

  constructor(options: CostHistoryOptions) {
    this.#options = options;
    this.#hourMs = startOf(options.clock.wallMs(), hourMs);
    this.#pollAtMs = options.clock.nowMs() + pollEveryMs;
    this.#pace = new WritePace(options.clock);
  }

  /** Starts polling. */
  open(): void {
    this.#schedulePoll();
  }

  /** Stops polling and writes everything that is pending. */
  async close(): Promise<void> {
    this.#cancelTimer();
    this.#poll();
    await this.#write();
  }

  /**
   * Lists use in a time range, ordered by time, endpoint and variant; includes unwritten use. Throws `invalid_request` for an empty
   * range or more than 10,000 lines.
   */
  list(query: CostsQuery): Promise<CostLine[]> {
    if (!(query.fromMs < query.toMs)) {
      throw new PlatformError(
        'invalid_request',
        `expected a start before the end, got from ${isoOf(query.fromMs)} to ${isoOf(query.toMs)}`,
      );
    }
    return this.#inTurn(async () => {
      this.#poll();
      const lines = new Map<string, CostLine & { readonly account: Account }>();
      for (const row of await stored(this.#options.db, query)) addLine(lines, query, row, row.account);
      for (const row of this.#rows.values()) {
        if (matchesCostsQuery(query, row)) addLine(lines, query, row, subtractAccount(row.used, row.written));
      }
      if (lines.size > linesMax) throw tooMany(query.by);
      return [...lines.values()].map(({ account, ...line }) => ({ ...line, ...usageOf(account) })).sort(byTimeAndName);
    });
  }

  #schedulePoll(): void {
    const { clock } = this.#options;
    // The wall clock may be set, so this timer alone is not reliable: each write checks the hour too.
    const untilNextHourMs = this.#hourMs + hourMs - clock.wallMs();
    const untilPollMs = this.#pollAtMs - clock.nowMs();
    this.#cancelTimer = clock.after(Math.max(1, Math.min(untilNextHourMs, untilPollMs)), () => {
      this.#poll();
      if (clock.nowMs() >= this.#pollAtMs) {
        this.#pollAtMs = clock.nowMs() + pollEveryMs;
        if (this.#pace.isDue(this.#counted !== this.#countedWritten)) void this.#pace.write(() => this.#write());
      }
      this.#schedulePoll();
    });
  }

  /** Assigns use since the last poll to the hour of that last poll. */
  #poll(): void {
    const { clock, ledger } = this.#options;
    this.#counted = 0;
    for (const { endpoint, variant, usage } of ledger.variants()) {
      this.#counted += usage.requests + usage.failedRequests + usage.invocations;
      const key = `${endpoint}/${variant}`;
      const observed = this.#observed.get(key) ?? newAccount();
      if (isSameAccount(usage, observed)) continue;
      addAccount(this.#row(endpoint, variant).used, subtractAccount(usage, observed));
      this.#observed.set(key, usage);
    }
    this.#hourMs = startOf(clock.wallMs(), hourMs);
  }

  #row(endpoint: string, variant: string): HourRow {
    const key = `${this.#hourMs}/${nameKey(endpoint)}/${variant}`;
    let row = this.#rows.get(key);
    if (row === undefined) {
      row = { hourMs: this.#hourMs, endpoint, variant, used: newAccount(), written: newAccount(), before: null };
      this.#rows.set(key, row);
    }
    return row;
  }

  #write(): Promise<void> {
    return this.#inTurn(async () => {
      const current = this.#hourMs;
      const counted = this.#counted;
      const written = [...this.#rows.values()]
        .filter((row) => !isSameAccount(row.used, row.written))
        .map((row) => ({ row, used: { ...row.used } }));
      if (written.length > 0) {
        await inSharedTransaction(this.#options.db, async (tx) => {
          for (const { row } of written) row.before ??= await before(tx, row);
          await put(tx, written);
          if (this.#clearedHourMs !== current) {
            await tx
              .deleteFrom('hourly_costs')
              .where('hour', '<', current - costRetentionDays * dayMs)
              .execute();
          }
        });
        this.#clearedHourMs = current;
      }
      for (const { row, used } of written) row.written = used;
      this.#countedWritten = counted;
      for (const [key, row] of this.#rows) if (row.hourMs !== this.#hourMs && isSameAccount(row.used, row.written)) this.#rows.delete(key);
    }).catch(this.#options.onFailure);
  }

  #inTurn<T>(run: () => Promise<T>): Promise<T> {
    const result = this.#turn.then(run);
    this.#turn = result.catch(() => undefined);
    return result;
  }
}

const columns = {
  instanceSeconds: 'instance_seconds',
  instanceUsd: 'instance_usd',
  provisionedSeconds: 'provisioned_seconds',
  provisionedUsd: 'provisioned_usd',
  requests: 'requests',
  failedRequests: 'failed_requests',
  receiptsUsd: 'receipts_usd',
  failedRunsUsd: 'failed_runs_usd',
  functionUsd: 'function_usd',
  functionGbSeconds: 'function_gb_seconds',
  invocations: 'invocations',
  coldStarts: 'cold_starts',
} as const satisfies Record<keyof Account, keyof HourlyCostsTable>;

type SumColumn = (typeof columns)[keyof Account];
const sumColumns = accountFields.map((field) => columns[field]);

function accountOf(row: Readonly<Record<SumColumn, number>>): Account {
  const account = newAccount();
  for (const field of accountFields) account[field] = row[columns[field]];
  return account;
}

function sumsOf(account: Readonly<Account>): Record<SumColumn, number> {
  return Object.fromEntries(accountFields.map((field) => [columns[field], account[field]])) as Record<SumColumn, number>;
}

async function before(tx: Transaction, { hourMs: hour, endpoint, variant }: HourRow): Promise<Account> {
  const row = await tx
    .selectFrom('hourly_costs')
    .select(sumColumns)
    .where('hour', '=', hour)
    .where('endpoint_key', '=', nameKey(endpoint))
    .where('variant', '=', variant)
    .executeTakeFirst();
  return row === undefined ? newAccount() : accountOf(row);
}

/** Writes absolute sums instead of increments, to be idempotent: a transaction with an unknown result is repeated. */
async function put(tx: Transaction, written: readonly { readonly row: HourRow; readonly used: Account }[]): Promise<void> {
  const rows = written.map(({ row: { hourMs: hour, endpoint, variant, before: earlier }, used }) => {
    const sum = { ...used };
    addAccount(sum, earlier ?? newAccount());
    return { hour, day: startOf(hour, dayMs), endpoint_key: nameKey(endpoint), endpoint, variant, ...sumsOf(sum) };
  });
  for (let at = 0; at < rows.length; at += rowsPerInsert) {
    await tx
      .insertInto('hourly_costs')
      .values(rows.slice(at, at + rowsPerInsert))
      .onConflict((conflict) =>
        conflict
          .columns(['hour', 'endpoint_key', 'variant'])
          .doUpdateSet((row) =>
            Object.fromEntries([...sumColumns, 'endpoint' as const].map((name) => [name, row.ref(`excluded.${name}`)])),
          ),
      )
      .execute();
  }
}

interface StoredLine {
  readonly hourMs: number;
  readonly endpoint: string;
  readonly variant: string;
  readonly account: Account;
}

/** Sums from the database. Returns at most one line above the limit, to detect that it is exceeded. */
async function stored(db: Database, request: CostsQuery): Promise<StoredLine[]> {
  let query = db
    .selectFrom('hourly_costs')
    .select(({ fn }) => ['variant', fn.max('endpoint').as('endpoint'), fn.min('hour').as('hour')])
    .select(({ fn }) => sumColumns.map((column) => fn.sum<number>(column).as(column)))
    .where('hour', '>=', startOf(request.fromMs, hourMs))
    .where('hour', '<', request.toMs)
    .groupBy(['endpoint_key', 'variant'])
    .limit(linesMax + 1);
  if (request.endpoint !== undefined) query = query.where('endpoint_key', '=', nameKey(request.endpoint));
  if (request.by !== 'total') query = query.groupBy(request.by);
  return (await query.execute()).map(({ hour, endpoint, variant, ...sums }) => ({
    hourMs: hour,
    endpoint,
    variant,
    account: accountOf(sums),
  }));
}

function matchesCostsQuery({ endpoint, fromMs, toMs }: CostsQuery, row: HourRow): boolean {
  if (endpoint !== undefined && !sameName(endpoint, row.endpoint)) return false;
  return row.hourMs >= startOf(fromMs, hourMs) && row.hourMs < toMs;
}

function addLine(
  lines: Map<string, CostLine & { readonly account: Account }>,
  { by, fromMs }: CostsQuery,
  { hourMs: hour, endpoint, variant }: Pick<StoredLine, 'hourMs' | 'endpoint' | 'variant'>,
  account: Readonly<Account>,
): void {
  const atMs = by === 'total' ? startOf(fromMs, hourMs) : by === 'day' ? startOf(hour, dayMs) : hour;
  const key = `${atMs}/${nameKey(endpoint)}/${variant}`;
  const line = lines.get(key);
  if (line !== undefined) addAccount(line.account, account);
  else lines.set(key, { atMs, endpoint, variant, ...usageOf(account), account: { ...account } });
}

function byTimeAndName(a: CostLine, b: CostLine): number {
  if (a.atMs !== b.atMs) return a.atMs - b.atMs;
  const [nameA, nameB] = [`${nameKey(a.endpoint)}/${a.variant}`, `${nameKey(b.endpoint)}/${b.variant}`];
  return nameA < nameB ? -1 : 1;
}

function tooMany(by: CostPeriod): PlatformError {
  const coarser = by === 'hour' ? ', or by day' : by === 'day' ? ', or by total' : '';
  return new PlatformError(
    'invalid_request',
    `expected at most ${linesMax} lines by ${by}, got more: request a shorter time, one endpoint${coarser}`,
  );
}

function startOf(wallMs: number, lengthMs: number): number {
  return Math.floor(wallMs / lengthMs) * lengthMs;
}

function isoOf(wallMs: number): string {
  return new Date(wallMs).toISOString();
}
