/** SQLite by Node's own driver: one file, one connection, every acknowledged write on the disk. */
import { DatabaseSync, type SQLInputValue, type StatementSync } from 'node:sqlite';
import { SqliteDialect } from 'kysely';
import { asDiskError } from './disk-errors.ts';
import { type CheckpointOptions, knowsLogLength, SqliteCheckpoints } from './sqlite-checkpoints.ts';
import { SqliteLog } from './sqlite-log.ts';

/** FULL survives a power loss; NORMAL may lose the last moments, but never breaks the file. */
export type Synchronous = 'FULL' | 'NORMAL';

export interface SqliteFile {
  readonly dialect: SqliteDialect;
  /** Runs with the file locked against other processes, in one transaction. */
  readonly exclusively: <T>(run: () => Promise<T>) => Promise<T>;
  /** Null where commits do not wait for the disk anyway. */
  readonly log: SqliteLog | null;
  /** From now on the log is copied beside this thread. `alone` runs something while no transaction runs. Null where SQLite does it as ever. */
  readonly checkpointBeside: (
    alone: (run: () => Promise<boolean>) => Promise<boolean>,
    options: CheckpointOptions,
  ) => SqliteCheckpoints | null;
  readonly close: () => void;
}

/** Opens or makes the file. Throws `unavailable` where it cannot be opened, written or is no database. */
export function openSqlite(file: string, synchronous: Synchronous): SqliteFile {
  const sqlite = onDisk(file, () => configure(new DatabaseSync(file), synchronous));
  const statements = new Statements(sqlite);
  let checkpoints: SqliteCheckpoints | null = null;
  const written = (): void => {
    if (!sqlite.isTransaction) checkpoints?.look();
  };
  return {
    dialect: new SqliteDialect({
      database: { prepare: (text) => prepare(statements, file, text, written), close: () => sqlite.close() },
    }),
    checkpointBeside(alone, options) {
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

interface Prepared {
  readonly statement: StatementSync;
  /** Whether it answers with rows. */
  readonly reads: boolean;
}

const statementsMax = 256;

/**
 * Statements are parsed once and kept: the same few come again and again, and to parse one takes longer than to run it. The one
 * that was not used for the longest time goes first.
 */
class Statements {
  readonly sqlite: DatabaseSync;
  readonly #kept = new Map<string, Prepared>();

  constructor(sqlite: DatabaseSync) {
    this.sqlite = sqlite;
  }

  prepare(text: string): Prepared {
    const known = this.#kept.get(text);
    if (known !== undefined) {
      this.#kept.delete(text);
      this.#kept.set(text, known);
      return known;
    }
    const statement = this.sqlite.prepare(text);
    const prepared = { statement, reads: statement.columns().length > 0 };
    // What changes tables is run once, and changes what others answer with.
    if (/^\s*(?:create|alter|drop)\b/i.test(text)) this.#kept.clear();
    else this.#kept.set(text, prepared);
    if (this.#kept.size > statementsMax) this.#kept.delete(this.#kept.keys().next().value as string);
    return prepared;
  }
}

/** Node's statement in the form that Kysely's dialect expects. */
function prepare(statements: Statements, file: string, text: string, written: () => void) {
  // SQLite itself rolls back where the disk is full; Kysely's rollback would then fail and hide the reason.
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
    // One of its own: a kept one would begin anew under whoever still reads.
    iterate: (parameters: readonly unknown[]) => statements.sqlite.prepare(text).iterate(...values(parameters)),
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
