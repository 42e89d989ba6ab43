/** A step of `migrations.ts`: the id shared by a database and its data directory. */
import type { AnyDatabase } from './any-database.ts';

export async function createInstallation(db: AnyDatabase): Promise<void> {
  await db.schema
    .createTable('installation')
    .addColumn('slot', 'integer', (column) => column.primaryKey())
    .addColumn('id', 'text', (column) => column.notNull())
    .addColumn('created_at', 'bigint', (column) => column.notNull())
    .execute();
}
