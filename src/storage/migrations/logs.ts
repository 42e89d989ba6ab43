/** A step of `migrations.ts`: log groups, their streams and events. */
import type { AnyDatabase } from './any-database.ts';

export async function createLogs(db: AnyDatabase): Promise<void> {
  await db.schema
    .createTable('log_groups')
    .addColumn('id', 'bigint', (column) => column.primaryKey())
    .addColumn('name', 'text', (column) => column.notNull().unique())
    .addColumn('created_at', 'bigint', (column) => column.notNull())
    .addColumn('retention_days', 'integer')
    .execute();
  await db.schema
    .createTable('log_streams')
    .addColumn('id', 'bigint', (column) => column.primaryKey())
    .addColumn('group_id', 'bigint', (column) => column.notNull())
    .addColumn('name', 'text', (column) => column.notNull())
    .addColumn('created_at', 'bigint', (column) => column.notNull())
    .addColumn('first_at', 'bigint')
    .addColumn('last_at', 'bigint')
    .addColumn('ingested_at', 'bigint')
    .addColumn('bytes', 'bigint', (column) => column.notNull())
    .addUniqueConstraint('log_streams_of_group', ['group_id', 'name'])
    .execute();
  await db.schema
    .createTable('log_events')
    .addColumn('seq', 'bigint', (column) => column.primaryKey())
    .addColumn('group_id', 'bigint', (column) => column.notNull())
    .addColumn('stream_id', 'bigint', (column) => column.notNull())
    .addColumn('at', 'bigint', (column) => column.notNull())
    .addColumn('ingested_at', 'bigint', (column) => column.notNull())
    .addColumn('bytes', 'integer', (column) => column.notNull())
    .addColumn('message', 'text', (column) => column.notNull())
    .execute();
  await db.schema.createIndex('log_events_of_group').on('log_events').columns(['group_id', 'at', 'seq']).execute();
  await db.schema.createIndex('log_events_of_stream').on('log_events').columns(['stream_id', 'at', 'seq']).execute();
}
