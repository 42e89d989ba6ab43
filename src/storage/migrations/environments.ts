/** A step of `migrations.ts`: Python environments. */
import type { AnyDatabase } from './any-database.ts';

/** The locks outlive their folders, so an environment can be built again. */
export async function createEnvironments(db: AnyDatabase): Promise<void> {
  await db.schema
    .createTable('environments')
    .addColumn('id', 'text', (column) => column.primaryKey())
    .addColumn('name', 'text')
    .addColumn('requirements', 'text', (column) => column.notNull())
    .addColumn('python', 'text', (column) => column.notNull())
    .addColumn('python_version', 'text', (column) => column.notNull())
    .addColumn('platform', 'text', (column) => column.notNull())
    .addColumn('state', 'text', (column) => column.notNull())
    .addColumn('reason', 'text')
    .addColumn('lines', 'text', (column) => column.notNull())
    .addColumn('lock_key', 'text')
    .addColumn('attempts', 'integer', (column) => column.notNull())
    .addColumn('created_by', 'text', (column) => column.notNull())
    .addColumn('created_at', 'bigint', (column) => column.notNull())
    .addColumn('changed_at', 'bigint', (column) => column.notNull())
    .execute();
  await db.schema
    .createTable('environment_locks')
    .addColumn('key', 'text', (column) => column.primaryKey())
    .addColumn('lock', 'text', (column) => column.notNull())
    .addColumn('python', 'text', (column) => column.notNull())
    .addColumn('python_version', 'text', (column) => column.notNull())
    .addColumn('platform', 'text', (column) => column.notNull())
    .addColumn('bytes', 'bigint', (column) => column.notNull())
    .addColumn('files', 'integer', (column) => column.notNull())
    .addColumn('built_at', 'bigint', (column) => column.notNull())
    .addColumn('used_at', 'bigint', (column) => column.notNull())
    .execute();
}
