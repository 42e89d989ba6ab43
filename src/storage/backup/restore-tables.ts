/** Loads the rows of a backup into an empty PostgreSQL database in one transaction. */
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { sql } from 'kysely';
import { systemCode } from '../../data-directory/index.ts';
import { PlatformError } from '../../errors.ts';
import { inTransaction, type OpenDatabase } from '../database.ts';
import type { Database, Tables, Transaction } from '../tables.ts';
import { tableNames } from './format.ts';

/** A row in one of these tables means that the database is in use. */
const signsOfUse: readonly (keyof Tables)[] = ['installation', 'model_groups', 'endpoints', 's3_buckets', 'events', 'jobs'];

/** The rows of a table, in pages. */
export type RowsOf = (table: string) => AsyncIterable<readonly Record<string, unknown>[]> | Iterable<readonly Record<string, unknown>[]>;

/** Throws `wrong_state` if the database is not empty. */
export async function requireEmpty(db: Database | Transaction): Promise<void> {
  for (const table of signsOfUse) {
    const row = await db.selectFrom(table).select(sql`1`.as('one')).limit(1).executeTakeFirst();
    if (row !== undefined)
      throw new PlatformError('wrong_state', `the database is not empty (${table} has rows): use a new one. Nothing was overwritten`);
  }
}

/** Throws `wrong_state` if the database is not empty. */
export async function loadTables({ db }: OpenDatabase, rowsOf: RowsOf): Promise<void> {
  await inTransaction(db, async (tx) => {
    await requireEmpty(tx);
    // Migrations may have inserted initial rows.
    for (const table of tableNames.toReversed()) await tx.deleteFrom(table).execute();
    for (const table of tableNames) {
      for await (const rows of rowsOf(table)) await insertRows(tx, table, rows);
      await restoreSequence(tx, table);
    }
  });
}

/** The rows of a backup of PostgreSQL, from the files of a folder per table. */
export async function* rowsInFiles(folder: string): AsyncGenerator<Record<string, unknown>[]> {
  for (const part of await partsOf(folder)) {
    const lines = (await readFile(join(folder, part), 'utf8')).split('\n').filter((line) => line !== '');
    yield lines.map((line) => JSON.parse(line, bytesOf) as Record<string, unknown>);
  }
}

async function insertRows(tx: Transaction, table: keyof Tables, rows: readonly Record<string, unknown>[]): Promise<void> {
  const [first] = rows;
  if (first === undefined) return;
  const columns = Object.keys(first);
  const tuples = rows.map((row) => sql`(${sql.join(columns.map((column) => row[column]))})`);
  const names = sql.join(columns.map((column) => sql.ref(column)));
  await sql`insert into ${sql.table(table)} (${names}) overriding system value values ${sql.join(tuples)}`.execute(tx);
}

/** Sets the sequence of an identity column to continue after its highest value. */
async function restoreSequence(tx: Transaction, table: string): Promise<void> {
  const { rows } = await sql<{ name: string }>`
    select column_name as name from information_schema.columns
    where table_schema = current_schema() and table_name = ${table} and is_identity = 'YES'`.execute(tx);
  for (const { name } of rows) {
    await sql`select setval(pg_get_serial_sequence(${table}, ${name}), coalesce((select max(${sql.ref(name)}) from ${sql.table(table)}), 0) + 1, false)`.execute(
      tx,
    );
  }
}

async function partsOf(folder: string): Promise<string[]> {
  try {
    return (await readdir(folder)).sort();
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return []; // No rows.
    throw error;
  }
}

function bytesOf(_key: string, value: unknown): unknown {
  const isBytes = typeof value === 'object' && value !== null && 'base64' in value && typeof value.base64 === 'string';
  return isBytes ? Buffer.from(value.base64 as string, 'base64') : value;
}
