/** Steps of `migrations.ts`: where the objects of an installation are, and those that are stored in PostgreSQL. */
import { sql } from 'kysely';
import type { Dialect } from '../tables.ts';
import type { AnyDatabase } from './any-database.ts';

/** `s3://bucket/prefix` or `postgres`; null for the folders of the data directory. */
export async function addObjectsPlace(db: AnyDatabase): Promise<void> {
  await db.schema.alterTable('installation').addColumn('objects', 'text').execute();
}

/** A server with SQLite has its objects in folders or in S3. */
export async function createObjectBlobs(db: AnyDatabase, dialect: Dialect): Promise<void> {
  if (dialect === 'sqlite') return;
  await db.schema
    .createTable('object_blobs')
    .addColumn('key', sql`text collate "C"`, (column) => column.primaryKey())
    .addColumn('upload', 'text', (column) => column.notNull().unique())
    .addColumn('bytes', 'bigint', (column) => column.notNull())
    .addColumn('modified_at', 'bigint', (column) => column.notNull())
    .execute();
  await db.schema
    .createTable('object_chunks')
    .addColumn('upload', 'text', (column) => column.notNull())
    .addColumn('position', 'integer', (column) => column.notNull())
    .addColumn('content', 'bytea', (column) => column.notNull())
    .addColumn('stored_at', 'bigint', (column) => column.notNull())
    .addPrimaryKeyConstraint('object_chunks_pk', ['upload', 'position'])
    .execute();
  // Models hardly compress, and parts of large values are read without decompressing what precedes them.
  await sql`alter table object_chunks alter column content set storage external`.execute(db);
}
