/** Steps of `migrations.ts`: S3 buckets and their contents, and documents that AWS services store alongside platform resources. */
import { sql } from 'kysely';
import type { Dialect } from '../tables.ts';
import type { AnyDatabase } from './any-database.ts';

/** Buckets and their objects. The contents of objects are in the object store. */
export async function createS3(db: AnyDatabase, dialect: Dialect): Promise<void> {
  // Keys are listed in the order of their UTF-8 bytes. PostgreSQL would otherwise use the collation of the server.
  const key = dialect === 'sqlite' ? 'text' : sql`text collate "C"`;
  await db.schema
    .createTable('s3_buckets')
    .addColumn('name', 'text', (column) => column.primaryKey())
    .addColumn('created_at', 'bigint', (column) => column.notNull())
    .execute();
  await db.schema
    .createTable('s3_objects')
    .addColumn('bucket', 'text', (column) => column.notNull().references('s3_buckets.name'))
    .addColumn('key', key, (column) => column.notNull())
    .addColumn('id', 'text', (column) => column.notNull())
    .addColumn('bytes', 'bigint', (column) => column.notNull())
    .addColumn('etag', 'text', (column) => column.notNull())
    .addColumn('modified_at', 'bigint', (column) => column.notNull())
    .addColumn('parts', 'integer')
    .addColumn('headers', 'text', (column) => column.notNull())
    .addColumn('checksums', 'text', (column) => column.notNull())
    .addPrimaryKeyConstraint('s3_objects_pk', ['bucket', 'key'])
    .execute();
  await db.schema
    .createTable('s3_uploads')
    .addColumn('id', 'text', (column) => column.primaryKey())
    .addColumn('bucket', 'text', (column) => column.notNull().references('s3_buckets.name'))
    .addColumn('key', key, (column) => column.notNull())
    .addColumn('headers', 'text', (column) => column.notNull())
    .addColumn('created_at', 'bigint', (column) => column.notNull())
    .execute();
  await db.schema.createIndex('s3_uploads_of_bucket').on('s3_uploads').columns(['bucket', 'key', 'id']).execute();
  await db.schema
    .createTable('s3_pieces')
    .addColumn('owner', 'text', (column) => column.notNull())
    .addColumn('position', 'integer', (column) => column.notNull())
    .addColumn('sha256', 'text', (column) => column.notNull())
    .addColumn('bytes', 'bigint', (column) => column.notNull())
    .addColumn('md5', 'text', (column) => column.notNull())
    .addColumn('checksums', 'text', (column) => column.notNull())
    .addColumn('stored_at', 'bigint', (column) => column.notNull())
    .addPrimaryKeyConstraint('s3_pieces_pk', ['owner', 'position'])
    .execute();
  await db.schema.createIndex('s3_pieces_by_file').on('s3_pieces').column('sha256').execute();
}

/** The content of a piece in its row. */
export async function addContent(db: AnyDatabase, dialect: Dialect): Promise<void> {
  await db.schema
    .alterTable('s3_pieces')
    .addColumn('content', dialect === 'sqlite' ? 'blob' : 'bytea')
    .execute();
}

/** A document is deleted with its group, version or endpoint. */
export async function createAwsDocuments(db: AnyDatabase): Promise<void> {
  await db.schema
    .createTable('aws_documents')
    .addColumn('kind', 'text', (column) => column.notNull())
    .addColumn('name_key', 'text', (column) => column.notNull())
    .addColumn('name', 'text', (column) => column.notNull())
    .addColumn('content', 'text', (column) => column.notNull())
    .addColumn('created_at', 'bigint', (column) => column.notNull())
    .addColumn('updated_at', 'bigint', (column) => column.notNull())
    .addColumn('group_key', 'text', (column) => column.references('model_groups.name_key').onDelete('cascade'))
    .addColumn('version', 'integer')
    .addColumn('number', 'integer')
    .addColumn('endpoint_key', 'text', (column) => column.references('endpoints.name_key').onDelete('cascade'))
    .addPrimaryKeyConstraint('aws_documents_pk', ['kind', 'name_key'])
    .addForeignKeyConstraint(
      'aws_documents_of_version',
      ['group_key', 'version'],
      'model_versions',
      ['group_key', 'version'],
      (constraint) => constraint.onDelete('cascade'), // Not enforced for rows without a version.
    )
    .execute();
  await db.schema.createIndex('aws_documents_by_age').on('aws_documents').columns(['kind', 'created_at', 'name_key']).execute();
  await db.schema.createIndex('aws_documents_of_versions').on('aws_documents').columns(['group_key', 'version']).execute();
  await db.schema.createIndex('aws_documents_of_endpoints').on('aws_documents').column('endpoint_key').execute();
}
