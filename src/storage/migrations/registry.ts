/** Steps of `migrations.ts`: models, versions and profiles. */
import type { AnyDatabase } from './any-database.ts';

/** Groups and versions. `next_version` only increases, so numbers are never used twice. */
export async function createRegistry(db: AnyDatabase): Promise<void> {
  await db.schema
    .createTable('model_groups')
    .addColumn('name_key', 'text', (column) => column.primaryKey())
    .addColumn('name', 'text', (column) => column.notNull())
    .addColumn('description', 'text', (column) => column.notNull())
    .addColumn('tags', 'text', (column) => column.notNull())
    .addColumn('created_at', 'bigint', (column) => column.notNull())
    .addColumn('next_version', 'integer', (column) => column.notNull().defaultTo(1))
    .execute();
  await db.schema
    .createTable('model_versions')
    .addColumn('group_key', 'text', (column) => column.notNull().references('model_groups.name_key'))
    .addColumn('version', 'integer', (column) => column.notNull())
    .addColumn('approval', 'text', (column) => column.notNull())
    .addColumn('approval_changed_by', 'text')
    .addColumn('approval_changed_at', 'bigint')
    .addColumn('approval_note', 'text')
    .addColumn('description', 'text', (column) => column.notNull())
    .addColumn('metadata', 'text', (column) => column.notNull())
    .addColumn('metrics', 'text', (column) => column.notNull())
    .addColumn('tags', 'text', (column) => column.notNull())
    .addColumn('artifact_sha256', 'text', (column) => column.notNull())
    .addColumn('artifact_bytes', 'bigint', (column) => column.notNull())
    .addColumn('source_sha256', 'text', (column) => column.notNull())
    .addColumn('source_name', 'text', (column) => column.notNull())
    .addColumn('signature', 'text', (column) => column.notNull())
    .addColumn('opsets', 'text', (column) => column.notNull())
    .addColumn('producer', 'text', (column) => column.notNull())
    .addColumn('properties', 'text', (column) => column.notNull())
    .addColumn('notes', 'text', (column) => column.notNull())
    .addColumn('batchable', 'integer', (column) => column.notNull())
    .addColumn('batchable_reason', 'text', (column) => column.notNull())
    .addColumn('created_by', 'text', (column) => column.notNull())
    .addColumn('created_at', 'bigint', (column) => column.notNull())
    .addPrimaryKeyConstraint('model_versions_pk', ['group_key', 'version'])
    .execute();
  await db.schema.createIndex('model_versions_by_artifact').on('model_versions').column('artifact_sha256').execute();
  await db.schema
    .createTable('profiles')
    .addColumn('group_key', 'text', (column) => column.notNull())
    .addColumn('version', 'integer', (column) => column.notNull())
    .addColumn('executor', 'text', (column) => column.notNull())
    .addColumn('profile', 'text', (column) => column.notNull())
    .addColumn('measured_at', 'bigint', (column) => column.notNull())
    .addPrimaryKeyConstraint('profiles_pk', ['group_key', 'version', 'executor'])
    .addForeignKeyConstraint(
      'profiles_of_version',
      ['group_key', 'version'],
      'model_versions',
      ['group_key', 'version'],
      (constraint) => constraint.onDelete('cascade'), // A profile is deleted with its version.
    )
    .execute();
}

/** Existing models are all ONNX. */
export async function addRuntimes(db: AnyDatabase): Promise<void> {
  await db.schema
    .alterTable('model_versions')
    .addColumn('runtime', 'text', (column) => column.notNull().defaultTo('{"kind":"onnx"}'))
    .execute();
}

/** Existing models have one file, and no rows here. */
export async function addVersionFiles(db: AnyDatabase): Promise<void> {
  await db.schema
    .createTable('version_files')
    .addColumn('group_key', 'text', (column) => column.notNull())
    .addColumn('version', 'integer', (column) => column.notNull())
    .addColumn('path', 'text', (column) => column.notNull())
    .addColumn('sha256', 'text', (column) => column.notNull())
    .addColumn('bytes', 'bigint', (column) => column.notNull())
    .addPrimaryKeyConstraint('version_files_pk', ['group_key', 'version', 'path'])
    .addForeignKeyConstraint(
      'files_of_version',
      ['group_key', 'version'],
      'model_versions',
      ['group_key', 'version'],
      (constraint) => constraint.onDelete('cascade'), // Files are deleted with their version.
    )
    .execute();
  await db.schema.createIndex('version_files_by_object').on('version_files').column('sha256').execute();
}

/** What was recognised in the files of Python models, and the state of their opening. */
export async function addPythonModels(db: AnyDatabase): Promise<void> {
  await db.schema
    .createTable('python_models')
    .addColumn('group_key', 'text', (column) => column.notNull())
    .addColumn('version', 'integer', (column) => column.notNull())
    .addColumn('recognised', 'text', (column) => column.notNull())
    .addColumn('sample', 'text')
    .addColumn('state', 'text', (column) => column.notNull())
    .addColumn('requested_by', 'text')
    .addColumn('requested_at', 'bigint')
    .addColumn('note', 'text')
    .addColumn('reason', 'text')
    .addColumn('last_lines', 'text', (column) => column.notNull())
    .addColumn('facts', 'text')
    .addColumn('changed_at', 'bigint', (column) => column.notNull())
    .addPrimaryKeyConstraint('python_models_pk', ['group_key', 'version'])
    .addForeignKeyConstraint(
      'python_models_of_version',
      ['group_key', 'version'],
      'model_versions',
      ['group_key', 'version'],
      (constraint) => constraint.onDelete('cascade'),
    )
    .execute();
}
