/** Steps of `migrations.ts`: metrics, arrivals of requests, log groups with their streams and events. */
import { sql } from 'kysely';
import type { Dialect } from '../tables.ts';
import type { AnyDatabase } from './any-database.ts';

/** A row holds all metrics of a group within a time span, because a row per metric would consist mostly of keys. */
export async function createMetricSeries(db: AnyDatabase, dialect: Dialect): Promise<void> {
  await db.schema
    .createTable('metric_groups')
    .addColumn('id', 'bigint', (column) => column.primaryKey())
    .addColumn('namespace', 'text', (column) => column.notNull())
    .addColumn('dimensions', 'text', (column) => column.notNull())
    .addColumn('metrics', 'text', (column) => column.notNull())
    .addColumn('last_at', 'bigint', (column) => column.notNull())
    .execute();
  await db.schema
    .createTable('metric_rows')
    .addColumn('resolution', 'integer', (column) => column.notNull())
    .addColumn('group_id', 'bigint', (column) => column.notNull())
    .addColumn('at', 'bigint', (column) => column.notNull())
    .addColumn('data', dialect === 'sqlite' ? 'blob' : 'bytea', (column) => column.notNull())
    .addPrimaryKeyConstraint('metric_rows_pk', ['resolution', 'group_id', 'at'])
    .execute();
  // Old rows are deleted by time.
  await db.schema.createIndex('metric_rows_by_time').on('metric_rows').columns(['resolution', 'at']).execute();
}

/** The row format changed before any release, so existing rows are discarded. */
export async function clearMetricRows(db: AnyDatabase): Promise<void> {
  await sql`delete from metric_rows`.execute(db);
}

/**
 * One table per resolution. In a common table, deleted short-lived rows left holes between rows that are retained for 90 days: up to a
 * third of the file.
 */
export async function splitMetricRows(db: AnyDatabase, dialect: Dialect): Promise<void> {
  for (const resolution of [1, 10, 60]) {
    const name = `metric_rows_${resolution}`;
    await db.schema
      .createTable(name)
      .addColumn('group_id', 'bigint', (column) => column.notNull())
      .addColumn('at', 'bigint', (column) => column.notNull())
      .addColumn('data', dialect === 'sqlite' ? 'blob' : 'bytea', (column) => column.notNull())
      .addPrimaryKeyConstraint(`${name}_pk`, ['group_id', 'at'])
      .execute();
    await sql`insert into ${sql.table(name)} (group_id, at, data)
      select group_id, at, data from metric_rows where resolution = ${resolution} order by at`.execute(db);
    // Old rows are deleted by time.
    await db.schema.createIndex(`${name}_by_time`).on(name).column('at').execute();
  }
  await db.schema.dropTable('metric_rows').execute();
}

/** Without a foreign key to endpoints: arrivals remain useful when an endpoint is deployed again under the same name. */
export async function createArrivals(db: AnyDatabase): Promise<void> {
  await db.schema
    .createTable('recorded_minutes')
    .addColumn('minute', 'bigint', (column) => column.primaryKey())
    .addColumn('seconds', 'text', (column) => column.notNull())
    .execute();
  const ofMinute = (name: 'minute_arrivals' | 'second_arrivals') =>
    db.schema
      .createTable(name)
      .addColumn('endpoint_key', 'text', (column) => column.notNull())
      .addColumn('minute', 'bigint', (column) => column.notNull())
      .addColumn('variant', 'text', (column) => column.notNull())
      .addPrimaryKeyConstraint(`${name}_pk`, ['endpoint_key', 'minute', 'variant']);
  await ofMinute('minute_arrivals')
    .addColumn('requests', 'double precision', (column) => column.notNull())
    .addColumn('rows', 'double precision', (column) => column.notNull())
    .execute();
  await ofMinute('second_arrivals')
    .addColumn('seconds', 'text', (column) => column.notNull())
    .execute();
  // Old rows are deleted by time.
  for (const name of ['minute_arrivals', 'second_arrivals'])
    await db.schema.createIndex(`${name}_by_minute`).on(name).column('minute').execute();
}

/** Groups, streams and events of logs. */
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
