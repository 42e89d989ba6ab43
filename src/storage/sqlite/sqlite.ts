/** SQLite through Node's driver: one file, one connection, every acknowledged write durable. */
import { DatabaseSync, type SQLInputValue, type StatementSync } from 'node:sqlite';
import { SqliteDialect } from 'kysely';
import { asDiskError } from '../../data-directory/index.ts';
import { type CheckpointOptions, knowsLogLength, SqliteCheckpoints } from './sqlite-checkpoints.ts';
import { SqliteLog } from './sqlite-log.ts';

/** FULL survives a power loss. NORMAL may lose the last seconds but never corrupts the file. */
export type Synchronous = 'FULL' | 'NORMAL';

/** An open file, with what only SQLite can do. */
export interface SqliteFile {
  readonly dialect: SqliteDialect;
  /** Runs in one transaction with the file locked against other processes. */
  readonly exclusively: <T>(run: () => Promise<T>) => Promise<T>;
  /** Null if commits are not synced anyway. */
  readonly log: SqliteLog | null;
  /**
   * Starts copying the log on a separate thread. `alone` runs a function while no transaction is active. Returns null if SQLite copies the
   * log itself.
   */
  readonly checkpointOffThread: (
    alone: (run: () => Promise<boolean>) => Promise<boolean>,
    options: CheckpointOptions,
  ) => SqliteCheckpoints | null;
  readonly close: () => void;
}

/** Opens or creates the file. Throws `unavailable` if it cannot be opened or written, or is not a database. */
export function openSqlite(file: string, synchronous: Synchronous): SqliteFile {
  return sqliteFile(
    onDisk(file, () => new DatabaseSync(file)),
    file,
    synchronous,
  );
}

/** The part of `openSqlite` after the file is open; tests use it to open a copy of a database in memory. */
export function sqliteFile(sqlite: DatabaseSync, file: string, synchronous: Synchronous): SqliteFile {
  onDisk(file, () => configure(sqlite, synchronous));
  const statements = new Statements(sqlite);
  let checkpoints: SqliteCheckpoints | null = null;
  const written = (): void => {
    if (!sqlite.isTransaction) checkpoints?.poll();
  };
  return {
    dialect: new SqliteDialect({
      database: { prepare: (text) => prepare(statements, file, text, written), close: () => sqlite.close() },
    }),
    checkpointOffThread(alone, options) {
      if (file === ':memory:' || !knowsLogLength(process.versions.sqlite ?? '0')) return null;
      return (checkpoints = new SqliteCheckpoints(sqlite, file, alone, options));
    },
    log: synchronous === 'FULL' && file !== ':memory:' ? new SqliteLog(sqlite, file) : null,
    async exclusively(run) {
      onDisk(file, () => sqlite.exec('begin immediate'));
      try {
        const result = await run();
        onDisk(file, () => sqlite.exec('commit'));
        return result;
      } catch (error) {
        if (sqlite.isTransaction) sqlite.exec('rollback');
        throw error;
      }
    },
    close: () => sqlite.close(),
  };
}

function configure(sqlite: DatabaseSync, synchronous: Synchronous): void {
  try {
    // Everything is explicit: defaults differ between drivers, and Node's busy timeout is zero.
    sqlite.exec('pragma busy_timeout = 5000');
    sqlite.exec('pragma journal_mode = WAL');
    sqlite.exec(`pragma synchronous = ${synchronous}`);
    sqlite.exec('pragma foreign_keys = ON');
  } catch (error) {
    sqlite.close();
    throw error;
  }
}

interface Prepared {
  readonly statement: StatementSync;
  /** Whether the statement returns rows. */
  readonly reads: boolean;
}

const statementsMax = 256;

/** An LRU cache of prepared statements: the same few statements recur, and preparing one takes longer than running it. */
class Statements {
  readonly sqlite: DatabaseSync;
  readonly #cached = new Map<string, Prepared>();

  constructor(sqlite: DatabaseSync) {
    this.sqlite = sqlite;
  }

  prepare(text: string): Prepared {
    const known = this.#cached.get(text);
    if (known !== undefined) {
      this.#cached.delete(text);
      this.#cached.set(text, known);
      return known;
    }
    const statement = this.sqlite.prepare(text);
    const prepared = { statement, reads: statement.columns().length > 0 };
    // Statements that change tables run once and invalidate the others.
    if (/^\s*(?:create|alter|drop)\b/i.test(text)) this.#cached.clear();
    else this.#cached.set(text, prepared);
    if (this.#cached.size > statementsMax) this.#cached.delete(this.#cached.keys().next().value as string);
    return prepared;
  }
}

/** Adapts a statement to the interface of Kysely's dialect. */
function prepare(statements: Statements, file: string, text: string, written: () => void) {
  // SQLite rolls back by itself if the disk is full. Kysely's rollback would then fail and hide the reason.
  if (text === 'rollback' && !statements.sqlite.isTransaction) {
    return { reader: false, all: () => [], run: () => ({ changes: 0, lastInsertRowid: 0 }), iterate: () => [].values() };
  }
  const { statement, reads } = onDisk(file, () => statements.prepare(text));
  return {
    reader: reads,
    all: (parameters: readonly unknown[]) => onDisk(file, () => statement.all(...values(parameters))),
    run: (parameters: readonly unknown[]) => {
      const changes = onDisk(file, () => statement.run(...values(parameters)));
      written();
      return changes;
    },
    // Not cached: reusing a statement would restart it under an active iteration.
    iterate: (parameters: readonly unknown[]) => statements.sqlite.prepare(text).iterate(...values(parameters)),
  };
}

/** Kysely types its parameters as unknown; the driver rejects unsupported values. */
function values(parameters: readonly unknown[]): SQLInputValue[] {
  return parameters as SQLInputValue[];
}

function onDisk<T>(file: string, run: () => T): T {
  try {
    return run();
  } catch (error) {
    throw asDiskError(error, `use ${file}`);
  }
}
