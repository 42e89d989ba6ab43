/** Opens a database read-only, for commands that run while a server uses it: no migration, no writes. */
import { existsSync } from 'node:fs';
import { DatabaseSync } from 'node:sqlite';
import { Kysely, SqliteDialect } from 'kysely';
import type { Clock } from '../../clock.ts';
import { asDiskError } from '../../data-directory/index.ts';
import { PlatformError } from '../../errors.ts';
import { Postgres } from '../postgres/postgres.ts';
import type { Database, Tables } from '../tables.ts';

/** A read-only database, with the function that closes it. */
export interface ReadDatabase {
  readonly db: Database;
  readonly close: () => Promise<void>;
}

/** Opens `databaseUrl`, or SQLite in `file` if it is null. Throws `unavailable` or `not_found`. */
export async function readDatabase(databaseUrl: string | null, file: string, clock: Clock): Promise<ReadDatabase> {
  if (databaseUrl !== null) {
    const postgres = await Postgres.open(databaseUrl, { clock, limits: { connectMs: 10_000, statementMs: 60_000 } });
    return { db: new Kysely<Tables>({ dialect: postgres.dialect }), close: () => postgres.close() };
  }
  const sqlite = openFile(file);
  const dialect = new SqliteDialect({
    database: {
      prepare: (text) => {
        const statement = sqlite.prepare(text);
        return {
          reader: true,
          all: (parameters) => statement.all(...(parameters as string[])),
          run: (parameters) => statement.run(...(parameters as string[])),
          iterate: (parameters) => statement.iterate(...(parameters as string[])),
        };
      },
      close: () => sqlite.close(),
    },
  });
  const db = new Kysely<Tables>({ dialect });
  return { db, close: () => db.destroy() };
}

/** Copies the file as of one point in time, even while a server writes to it. Blocks this thread. */
export function snapshotFile(file: string, to: string): void {
  const sqlite = openFile(file);
  try {
    sqlite.prepare('vacuum into ?').run(to);
  } catch (error) {
    throw asDiskError(error, `copy ${file} to ${to}`);
  } finally {
    sqlite.close();
  }
}

/** The problems that `PRAGMA quick_check` finds; empty if there are none. Blocks this thread. */
export function quickCheck(file: string): string[] {
  let sqlite: DatabaseSync | undefined;
  try {
    sqlite = openFile(file);
    const rows = sqlite.prepare('pragma quick_check(20)').all();
    const found = rows.map((row) => String(row['quick_check']));
    return found.length === 1 && found[0] === 'ok' ? [] : found;
  } catch (error) {
    return [String(error instanceof Error ? error.message : error)];
  } finally {
    sqlite?.close();
  }
}

function openFile(file: string): DatabaseSync {
  if (!existsSync(file)) {
    throw new PlatformError('not_found', `there is no ${file}: if the state is in PostgreSQL, pass --database-url`);
  }
  try {
    const sqlite = new DatabaseSync(file, { timeout: 5000 });
    sqlite.exec('pragma wal_autocheckpoint = 0');
    return sqlite;
  } catch (error) {
    throw asDiskError(error, `open ${file}`);
  }
}
