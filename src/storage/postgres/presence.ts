/**
 * Shows the other processes on a database that this one runs: a session-level advisory lock, on a connection of its own. PostgreSQL releases
 * it when the connection ends, so a killed process is missed within milliseconds. A process that is stopped but not killed stays present.
 */
import { type RawBuilder, sql } from 'kysely';
import pg from 'pg';
import type { Clock } from '../../clock.ts';
import { PlatformError } from '../../errors.ts';
import type { Database } from '../tables.ts';
import { clientConfig } from './postgres-client.ts';
import { cannotConnect } from './postgres-errors.ts';

/** The first half of the keys of these locks: `node` in ASCII. The second half is the process. */
const lockClass = 0x6e6f6465;
const ofNodes = sql`locktype = 'advisory' and classid = ${sql.lit(lockClass)} and objsubid = 2 and granted
  and database = (select oid from pg_database where datname = current_database())`;

/** A lost lock is acquired again at once, then at this interval. */
const retryEveryMs = 100;

/** The clock, and how long connecting may take. */
export interface PresenceOptions {
  readonly clock: Clock;
  readonly connectMs: number;
}

/** Held until `close`. If the connection breaks, the lock is acquired again on a new one. */
export class Presence {
  readonly #url: string;
  readonly #key: number;
  readonly #options: PresenceOptions;
  #client: pg.Client | null = null;
  #losses = 0;
  #isClosed = false;
  #cancelRetry: () => void = () => undefined;

  private constructor(url: string, key: number, options: PresenceOptions) {
    this.#url = url;
    this.#key = key;
    this.#options = options;
  }

  /** `key` is a positive number of 31 bits that no other process uses. Throws `unavailable`, or `wrong_state` if another process has it. */
  static async open(url: string, key: number, options: PresenceOptions): Promise<Presence> {
    const presence = new Presence(url, key, options);
    await presence.#take();
    return presence;
  }

  /** Whether the connection stands, as far as this process knows. */
  get isHeld(): boolean {
    return this.#client !== null;
  }

  /** How often the connection broke. */
  get losses(): number {
    return this.#losses;
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    this.#cancelRetry();
    const client = this.#client;
    this.#client = null;
    const late = Promise.withResolvers<void>();
    const cancel = this.#options.clock.after(this.#options.connectMs, late.resolve);
    await Promise.race([client?.end().catch(() => undefined), late.promise]);
    cancel();
  }

  async #take(): Promise<void> {
    const { clock, connectMs } = this.#options;
    const client = new pg.Client({ ...clientConfig(this.#url, 'penstock presence'), connectionTimeoutMillis: connectMs });
    client.on('error', () => this.#lost(client));
    client.on('end', () => this.#lost(client));
    const cancel = clock.after(2 * connectMs, () => void client.end().catch(() => undefined));
    try {
      await client.connect();
      await client.query('set tcp_keepalives_idle = 10; set tcp_keepalives_interval = 5; set tcp_keepalives_count = 3');
      const { rows } = await client.query<{ ok: boolean }>('select pg_try_advisory_lock($1, $2) as ok', [lockClass, this.#key]);
      if (rows[0]?.ok !== true) throw new PlatformError('wrong_state', 'another process of the cluster has the identity of this one');
      if (this.#isClosed) throw new PlatformError('unavailable', 'the server is stopping');
      this.#client = client;
    } catch (cause) {
      void client.end().catch(() => undefined);
      throw cause instanceof PlatformError ? cause : cannotConnect(this.#url, cause);
    } finally {
      cancel();
    }
  }

  #lost(client: pg.Client): void {
    if (this.#client !== client) return;
    this.#client = null;
    this.#losses++;
    void client.end().catch(() => undefined);
    this.#retakeAfter(0);
  }

  /** The database may not have noticed yet that the old connection has ended. */
  #retakeAfter(delayMs: number): void {
    if (this.#isClosed) return;
    this.#cancelRetry = this.#options.clock.after(delayMs, () => {
      this.#take().catch(() => this.#retakeAfter(retryEveryMs));
    });
  }
}

/** The keys of all processes that are present now. */
export async function presentKeys(db: Database): Promise<ReadonlySet<number>> {
  const { rows } = await sql<{ key: number }>`select objid::bigint as key from pg_locks where ${ofNodes}`.execute(db);
  return new Set(rows.map(({ key }) => Number(key)));
}

/** Whether no process has the key at the time of the statement. */
export function isKeyAbsent(key: number): RawBuilder<boolean> {
  return sql`not exists (select 1 from pg_locks where ${ofNodes} and objid::bigint = ${key}::bigint)`;
}
