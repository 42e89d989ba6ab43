/**
 * PostgreSQL through a connection pool. Any connection can break at any time, so each failure becomes `unavailable` with a retry time, and
 * no call waits longer than `PostgresLimits` allows. With a `ServerLock`, no connection is used unless this server holds the lock.
 */
import { PostgresDialect, type PostgresPool, type PostgresPoolClient, type PostgresQueryResult } from 'kysely';
import pg from 'pg';
import type { Clock } from '../../clock.ts';
import { messageOf, PlatformError } from '../../errors.ts';
import { clientConfig, serverApplicationName } from './postgres-client.ts';
import { ConnectionLost, cannotConnect, isConnectionFailure, postgresFailureOf } from './postgres-errors.ts';
import type { ServerLock } from './server-lock.ts';

const connectionsMax = 10;
const closeMsMax = 5000;

/** Time limits. Exceeding one is `unavailable`, with a time to retry after. */
export interface PostgresLimits {
  /** Timeout for acquiring a connection, from the pool or new. */
  readonly connectMs: number;
  /** Timeout for one statement including network time; null during migrations. */
  readonly statementMs: number | null;
  /** Of a wait for a lock. Default: no limit of its own. */
  readonly lockMs?: number;
}

/** Those of a server. */
export const defaultPostgresLimits: PostgresLimits = { connectMs: 5000, statementMs: 10_000 };

/** Time limits, the lock, and callbacks for a database that becomes unreachable or reachable. */
export interface PostgresOptions {
  readonly clock: Clock;
  readonly limits: PostgresLimits;
  readonly lock?: ServerLock | undefined;
  /** Called when the database becomes unreachable (with the reason) or reachable again (null). */
  readonly onAvailability?: ((problem: string | null) => void) | undefined;
  /** Called when the database is reachable again after a connection broke before confirming a write. */
  readonly onUncertain?: (() => Promise<void>) | undefined;
}

/** A pool of connections. A broken one is replaced; the statement on it fails, because it may have taken effect. */
export class Postgres {
  readonly dialect: PostgresDialect;
  readonly #url: string;
  readonly #options: PostgresOptions;
  readonly #pool: pg.Pool;
  /** Connections that were opened while this server held the lock. */
  readonly #checked = new WeakSet<pg.PoolClient>();
  /** Why each broken connection ended. */
  readonly #broken = new WeakMap<pg.PoolClient, Error>();
  #problem: string | null = null;
  #sinceMs: number | null = null;
  #isUncertain = false;

  private constructor(url: string, options: PostgresOptions) {
    const { limits, lock } = options;
    this.#url = url;
    this.#options = options;
    lock?.onWorkerLost((reason) => this.#failed(reason));
    this.#pool = new pg.Pool({
      ...clientConfig(url, serverApplicationName(lock?.session)),
      max: connectionsMax,
      connectionTimeoutMillis: limits.connectMs,
      ...(limits.statementMs === null ? {} : { statement_timeout: limits.statementMs }),
      ...(limits.lockMs === undefined ? {} : { lock_timeout: limits.lockMs }),
    });
    // A broken connection also emits 'error'. Without a listener that event would end the process.
    this.#pool.on('error', () => undefined);
    this.#pool.on('connect', (client) => client.on('error', (error) => this.#broken.set(client, error)));
    const connect = (): Promise<PostgresPoolClient> => this.#connectIfReachable() as Promise<Connection & PostgresPoolClient>; // Cursors are not used.
    const pool: PostgresPool = { connect, end: () => this.close(), options: this.#pool.options };
    this.dialect = new PostgresDialect({ pool });
  }

  /** Opens a first connection to verify the URL. Throws `unavailable` with the address but never the password. */
  static async open(url: string, options: PostgresOptions): Promise<Postgres> {
    const postgres = new Postgres(url, options);
    try {
      (await postgres.#pool.connect()).release();
    } catch (cause) {
      await postgres.close();
      throw cannotConnect(url, cause);
    }
    return postgres;
  }

  /** Why the database is unavailable; null if it is available. */
  get problem(): string | null {
    return this.#options.lock?.takenOver ?? this.#problem;
  }

  /** Since when it is unavailable, epoch milliseconds; null if it is available. */
  get sinceMs(): number | null {
    return this.#sinceMs;
  }

  /** Resolves when all connections are closed, or after a few seconds if the database hangs. */
  async close(): Promise<void> {
    const { clock } = this.#options;
    if (this.#pool.ending) return;
    const late = Promise.withResolvers<void>();
    const cancel = clock.after(closeMsMax, late.resolve);
    await Promise.race([this.#pool.end(), late.promise]);
    cancel();
  }

  /** While the database is known to be down, calls fail immediately and only the probe waits. */
  async #connectIfReachable(): Promise<Connection> {
    const { problem } = this;
    if (problem === null) return this.#connect();
    const message = problem.startsWith(unavailable) ? problem : `${unavailable}: ${problem}`;
    throw new PlatformError('unavailable', message, { retryAfterMs: 2000 });
  }

  async #connect(): Promise<Connection> {
    const { lock } = this.#options;
    try {
      await lock?.hold();
    } catch (error) {
      this.#failed(messageOf(error));
      throw error;
    }
    const client = await this.#pool.connect().catch((cause: unknown) => {
      if (this.#pool.ending) throw new PlatformError('unavailable', 'the server is stopping', { cause });
      this.#failed(messageOf(cause));
      throw cannotConnect(this.#url, cause);
    });
    const connection = new Connection(client, this.#options, {
      brokenBy: () => this.#broken.get(client),
      onFailure: (failure) => this.#failed(messageOf(failure), failure.isUncertain),
    });
    if (lock === undefined || this.#checked.has(client)) return connection;
    try {
      await lock.check(connection);
    } catch (error) {
      connection.release(true);
      throw error;
    }
    this.#checked.add(client);
    return connection;
  }

  #failed(reason: string, isUncertain = false): void {
    this.#isUncertain ||= isUncertain;
    const before = this.#problem;
    if (before === reason) return;
    this.#problem = reason;
    this.#sinceMs ??= this.#options.clock.wallMs();
    this.#options.onAvailability?.(reason);
    if (before === null) this.#probeAfter(0);
  }

  /** Probes until the database is reachable again. The first probe is immediate: often only one connection broke. */
  #probeAfter(delayMs: number): void {
    this.#options.clock.after(delayMs, () => {
      if (this.#pool.ending) return;
      this.#probe().then(
        () => this.#recovered(),
        () => this.#probeAfter(probeEveryMs),
      );
    });
  }

  async #probe(): Promise<void> {
    const connection = await this.#connect();
    try {
      await connection.query('select 1', []);
    } finally {
      connection.release();
    }
  }

  #recovered(): void {
    this.#problem = null;
    this.#sinceMs = null;
    this.#options.onAvailability?.(null);
    if (!this.#isUncertain) return;
    this.#isUncertain = false;
    this.#options.onUncertain?.().catch(() => {
      this.#isUncertain = true;
    });
  }
}

const probeEveryMs = 1000;
const unavailable = 'the database is unavailable';

interface ConnectionEvents {
  /** Why the connection has ended; undefined if it has not. */
  readonly brokenBy: () => Error | undefined;
  readonly onFailure: (failure: ConnectionLost) => void;
}

/** The pooled connection on which Kysely runs statements until `release`. */
class Connection {
  readonly #client: pg.PoolClient;
  readonly #options: PostgresOptions;
  readonly #events: ConnectionEvents;
  #isInTransaction = false;
  #failure: ConnectionLost | null = null;

  constructor(client: pg.PoolClient, options: PostgresOptions, events: ConnectionEvents) {
    this.#client = client;
    this.#options = options;
    this.#events = events;
  }

  async query<Row>(text: string, parameters: readonly unknown[]): Promise<PostgresQueryResult<Row>> {
    if (this.#failure !== null) {
      // The database rolls back when a connection breaks. An error here would hide the reason.
      if (text === 'rollback') return emptyResult;
      throw this.#failure;
    }
    const brokenBy = this.#events.brokenBy();
    // The statement was never sent, so it has no effect, and the database rolls the transaction back.
    if (brokenBy !== undefined) return this.#fail(brokenBy, false, text);
    if (text === 'commit') this.#options.lock?.checkHeld();
    try {
      const result = await this.#withTimeout(this.#client.query(text, [...parameters]));
      if (text === 'begin') this.#isInTransaction = true;
      else if (text === 'commit' || text === 'rollback') this.#isInTransaction = false;
      return result as unknown as PostgresQueryResult<Row>;
    } catch (error) {
      if (!isConnectionFailure(error)) throw postgresFailureOf(error);
      return this.#fail(error, isUncertain(text, this.#isInTransaction), text);
    }
  }

  #fail(cause: unknown, isChangeUncertain: boolean, text: string): PostgresQueryResult<never> {
    this.#failure = new ConnectionLost(cause, isChangeUncertain);
    this.#events.onFailure(this.#failure);
    if (text === 'rollback') return emptyResult;
    throw this.#failure;
  }

  release(discard?: boolean): void {
    this.#client.release(discard === true || this.#failure !== null);
  }

  /** The timeout of `pg` itself does not suffice: it continues to use the connection afterwards. */
  async #withTimeout<T>(running: Promise<T>): Promise<T> {
    const { clock, limits } = this.#options;
    if (limits.statementMs === null) return running;
    const late = Promise.withResolvers<never>();
    // The database ends slow statements itself. This timeout is for a database that does not respond at all.
    const cancel = clock.after(limits.statementMs + graceMs, () => late.reject(new Error('the database does not respond')));
    try {
      return await Promise.race([running, late.promise]);
    } finally {
      cancel();
    }
  }
}

const graceMs = 1000;
const emptyResult: PostgresQueryResult<never> = { command: 'ROLLBACK', rowCount: 0, rows: [] };

/** Whether the statement may have taken effect although it was not confirmed. */
function isUncertain(text: string, isInTransaction: boolean): boolean {
  if (text === 'commit') return true;
  return !isInTransaction && !/^\s*(?:select|begin|start|rollback|set|show)\b/i.test(text);
}
