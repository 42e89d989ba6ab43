/** Steps of `migrations.ts`: the id shared by a database and its data directory, and the server that uses them. */
import type { AnyDatabase } from './any-database.ts';

/** One row: the id that the data directory has, too. */
export async function createInstallation(db: AnyDatabase): Promise<void> {
  await db.schema
    .createTable('installation')
    .addColumn('slot', 'integer', (column) => column.primaryKey())
    .addColumn('id', 'text', (column) => column.notNull())
    .addColumn('created_at', 'bigint', (column) => column.notNull())
    .execute();
}

/** A single row: the current or last holder of the server lock. SQLite locks its directory instead and leaves the table empty. */
export async function createServerHolder(db: AnyDatabase): Promise<void> {
  await db.schema
    .createTable('server_holder')
    .addColumn('id', 'integer', (column) => column.primaryKey())
    .addColumn('session', 'text', (column) => column.notNull())
    .addColumn('backend_pid', 'bigint', (column) => column.notNull())
    .addColumn('host', 'text', (column) => column.notNull())
    .addColumn('pid', 'bigint', (column) => column.notNull())
    .addColumn('data_directory', 'text', (column) => column.notNull())
    .addColumn('since', 'bigint', (column) => column.notNull())
    .execute();
}
