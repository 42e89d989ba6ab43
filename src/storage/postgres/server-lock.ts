/**
 * Ensures that at most one server uses a PostgreSQL database. The server holds a session-level advisory lock on a dedicated connection.
 * PostgreSQL releases it when that connection ends, so a killed server leaves no lock behind. A row in the database names the holder.
 *
 * The lock connection can break while the server lives. Three rules keep a second server from writing at the same time:
 * 1. Without the lock no connection is handed out and no transaction is committed; the lock is acquired again first.
 * 2. Each new connection asks the database whether the lock's session still holds it (`check`).
 * 3. A server that acquires the lock terminates connections left by an earlier holder.
 * If another server held the lock in between, this one stays stopped, because its view of the database is outdated.
 */
import { randomUUID } from 'node:crypto';
import { sql } from 'kysely';
import pg from 'pg';
import type { Clock } from '../../clock.ts';
import { messageOf, PlatformError } from '../../errors.ts';
import type { Database, Transaction } from '../tables.ts';
import {
  clientConfig,
  lockApplicationName,
  nodeLockPrefix,
  serverApplicationName,
  serverPrefix,
  withoutPassword,
} from './postgres-client.ts';
import { cannotConnect } from './postgres-errors.ts';

/** Identifies a server to another one that tries to use the same database. */
export interface ServerIdentity {
  readonly host: string;
  readonly pid: number;
  readonly dataDirectory: string;
  /** A node of a cluster, from which the next one may take the lock with `endLockOfNode`. */
  readonly node?: NodeLock | undefined;
}

/** A node may serve only while it has the role of the controller. */
export interface NodeLock {
  readonly name: string;
  /** Asked before a lost lock is acquired again. */
  mayServe(): boolean;
}

/** The server that takes the lock, and the callback for its loss to another server. */
export interface ServerLockOptions {
  readonly clock: Clock;
  readonly server: ServerIdentity;
  readonly connectMs: number;
  /** Called once if another server holds or has held the lock: this one has stopped using the database. */
  readonly onTakenOver?: ((problem: string) => void) | undefined;
}

/** The key of the advisory lock: `penstock` in ASCII, as PostgreSQL's functions take it and as `pg_locks` shows its halves. */
const key = '8099000947049456491';
const ofOurLock = `locktype = 'advisory' and classid = 1885695603 and objid = 1953457003 and objsubid = 1 and granted
  and database = (select oid from pg_database where datname = current_database())`;

/** A server that was just killed releases its lock within this time. */
const patienceMs = 3000;
const askEveryMs = 100;

interface HolderRow {
  readonly session: string;
  readonly backend_pid: number;
  readonly host: string;
  readonly pid: number;
  readonly data_directory: string;
  readonly since: number;
}

interface Queries {
  query(text: string, parameters: readonly unknown[]): Promise<{ readonly rows: unknown[] }>;
}

/** Once another server has held the lock, this one never uses the database again: its state in memory is outdated. */
export class ServerLock {
  readonly session: string = randomUUID();
  readonly #url: string;
  readonly #options: ServerLockOptions;
  /** The connection that holds the lock; null while the lock is lost. */
  #holding: { readonly client: pg.Client; readonly backendPid: number } | null = null;
  /** Our own backends whose connection broke. They may hold the lock for another moment. */
  readonly #oldBackends = new Set<number>();
  #taking: Promise<void> | null = null;
  #takenOver: string | null = null;
  #isClosed = false;
  #listener: (reason: string) => void = () => undefined;

  private constructor(url: string, options: ServerLockOptions) {
    this.#url = url;
    this.#options = options;
  }

  /** Throws `wrong_state` naming the holder if another server uses the database, or `unavailable` if it cannot be reached. */
  static async take(url: string, options: ServerLockOptions): Promise<ServerLock> {
    const { clock } = options;
    const lock = new ServerLock(url, options);
    const untilMs = clock.nowMs() + patienceMs;
    for (;;) {
      const holder = await lock.#try();
      if (holder === null) return lock;
      if (clock.nowMs() >= untilMs) {
        const advice = "Stop that server first, or use another database: two servers on one database overwrite each other's data";
        throw new PlatformError('wrong_state', `the database ${withoutPassword(url)} is in use by ${holder}. ${advice}.`);
      }
      await new Promise<void>((resolve) => clock.after(askEveryMs, resolve));
    }
  }

  /** Why this server must no longer use the database; null if it may. */
  get takenOver(): string | null {
    return this.#takenOver;
  }

  onWorkerLost(listener: (reason: string) => void): void {
    this.#listener = listener;
  }

  /** Records this server as the holder. Call after the migrations and before any other write. */
  async announce(): Promise<void> {
    const { host, pid, dataDirectory } = this.#options.server;
    assertHeld(this.#holding);
    const { client, backendPid } = this.#holding;
    await client.query(
      `insert into server_holder (id, session, backend_pid, host, pid, data_directory, since)
       values (1, $1, $2, $3, $4, $5, (extract(epoch from clock_timestamp()) * 1000)::bigint)
       on conflict (id) do update set session = excluded.session, backend_pid = excluded.backend_pid, host = excluded.host, pid = excluded.pid,
         data_directory = excluded.data_directory, since = excluded.since`,
      [this.session, backendPid, host, pid, dataDirectory],
    );
  }

  /** Resolves once this server holds the lock, acquiring it again if it was lost. Throws `unavailable`. */
  async hold(): Promise<void> {
    if (this.#holding !== null) return;
    if (this.#takenOver !== null) throw this.#refusal(this.#takenOver);
    if (this.#isClosed) throw new PlatformError('unavailable', 'the server is stopping');
    if (this.#options.server.node?.mayServe() === false) {
      const message = 'the database is unavailable: this node cannot renew its lease there, and writes nothing until it has';
      throw new PlatformError('unavailable', message, { retryAfterMs: 1000 });
    }
    this.#taking ??= this.#retake().finally(() => {
      this.#taking = null;
    });
    await this.#taking;
  }

  /** Throws `unavailable` if the lock is lost. */
  checkHeld(): void {
    if (this.#holding === null) throw this.#refusal(this.#takenOver ?? 'the lock of the database was lost');
  }

  /** Asks the database, on the connection to be used, whether this server holds the lock. Throws `unavailable`. */
  async check(connection: Queries): Promise<void> {
    this.checkHeld();
    const { rows } = await connection.query(`select 1 from pg_locks where ${ofOurLock} and pid = $1`, [this.#holding?.backendPid]);
    if (rows.length > 0) return;
    this.#lost('the lock of the database was lost');
    this.checkHeld();
  }

  /** Closing the connection releases the lock. A connection that hangs is not awaited for longer than connecting may take. */
  async close(): Promise<void> {
    this.#isClosed = true;
    await this.#taking?.catch(() => undefined);
    const { client } = this.#holding ?? {};
    this.#holding = null;
    const late = Promise.withResolvers<void>();
    const cancel = this.#options.clock.after(this.#options.connectMs, late.resolve);
    await Promise.race([client?.end(), late.promise]);
    cancel();
  }

  async #retake(): Promise<void> {
    const holder = await this.#try();
    if (holder === null) return;
    throw this.#refusal(`the database is in use by ${holder}`);
  }

  /** Tries to acquire the lock. Returns a description of the holder if another server has it. */
  async #try(): Promise<string | null> {
    const { clock, connectMs } = this.#options;
    const client = new pg.Client({ ...clientConfig(this.#url, lockNameOf(this.#options.server)), connectionTimeoutMillis: connectMs });
    client.on('error', () => undefined);
    const cancel = clock.after(2 * connectMs, () => void client.end().catch(() => undefined));
    let holds = false;
    try {
      await client.connect();
      const holder = await this.#lockOn(client);
      holds = holder === null;
      return holder;
    } catch (cause) {
      throw cause instanceof PlatformError ? cause : cannotConnect(this.#url, cause);
    } finally {
      cancel();
      if (!holds) void client.end().catch(() => undefined);
    }
  }

  async #lockOn(client: pg.Client): Promise<string | null> {
    // A machine that vanishes closes no connection. With these settings PostgreSQL notices within 25 s instead of two hours.
    await client.query('set tcp_keepalives_idle = 10; set tcp_keepalives_interval = 5; set tcp_keepalives_count = 3');
    const { rows } = await client.query<{ ok: boolean; pid: number }>('select pg_try_advisory_lock($1) as ok, pg_backend_pid() as pid', [
      key,
    ]);
    const [{ ok, pid: backendPid }] = rows as [{ ok: boolean; pid: number }];
    if (!ok) return this.#holderOf(client);
    const known = await readHolder(client);
    const isOurs = known === null || known.session === this.session;
    if (this.#oldBackends.size > 0 && !isOurs) {
      this.#takenOver = `${described(known)} has used the database in the meantime. Stop one of the two servers and restart this one`;
      this.#options.onTakenOver?.(this.#takenOver);
      throw this.#refusal(this.#takenOver);
    }
    await endOthers(client, this.session);
    if (this.#oldBackends.size > 0)
      await client.query('update server_holder set backend_pid = $1 where session = $2', [backendPid, this.session]);
    this.#oldBackends.add(backendPid);
    this.#holding = { client, backendPid };
    client.on('error', (error) => this.#lost(messageOf(error), client));
    client.on('end', () => this.#lost('the connection of the lock ended', client));
    return null;
  }

  async #holderOf(client: pg.Client): Promise<string | null> {
    const text = `select a.pid, host(a.client_addr) as address, a.backend_start as since from pg_locks l join pg_stat_activity a on a.pid = l.pid where ${ofOurLock}`;
    const { rows } = await client.query<{ pid: number; address: string | null; since: Date }>(text);
    const [backend] = rows;
    if (backend === undefined) return 'another server that is shutting down';
    if (this.#oldBackends.has(backend.pid)) {
      // Our own session whose connection broke; the database has not noticed yet.
      await client.query('select pg_terminate_backend($1)', [backend.pid]);
      throw this.#refusal('the lock of the database was lost and is being acquired again');
    }
    const row = await readHolder(client);
    if (row?.backend_pid === backend.pid) return described(row);
    const from = backend.address === null ? 'on this machine' : `at ${backend.address}`;
    return `another server ${from} that is starting (connected since ${backend.since.toISOString()})`;
  }

  #lost(reason: string, client: pg.Client | undefined = this.#holding?.client): void {
    if (this.#holding === null || this.#holding.client !== client) return;
    this.#holding = null;
    void client.end().catch(() => undefined);
    if (!this.#isClosed) this.#listener(reason);
  }

  #refusal(why: string): PlatformError {
    return new PlatformError('unavailable', `this server no longer uses its database: ${why}`, { retryAfterMs: 5000 });
  }
}

function assertHeld(holding: object | null): asserts holding {
  if (holding === null)
    throw new PlatformError('unavailable', 'the connection to the database was lost during startup: start the server again');
}

function lockNameOf({ node }: ServerIdentity): string {
  return node === undefined ? lockApplicationName : `${nodeLockPrefix} ${node.name}`;
}

/**
 * Ends the session by which a node holds the lock, if one does: the node is dead, but its process may have been stopped and hold its
 * connections. Call it as the controller.
 */
export async function endLockOfNode(tx: Transaction): Promise<void> {
  await sql`select pg_terminate_backend(l.pid) from pg_locks l join pg_stat_activity a on a.pid = l.pid
    where ${sql.raw(ofOurLock)} and starts_with(a.application_name, ${nodeLockPrefix})`.execute(tx);
}

/** Describes the server that holds the lock of this database, for an error; null if none does. */
export async function serverOn(db: Database): Promise<string | null> {
  const backends = await sql<{ pid: number }>`select pid from pg_locks where ${sql.raw(ofOurLock)}`.execute(db);
  const [backend] = backends.rows;
  if (backend === undefined) return null;
  const { rows } = await sql<HolderRow>`select * from server_holder where backend_pid = ${backend.pid}`.execute(db);
  return rows[0] === undefined ? 'a server that is starting' : described(rows[0]);
}

/** Null if no holder was ever recorded. */
async function readHolder(client: pg.Client): Promise<HolderRow | null> {
  const { rows } = await client.query<{ there: string | null }>(`select to_regclass('server_holder')::text as there`);
  if ((rows[0]?.there ?? null) === null) return null;
  return (await client.query<HolderRow>('select * from server_holder where id = 1')).rows[0] ?? null;
}

function described({ pid, host, data_directory: directory, since }: HolderRow): string {
  return `process ${pid} on ${host} (data directory ${directory}, since ${new Date(Number(since)).toISOString()})`;
}

/** Terminates the connections of earlier holders. Those of another database role cannot be terminated; `check` excludes them. */
async function endOthers(client: pg.Client, session: string): Promise<void> {
  await client.query(
    `select pg_terminate_backend(pid) from pg_stat_activity
     where datname = current_database() and usename = current_user and pid <> pg_backend_pid()
       and application_name like '${serverPrefix} %' and application_name <> $1`,
    [serverApplicationName(session)],
  );
}
