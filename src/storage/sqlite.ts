/** SQLite by Node's own driver: one file, one connection, every acknowledged write on the disk. */
import { DatabaseSync, type SQLInputValue } from 'node:sqlite';
import { SqliteDialect } from 'kysely';
import { asDiskError } from './disk-errors.ts';

/** FULL survives a power loss; NORMAL may lose the last moments, but never breaks the file. */
export type Synchronous = 'FULL' | 'NORMAL';

export interface SqliteFile {
  readonly dialect: SqliteDialect;
  /** Runs with the file locked against other processes, in one transaction. */
  readonly exclusively: <T>(run: () => Promise<T>) => Promise<T>;
  readonly close: () => void;
}

/** Opens or makes the file. Throws `unavailable` where it cannot be opened, written or is no database. */
export function openSqlite(file: string, synchronous: Synchronous): SqliteFile {
  const sqlite = onDisk(file, () => configure(new DatabaseSync(file), synchronous));
  return {
    dialect: new SqliteDialect({
      database: { prepare: (text) => prepare(sqlite, file, text), close: () => sqlite.close() },
    }),
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

function configure(sqlite: DatabaseSync, synchronous: Synchronous): DatabaseSync {
  try {
    // All explicit: the defaults differ between drivers, and Node's busy timeout is zero.
    sqlite.exec('pragma busy_timeout = 5000');
    sqlite.exec('pragma journal_mode = WAL');
    sqlite.exec(`pragma synchronous = ${synchronous}`);
    sqlite.exec('pragma foreign_keys = ON');
    return sqlite;
  } catch (error) {
    sqlite.close();
    throw error;
  }
}

/** Node's statement in the form that Kysely's dialect expects. */
function prepare(sqlite: DatabaseSync, file: string, text: string) {
  // SQLite itself rolls back where the disk is full; Kysely's rollback would then fail and hide the reason.
  if (text === 'rollback' && !sqlite.isTransaction) {
    return { reader: false, all: () => [], run: () => ({ changes: 0, lastInsertRowid: 0 }), iterate: () => [].values() };
  }
  const statement = onDisk(file, () => sqlite.prepare(text));
  return {
    reader: statement.columns().length > 0,
    all: (parameters: readonly unknown[]) => onDisk(file, () => statement.all(...values(parameters))),
    run: (parameters: readonly unknown[]) => onDisk(file, () => statement.run(...values(parameters))),
    iterate: (parameters: readonly unknown[]) => statement.iterate(...values(parameters)),
  };
}

/** Kysely types its parameters as unknown; what the driver cannot bind it refuses itself. */
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
