/** Steps of `migrations.ts`: asynchronous requests and transform jobs. */
import type { Dialect } from '../tables.ts';
import type { AnyDatabase } from './any-database.ts';

/** The outcome of a request is written in the transaction that removes its job. */
export async function createAsyncRequests(db: AnyDatabase, dialect: Dialect): Promise<void> {
  await db.schema
    .createTable('async_requests')
    .addColumn('id', 'text', (column) => column.primaryKey())
    .addColumn('endpoint_key', 'text', (column) => column.notNull())
    .addColumn('inference_id', 'text', (column) => column.notNull())
    .addColumn('state', 'text', (column) => column.notNull())
    .addColumn('document', 'text', (column) => column.notNull())
    .addColumn('body', dialect === 'sqlite' ? 'blob' : 'bytea')
    .addColumn('created_at', 'bigint', (column) => column.notNull())
    .addColumn('expires_at', 'bigint', (column) => column.notNull())
    .addColumn('finished_at', 'bigint')
    .addColumn('failures', 'integer', (column) => column.notNull())
    .addColumn('troubles', 'integer', (column) => column.notNull())
    .addColumn('reason', 'text')
    .execute();
  await db.schema.createIndex('async_requests_of_endpoint').on('async_requests').columns(['endpoint_key', 'created_at']).execute();
  await db.schema.createIndex('async_requests_by_state').on('async_requests').columns(['state', 'finished_at']).execute();
}

/** Batch transforms: `document` is the spec as JSON. A page of the list is a range of the index. */
export async function createTransforms(db: AnyDatabase): Promise<void> {
  await db.schema
    .createTable('transforms')
    .addColumn('name_key', 'text', (column) => column.primaryKey())
    .addColumn('name', 'text', (column) => column.notNull())
    .addColumn('state', 'text', (column) => column.notNull())
    .addColumn('document', 'text', (column) => column.notNull())
    .addColumn('created_at', 'bigint', (column) => column.notNull())
    .addColumn('updated_at', 'bigint', (column) => column.notNull())
    .addColumn('started_at', 'bigint')
    .addColumn('ended_at', 'bigint')
    .addColumn('reason', 'text')
    .execute();
  await db.schema.createIndex('transforms_by_age').on('transforms').columns(['created_at', 'name_key']).execute();
  await db.schema.createIndex('transforms_by_state').on('transforms').columns(['state', 'created_at']).execute();
  await db.schema
    .createTable('transform_objects')
    .addColumn('transform_key', 'text', (column) => column.notNull().references('transforms.name_key').onDelete('cascade'))
    .addColumn('position', 'integer', (column) => column.notNull())
    .addColumn('name', 'text', (column) => column.notNull())
    .addColumn('bytes', 'bigint', (column) => column.notNull())
    .addColumn('state', 'text', (column) => column.notNull())
    .addColumn('records', 'bigint', (column) => column.notNull())
    .addColumn('skipped', 'bigint', (column) => column.notNull())
    .addColumn('note', 'text')
    .addColumn('checkpoint', 'text')
    .addPrimaryKeyConstraint('transform_objects_pk', ['transform_key', 'position'])
    .execute();
}
