/** Opens the database, migrates it and runs transactions. */
import assert from 'node:assert/strict';
import { AsyncLocalStorage } from 'node:async_hooks';
import { Kysely, type Dialect as KyselyDialect, type KyselyPlugin, sql } from 'kysely';
import { Migrator } from 'kysely/migration';
import { type Clock, SystemClock } from '../clock.ts';
import { messageOf, PlatformError } from '../errors.ts';
import { migrationsFor, type Purpose } from './migrations.ts';
import { defaultLockPatience, type LockPatience, withLockPatience } from './postgres/migration-locks.ts';
import { defaultPostgresLimits, Postgres, type PostgresLimits } from './postgres/postgres.ts';
import { type ServerIdentity, ServerLock } from './postgres/server-lock.ts';
import { executedSteps, neededStep, newestOf, ofPurpose, recording } from './schema-compat.ts';
import { openSqlite, type Synchronous } from './sqlite/sqlite.ts';
import type { CheckpointOptions } from './sqlite/sqlite-checkpoints.ts';
import type { SqliteLog } from './sqlite/sqlite-log.ts';
import type { Database, Dialect, Tables, Transaction } from './tables.ts';

/** A SQLite file or a PostgreSQL server. */
export type DatabaseLocation =
  | {
      readonly file: string;
      readonly synchronous: Synchronous;
      /** Copies SQLite's log on a separate thread. Without it SQLite copies the log within commits. */
      readonly checkpoints?: CheckpointOptions;
    }
  | PostgresLocation;

/** A PostgreSQL database, and how it is used: by one server, or by a command. */
export interface PostgresLocation {
  readonly url: string;
  /** If given, this server uses the database exclusively and rejects a second server. */
  readonly server?: ServerIdentity;
  /** Default: the system clock. */
  readonly clock?: Clock;
  readonly limits?: PostgresLimits;
  /** How long changes of tables wait for others. */
  readonly patience?: LockPatience;
  /** Called when the database becomes unavailable (with the reason) or available again (null). */
  readonly onAvailability?: (problem: string | null) => void;
}

/** A migrated database. `availability` reports whether it can be reached now. */
export interface OpenDatabase {
  readonly db: Database;
  readonly dialect: Dialect;
  readonly close: () => Promise<void>;
  readonly availability: Availability;
}

/** The availability of a database server. A SQLite file is always available. */
export interface Availability {
  /** Why it is unavailable; null if it is available. */
  readonly problem: string | null;
  /** Since when it is unavailable, epoch milliseconds; null if it is available. */
  readonly sinceMs: number | null;
  /** Why this server must restart: another server has used the database in the meantime. Null otherwise. */
  readonly takenOver: string | null;
  /**
   * Calls the listener once the database is available again after a connection broke during a write: state in memory may differ from the
   * database. A listener that rejects is called again the next time the database becomes available.
   */
  onUncertain(listener: () => Promise<void>): void;
}

const alwaysAvailable: Availability = { problem: null, sinceMs: null, takenOver: null, onUncertain: () => undefined };

const everything: readonly Purpose[] = ['state', 'metrics'];

/**
 * Opens the database and runs pending migrations under a lock, so that two processes may start concurrently. `purposes` selects the
 * tables. Throws `unavailable` if the database cannot be reached or written, or `wrong_state` if a newer version has migrated it.
 */
export async function openDatabase(where: DatabaseLocation, purposes: readonly Purpose[] = everything): Promise<OpenDatabase> {
  if ('url' in where) return openPostgres(where, purposes);
  const file = openSqlite(where.file, where.synchronous);
  const opened = await openDialect(file.dialect, 'sqlite', file.exclusively, async () => file.close(), purposes);
  const { log } = file;
  if (log !== null) logs.set(opened.db, log);
  const alone = (run: () => Promise<boolean>): Promise<boolean> => opened.db.withoutPlugins().connection().execute(run);
  const checkpoints = where.checkpoints === undefined ? null : file.checkpointOffThread(alone, where.checkpoints);
  const close = async (): Promise<void> => {
    await log?.close();
    await checkpoints?.stop();
    await opened.close();
    await checkpoints?.closeFile();
  };
  return { ...opened, close };
}

async function openPostgres(where: PostgresLocation, purposes: readonly Purpose[]): Promise<OpenDatabase> {
  const { url, server, clock = new SystemClock(), limits = defaultPostgresLimits, onAvailability, patience = defaultLockPatience } = where;
  const { connectMs } = limits;
  const lock = server === undefined ? undefined : await ServerLock.take(url, { clock, server, connectMs, onTakenOver: onAvailability });
  try {
    // Migrations have no time limit, but wait for no lock for long.
    const migrating = await Postgres.open(url, { clock, limits: { connectMs, statementMs: null, lockMs: patience.lockMs } });
    const migrated = await openDialect(
      migrating.dialect,
      'postgres',
      (run) => withLockPatience(run, { db: new Kysely<Tables>({ dialect: migrating.dialect }), clock, patience }),
      () => migrating.close(),
      purposes,
    );
    await migrated.close();
    await lock?.announce();
    const listeners: (() => Promise<void>)[] = [];
    const onUncertain = async (): Promise<void> => {
      for (const listener of listeners) await listener();
    };
    const postgres = await Postgres.open(url, { clock, limits, lock, onAvailability, onUncertain });
    const opened = guarded(new Kysely<Tables>({ dialect: postgres.dialect }), 'postgres');
    const availability: Availability = {
      get problem() {
        return postgres.problem;
      },
      get sinceMs() {
        return postgres.sinceMs;
      },
      get takenOver() {
        return lock?.takenOver ?? null;
      },
      onUncertain: (listener) => void listeners.push(listener),
    };
    const close = async (): Promise<void> => {
      await opened.close();
      await lock?.close();
    };
    return { ...opened, availability, close };
  } catch (error) {
    await lock?.close();
    throw error;
  }
}

/** The oldest tables beside which a node can stand by: its own rows and those of the hosts are as this program writes them. */
const clusterStep = '0097-node-clocks';

/**
 * Opens a PostgreSQL database that another server migrates, without its lock. The tables may be those of an older or newer version. Null if
 * no server with the tables of a cluster was started on it yet. Throws `unavailable`.
 */
export async function openMigrated({
  url,
  clock = new SystemClock(),
  limits = defaultPostgresLimits,
}: PostgresLocation): Promise<OpenDatabase | null> {
  const postgres = await Postgres.open(url, { clock, limits });
  const opened = guarded(new Kysely<Tables>({ dialect: postgres.dialect }), 'postgres');
  const isNew = (): readonly string[] => [];
  if ((await executedSteps(opened.db, 'state').catch(isNew)).includes(clusterStep)) return opened;
  await opened.close();
  return null;
}

/**
 * Creates the tables of a new PostgreSQL database, beside other processes that do the same. Leaves one with tables as it is, because a server
 * may use them: the next one migrates it under its lock. Throws `unavailable`.
 */
export async function createTables({ url, clock = new SystemClock() }: PostgresLocation): Promise<void> {
  const postgres = await Postgres.open(url, { clock, limits: defaultPostgresLimits });
  const db = new Kysely<Tables>({ dialect: postgres.dialect });
  let isComplete = true;
  try {
    // Another process may have created those of one purpose so far.
    for (const purpose of everything) isComplete &&= await hasTables(db, purpose);
  } finally {
    await db.destroy();
  }
  if (!isComplete) await (await openDatabase({ url, clock })).close();
}

async function hasTables(db: Database, purpose: Purpose): Promise<boolean> {
  const { rows } = await sql<{ name: string | null }>`select to_regclass(${ofPurpose('kysely_migration', purpose)})::text as name`.execute(
    db,
  );
  return typeof rows[0]?.name === 'string' && (await executedSteps(db, purpose)).length > 0;
}

/**
 * The part of `openDatabase` after the dialect is known; tests use it to open PGlite. `locked` runs the migrations under a lock if the
 * dialect has none (Kysely takes PostgreSQL's advisory lock itself). `abandon` closes the connection if the migrations fail.
 */
export async function openDialect(
  kyselyDialect: KyselyDialect,
  dialect: Dialect,
  locked: (run: () => Promise<void>) => Promise<void>,
  abandon: () => Promise<void>,
  purposes: readonly Purpose[] = everything,
): Promise<OpenDatabase> {
  const plain = new Kysely<Tables>({ dialect: kyselyDialect });
  try {
    await locked(async () => {
      for (const purpose of purposes) await migrate(plain, purpose, dialect);
    });
  } catch (error) {
    await abandon();
    throw error;
  }
  return guarded(plain, dialect);
}

function guarded(plain: Database, dialect: Dialect): OpenDatabase {
  const guard = new TransactionGuard();
  const db = plain.withPlugin(guard);
  guards.set(db, guard);
  return { db, dialect, close: () => plain.destroy(), availability: alwaysAvailable };
}

async function migrate(db: Database, purpose: Purpose, dialect: Dialect): Promise<void> {
  const steps = migrationsFor(purpose, dialect);
  // A new database has no list of steps; if it cannot be read, the migrator fails with the reason.
  const executed = await executedSteps(db, purpose).catch((): readonly string[] => []);
  if (await canUse(db, purpose, executed, Object.keys(steps))) return;
  const migrator = new Migrator({
    db,
    provider: { getMigrations: async () => recording(purpose, steps, executed.length === 0) },
    migrationTableName: ofPurpose('kysely_migration', purpose),
    migrationLockTableName: ofPurpose('kysely_migration_lock', purpose),
    disableTransactions: dialect === 'sqlite', // With SQLite all migrations run inside the transaction that locks the file.
  });
  const { error } = await migrator.migrateToLatest();
  if (error === undefined) return;
  if (messageOf(error).startsWith('corrupted migrations')) {
    throw new PlatformError(
      'wrong_state',
      'the database was migrated by a newer version of Penstock: update this server, or use another data directory',
      { cause: error },
    );
  }
  throw error as Error;
}

/**
 * Whether these steps have run, and all others that have run let a program go on that does not know them. The migrator reads the definition
 * of every table several times before it knows.
 */
async function canUse(db: Database, purpose: Purpose, executed: readonly string[], names: readonly string[]): Promise<boolean> {
  if (!names.every((name) => executed.includes(name))) return false;
  return executed.length === names.length || (await neededStep(db, purpose, executed)) <= newestOf(names);
}

/**
 * Runs one transaction, which is rolled back if `run` throws. Inside, use only `tx` and await nothing but the database: SQLite has a
 * single connection, so transactions run one after the other. Using `db` inside would deadlock (SQLite) or bypass the transaction
 * (PostgreSQL); an assertion prevents both.
 */
export function inTransaction<T>(db: Database, run: (tx: Transaction) => Promise<T>): Promise<T> {
  const guard = guardOf(db);
  guard.check();
  // The plugin is removed here, so that it does not reject the queries of the transaction itself.
  return db
    .withoutPlugins()
    .transaction()
    .execute((tx) => guard.inside(() => run(tx)));
}

/**
 * Like `inTransaction`, but may resolve before the data is on disk. `lasting` resolves once it is, or rejects with `unavailable` if the
 * disk fails.
 */
export async function inDeferredTransaction<T>(
  db: Database,
  run: (tx: Transaction) => Promise<T>,
): Promise<{ readonly result: T; readonly durable: Promise<void> }> {
  const guard = guardOf(db);
  guard.check();
  const log = logs.get(db);
  if (log === undefined) return { result: await inTransaction(db, run), durable: Promise.resolve() };
  const result = await db
    .withoutPlugins()
    .connection()
    .execute(async (connection) => {
      log.defer();
      try {
        return await connection.transaction().execute((tx) => guard.inside(() => run(tx)));
      } finally {
        log.resume();
      }
    });
  return { result, durable: log.sync() };
}

/** Asserts that the caller is not inside a transaction. */
export function requireNoTransaction(db: Database): void {
  guardOf(db).check();
}

function guardOf(db: Database): TransactionGuard {
  const guard = guards.get(db);
  assert(guard !== undefined, 'expected the database as openDatabase returned it');
  return guard;
}

/** Tracks whether the current async context is inside a transaction, and rejects queries that would deadlock. */
class TransactionGuard implements KyselyPlugin {
  readonly #inside = new AsyncLocalStorage<{ open: boolean }>();

  async inside<T>(run: () => Promise<T>): Promise<T> {
    const transaction = { open: true };
    try {
      return await this.#inside.run(transaction, run);
    } finally {
      transaction.open = false; // Work that outlives the transaction may use the database again.
    }
  }

  check(): void {
    assert(this.#inside.getStore()?.open !== true, 'inside a transaction use its `tx`: a query on `db` would deadlock');
  }

  transformQuery: KyselyPlugin['transformQuery'] = ({ node }) => {
    this.check();
    return node;
  };

  transformResult: KyselyPlugin['transformResult'] = async ({ result }) => result;
}

const guards = new WeakMap<Database, TransactionGuard>();
const logs = new WeakMap<Database, SqliteLog>();

/** Whether a unique or primary key constraint rejected a row. */
export function isUniqueViolation(error: unknown): boolean {
  return codeOf(error) === '23505' || sqliteCodeOf(error) === 2067 || sqliteCodeOf(error) === 1555;
}

/** Whether a foreign key constraint failed: the referenced row is missing, or a row to delete is still referenced. */
export function isForeignKeyViolation(error: unknown): boolean {
  return codeOf(error) === '23503' || sqliteCodeOf(error) === 787;
}

function codeOf(error: unknown): unknown {
  return error instanceof Error && 'code' in error ? error.code : undefined;
}

function sqliteCodeOf(error: unknown): unknown {
  return error instanceof Error && 'errcode' in error ? error.errcode : undefined;
}
