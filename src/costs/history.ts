/**
 * What was used by endpoint, variant and hour, kept in the database for 400 days. The source is the ledger: what it has
 * more than when it was last looked at belongs to the hour in which that was. It is looked at when an hour ends and before
 * each write; so an hour is exact but for how late a timer is, and nothing is lost or counted twice whatever clocks do.
 */
import type { Clock } from '../clock.ts';
import { PlatformError } from '../errors.ts';
import { type Database, type HourlyCostsTable, inTransaction, type Transaction } from '../storage/index.ts';
import { type Account, accountFields, addTo, difference, isSame, newAccount } from './account.ts';
import { type Ledger, type Usage, usageOf } from './ledger.ts';

export const costPeriods = ['hour', 'day', 'total'] as const;
export type CostPeriod = (typeof costPeriods)[number];

/** What one variant used within one period. */
export interface CostLine extends Usage {
  /** When the period begins, epoch milliseconds. */
  readonly atMs: number;
  readonly endpoint: string;
  readonly variant: string;
}

export interface CostsWish {
  /** All endpoints where there is none. */
  readonly endpoint?: string | undefined;
  /** Epoch milliseconds; the hours that these fall into count in full. */
  readonly fromMs: number;
  readonly toMs: number;
  /** Hours, days of UTC, or all of it in one. */
  readonly by: CostPeriod;
}

export interface CostHistoryOptions {
  readonly db: Database;
  readonly clock: Clock;
  readonly ledger: Pick<Ledger, 'variants'>;
  /** Nothing is lost by it: what could not be written is written the next time. */
  readonly onFailure: (error: unknown) => void;
}

interface HourRow {
  readonly hourMs: number;
  readonly endpoint: string;
  readonly variant: string;
  /** Since this server began, or came back to this hour. */
  readonly used: Account;
  /** What the database knows of `used`. */
  written: Account;
  /** What was there before; null until the database was asked. */
  before: Account | null;
}

/** What is kept by the hour is counted by whole hours: from where the first begins to where the last ends, or to now where that still runs. */
export function wholeHours({ fromMs, toMs }: Pick<CostsWish, 'fromMs' | 'toMs'>, nowMs: number): Pick<CostsWish, 'fromMs' | 'toMs'> {
  return { fromMs: startOf(fromMs, hourMs), toMs: Math.max(toMs, Math.min(startOf(toMs - 1, hourMs) + hourMs, nowMs)) };
}

const hourMs = 3_600_000;
const dayMs = 24 * hourMs;
const writeEveryMs = 10_000;
export const costsKeptDays = 400;
const linesMax = 10_000;
/** Far below the parameters that either database takes. */
const rowsPerInsert = 500;

export class CostHistory {
  readonly #options: CostHistoryOptions;
  /** What the ledger said when it was last looked at. */
  readonly #seen = new Map<string, Account>();
  /** The hour that runs, and those that are not written yet. */
  readonly #rows = new Map<string, HourRow>();
  #hourMs: number;
  #clearedHourMs = 0;
  #writeAtMs: number;
  /** One after the other, so that what is read is written or not, never half. */
  #turn: Promise<unknown> = Promise.resolve();
  #cancelTimer: () => void = () => undefined;

  constructor(options: CostHistoryOptions) {
    this.#options = options;
    this.#hourMs = startOf(options.clock.wallMs(), hourMs);
    this.#writeAtMs = options.clock.nowMs() + writeEveryMs;
  }

  open(): void {
    this.#lookLater();
  }

  /** Writes what is left. */
  async close(): Promise<void> {
    this.#cancelTimer();
    this.#look();
    await this.#write();
  }

  /**
   * By time, endpoint and variant; what is not written yet included. Throws `invalid_request` where that are more than
   * 10 000 lines.
   */
  list(wish: CostsWish): Promise<CostLine[]> {
    if (!(wish.fromMs < wish.toMs)) {
      throw new PlatformError(
        'invalid_request',
        `expected a time that begins before it ends, got from ${isoOf(wish.fromMs)} to ${isoOf(wish.toMs)}`,
      );
    }
    return this.#inTurn(async () => {
      this.#look();
      const lines = new Map<string, CostLine & { readonly account: Account }>();
      for (const row of await stored(this.#options.db, wish)) addLine(lines, wish, row, row.account);
      for (const row of this.#rows.values()) {
        if (isWished(wish, row)) addLine(lines, wish, row, difference(row.used, row.written));
      }
      if (lines.size > linesMax) throw tooMany(wish.by);
      return [...lines.values()].map(({ account, ...line }) => ({ ...line, ...usageOf(account) })).sort(byTimeAndName);
    });
  }

  #lookLater(): void {
    const { clock } = this.#options;
    // The wall clock may have been set over the end of the hour, or back: each write looks at it too.
    const untilNextHourMs = this.#hourMs + hourMs - clock.wallMs();
    const untilWriteMs = this.#writeAtMs - clock.nowMs();
    this.#cancelTimer = clock.after(Math.max(1, Math.min(untilNextHourMs, untilWriteMs)), () => {
      this.#look();
      if (clock.nowMs() >= this.#writeAtMs) {
        this.#writeAtMs = clock.nowMs() + writeEveryMs;
        void this.#write();
      }
      this.#lookLater();
    });
  }

  /** What was used since last time goes to the hour of last time. */
  #look(): void {
    const { clock, ledger } = this.#options;
    for (const { endpoint, variant, usage } of ledger.variants()) {
      const key = `${endpoint}/${variant}`;
      const seen = this.#seen.get(key) ?? newAccount();
      if (isSame(usage, seen)) continue;
      addTo(this.#row(endpoint, variant).used, difference(usage, seen));
      this.#seen.set(key, usage);
    }
    this.#hourMs = startOf(clock.wallMs(), hourMs);
  }

  #row(endpoint: string, variant: string): HourRow {
    const key = `${this.#hourMs}/${endpoint.toLowerCase()}/${variant}`;
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
      const written = [...this.#rows.values()]
        .filter((row) => !isSame(row.used, row.written))
        .map((row) => ({ row, used: { ...row.used } }));
      if (written.length > 0) {
        await inTransaction(this.#options.db, async (tx) => {
          for (const { row } of written) row.before ??= await before(tx, row);
          await put(tx, written);
          if (this.#clearedHourMs !== current) {
            await tx
              .deleteFrom('hourly_costs')
              .where('hour', '<', current - costsKeptDays * dayMs)
              .execute();
          }
        });
        this.#clearedHourMs = current;
      }
      for (const { row, used } of written) row.written = used;
      for (const [key, row] of this.#rows) if (row.hourMs !== this.#hourMs && isSame(row.used, row.written)) this.#rows.delete(key);
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
    .where('endpoint_key', '=', endpoint.toLowerCase())
    .where('variant', '=', variant)
    .executeTakeFirst();
  return row === undefined ? newAccount() : accountOf(row);
}

/** Sets sums, adds to none: where it is not known whether a transaction came to its end, it may be done again. */
async function put(tx: Transaction, written: readonly { readonly row: HourRow; readonly used: Account }[]): Promise<void> {
  const rows = written.map(({ row: { hourMs: hour, endpoint, variant, before: earlier }, used }) => {
    const sum = { ...used };
    addTo(sum, earlier ?? newAccount());
    return { hour, day: startOf(hour, dayMs), endpoint_key: endpoint.toLowerCase(), endpoint, variant, ...sumsOf(sum) };
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

/** Added up by the database; one line more than are allowed, where there are as many. */
async function stored(db: Database, wish: CostsWish): Promise<StoredLine[]> {
  let query = db
    .selectFrom('hourly_costs')
    .select(({ fn }) => ['variant', fn.max('endpoint').as('endpoint'), fn.min('hour').as('hour')])
    .select(({ fn }) => sumColumns.map((column) => fn.sum<number>(column).as(column)))
    .where('hour', '>=', startOf(wish.fromMs, hourMs))
    .where('hour', '<', wish.toMs)
    .groupBy(['endpoint_key', 'variant'])
    .limit(linesMax + 1);
  if (wish.endpoint !== undefined) query = query.where('endpoint_key', '=', wish.endpoint.toLowerCase());
  if (wish.by !== 'total') query = query.groupBy(wish.by);
  return (await query.execute()).map(({ hour, endpoint, variant, ...sums }) => ({
    hourMs: hour,
    endpoint,
    variant,
    account: accountOf(sums),
  }));
}

function isWished({ endpoint, fromMs, toMs }: CostsWish, row: HourRow): boolean {
  if (endpoint !== undefined && endpoint.toLowerCase() !== row.endpoint.toLowerCase()) return false;
  return row.hourMs >= startOf(fromMs, hourMs) && row.hourMs < toMs;
}

function addLine(
  lines: Map<string, CostLine & { readonly account: Account }>,
  { by, fromMs }: CostsWish,
  { hourMs: hour, endpoint, variant }: Pick<StoredLine, 'hourMs' | 'endpoint' | 'variant'>,
  account: Readonly<Account>,
): void {
  const atMs = by === 'total' ? startOf(fromMs, hourMs) : by === 'day' ? startOf(hour, dayMs) : hour;
  const key = `${atMs}/${endpoint.toLowerCase()}/${variant}`;
  const line = lines.get(key);
  if (line !== undefined) addTo(line.account, account);
  else lines.set(key, { atMs, endpoint, variant, ...usageOf(account), account: { ...account } });
}

function byTimeAndName(a: CostLine, b: CostLine): number {
  if (a.atMs !== b.atMs) return a.atMs - b.atMs;
  const [nameA, nameB] = [`${a.endpoint.toLowerCase()}/${a.variant}`, `${b.endpoint.toLowerCase()}/${b.variant}`];
  return nameA < nameB ? -1 : 1;
}

function tooMany(by: CostPeriod): PlatformError {
  const coarser = by === 'hour' ? ', or by day' : by === 'day' ? ', or by total' : '';
  return new PlatformError(
    'invalid_request',
    `by ${by} these are more than ${linesMax} lines: ask for a shorter time, for one endpoint${coarser}`,
  );
}

function startOf(wallMs: number, lengthMs: number): number {
  return Math.floor(wallMs / lengthMs) * lengthMs;
}

function isoOf(wallMs: number): string {
  return new Date(wallMs).toISOString();
}
