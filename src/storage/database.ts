/** Opens the database, brings it to its present form, and runs transactions. */
import assert from 'node:assert/strict';
import { AsyncLocalStorage } from 'node:async_hooks';
import { Kysely, type Dialect as KyselyDialect, type KyselyPlugin } from 'kysely';
import { Migrator } from 'kysely/migration';
import { messageOf, PlatformError } from '../errors.ts';
import { migrationsFor, type Purpose } from './migrations.ts';
import { openPostgres } from './postgres.ts';
import { openSqlite, type Synchronous } from './sqlite.ts';
import type { CheckpointOptions } from './sqlite-checkpoints.ts';
import type { SqliteLog } from './sqlite-log.ts';
import type { Database, Dialect, Tables, Transaction } from './tables.ts';

export type DatabaseLocation =
  | {
      readonly file: string;
      readonly synchronous: Synchronous;
      /** How the log is copied beside the thread; without it SQLite copies it within some commits. */
      readonly checkpoints?: CheckpointOptions;
    }
  | { readonly url: string };

export interface OpenDatabase {
  readonly db: Database;
  readonly dialect: Dialect;
  readonly close: () => Promise<void>;
}

const everything: readonly Purpose[] = ['state', 'metrics'];

/**
 * Opens the database and runs the migrations it lacks, under a lock, so that two processes may start at once; it holds
 * everything unless told what it is for. Throws `unavailable` where it cannot be reached or written, `wrong_state` where
 * a newer program has changed it.
 */
export async function openDatabase(where: DatabaseLocation, purposes: readonly Purpose[] = everything): Promise<OpenDatabase> {
  if ('url' in where) {
    const pool = await openPostgres(where.url);
    return openDialect(pool.dialect, 'postgres', (run) => run(), pool.close, purposes);
  }
  const file = openSqlite(where.file, where.synchronous);
  const opened = await openDialect(file.dialect, 'sqlite', file.exclusively, async () => file.close(), purposes);
  const { log } = file;
  if (log !== null) logs.set(opened.db, log);
  const alone = (run: () => Promise<boolean>): Promise<boolean> => opened.db.withoutPlugins().connection().execute(run);
  const checkpoints = where.checkpoints === undefined ? null : file.checkpointBeside(alone, where.checkpoints);
  const close = async (): Promise<void> => {
    await log?.close();
    await checkpoints?.stop();
    await opened.close();
    await checkpoints?.closeFile();
  };
  return { ...opened, close };
}

/**
 * What `openDatabase` does once it has a dialect; tests open PGlite by it. `locked` runs the migrations under a lock
 * where the dialect has none of its own (Kysely takes PostgreSQL's advisory lock itself). `abandon` closes what was
 * opened where the migrations fail.
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
  const guard = new TransactionGuard();
  const db = plain.withPlugin(guard);
  guards.set(db, guard);
  return { db, dialect, close: () => plain.destroy() };
}

async function migrate(db: Database, purpose: Purpose, dialect: Dialect): Promise<void> {
  const migrations = migrationsFor(purpose, dialect);
  // Each purpose counts its own steps, so that both may go on side by side in one database.
  const own = purpose === 'state' ? '' : `_${purpose}`;
  const migrator = new Migrator({
    db,
    provider: { getMigrations: async () => migrations },
    migrationTableName: `kysely_migration${own}`,
    migrationLockTableName: `kysely_migration_lock${own}`,
    disableTransactions: dialect === 'sqlite', // there all migrations run inside the transaction that locks the file
  });
  const { error } = await migrator.migrateToLatest();
  if (error === undefined) return;
  if (messageOf(error).startsWith('corrupted migrations')) {
    throw new PlatformError(
      'wrong_state',
      'the database was changed by a newer Penstock than this one: update this one, or use another data directory',
      { cause: error },
    );
  }
  throw error as Error;
}

/**
 * Runs one transaction: all of it happens or, where `run` throws, none of it. Use only `tx` inside, and await nothing
 * but the database: in SQLite there is one connection, so transactions wait for each other, in order. Whoever calls
 * `db` inside would wait for ever (SQLite) or work outside the transaction (PostgreSQL): both are asserted against.
 */
export function inTransaction<T>(db: Database, run: (tx: Transaction) => Promise<T>): Promise<T> {
  const guard = guardOf(db);
  guard.check();
  // Without the plugin, so that the transaction's own queries pass.
  return db
    .withoutPlugins()
    .transaction()
    .execute((tx) => guard.inside(() => run(tx)));
}

/**
 * As `inTransaction`, but it may resolve before what was written is on the disk: that is when `lasting` resolves, which throws
 * `unavailable` where the disk fails.
 */
export async function inHastyTransaction<T>(
  db: Database,
  run: (tx: Transaction) => Promise<T>,
): Promise<{ readonly result: T; readonly lasting: Promise<void> }> {
  const guard = guardOf(db);
  guard.check();
  const log = logs.get(db);
  if (log === undefined) return { result: await inTransaction(db, run), lasting: Promise.resolve() };
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
  return { result, lasting: log.sync() };
}

/** Asserts that whoever begins a transaction is not inside another one. */
export function checkOutside(db: Database): void {
  guardOf(db).check();
}

function guardOf(db: Database): TransactionGuard {
  const guard = guards.get(db);
  assert(guard !== undefined, 'expected the database as openDatabase returned it');
  return guard;
}

/** Knows whether the running code is inside a transaction, and stops what would wait for itself. */
class TransactionGuard implements KyselyPlugin {
  readonly #inside = new AsyncLocalStorage<{ open: boolean }>();

  async inside<T>(run: () => Promise<T>): Promise<T> {
    const transaction = { open: true };
    try {
      return await this.#inside.run(transaction, run);
    } finally {
      transaction.open = false; // what was started inside and outlives the transaction may use the database again
    }
  }

  check(): void {
    assert(this.#inside.getStore()?.open !== true, 'inside a transaction: use its `tx`, not `db`, which would wait for ever');
  }

  transformQuery: KyselyPlugin['transformQuery'] = ({ node }) => {
    this.check();
    return node;
  };

  transformResult: KyselyPlugin['transformResult'] = async ({ result }) => result;
}

const guards = new WeakMap<Database, TransactionGuard>();
const logs = new WeakMap<Database, SqliteLog>();

/** Whether a unique or primary key refused a row: somebody else was first. */
export function isUniqueViolation(error: unknown): boolean {
  return codeOf(error) === '23505' || sqliteCodeOf(error) === 2067 || sqliteCodeOf(error) === 1555;
}

/** Whether a foreign key refused: what a row points to is missing, or what is deleted is still pointed to. */
export function isForeignKeyViolation(error: unknown): boolean {
  return codeOf(error) === '23503' || sqliteCodeOf(error) === 787;
}

function codeOf(error: unknown): unknown {
  return error instanceof Error && 'code' in error ? error.code : undefined;
}

function sqliteCodeOf(error: unknown): unknown {
  return error instanceof Error && 'errcode' in error ? error.errcode : undefined;
}
