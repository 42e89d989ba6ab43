/**
 * Empty SQLite databases for tests. The first of a process runs the migrations, which takes 30 ms of the processor; the others are copies
 * of it. Tests of the database itself use `openDatabase`.
 */
import { existsSync, writeFileSync } from 'node:fs';
import { DatabaseSync } from 'node:sqlite';
import { openDialect } from '../src/storage/database.ts';
import { type OpenDatabase, openDatabase } from '../src/storage/index.ts';
import { sqliteFile } from '../src/storage/sqlite/sqlite.ts';

let migrated: Promise<Uint8Array> | null = null;

/** The content of an empty database. */
function emptyDatabase(): Promise<Uint8Array> {
  migrated ??= (async () => {
    const sqlite = new DatabaseSync(':memory:');
    const opened = await open(sqlite);
    const content = sqlite.serialize();
    await opened.close();
    return content;
  })();
  return migrated;
}

/** Runs the migrations that are missing. */
function open(sqlite: DatabaseSync): Promise<OpenDatabase> {
  const file = sqliteFile(sqlite, ':memory:', 'NORMAL');
  return openDialect(file.dialect, 'sqlite', file.exclusively, async () => file.close());
}

/** An empty database in memory. */
export async function openMemoryDatabase(): Promise<OpenDatabase> {
  const content = await emptyDatabase();
  const sqlite = new DatabaseSync(':memory:');
  sqlite.deserialize(content);
  return open(sqlite);
}

/** The database in a file, which is empty if it is new. */
export async function openFileDatabase(file: string): Promise<OpenDatabase> {
  if (!existsSync(file)) writeFileSync(file, await emptyDatabase());
  return openDatabase({ file, synchronous: 'NORMAL' });
}
