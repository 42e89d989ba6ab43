/** Steps of `migrations.ts`: training jobs. */
import type { AnyDatabase } from './any-database.ts';

/** Training jobs: `document` is what was requested, `progress` what became of it. */
export async function createTraining(db: AnyDatabase): Promise<void> {
  await db.schema
    .createTable('training_jobs')
    .addColumn('name_key', 'text', (column) => column.primaryKey())
    .addColumn('name', 'text', (column) => column.notNull())
    .addColumn('state', 'text', (column) => column.notNull())
    .addColumn('document', 'text', (column) => column.notNull())
    .addColumn('progress', 'text', (column) => column.notNull())
    .addColumn('source_sha256', 'text')
    .addColumn('group_key', 'text')
    .addColumn('version', 'text')
    .addColumn('created_at', 'bigint', (column) => column.notNull())
    .addColumn('updated_at', 'bigint', (column) => column.notNull())
    .execute();
  await db.schema.createIndex('training_jobs_by_age').on('training_jobs').columns(['created_at', 'name_key']).execute();
  await db.schema.createIndex('training_jobs_by_state').on('training_jobs').columns(['state', 'created_at']).execute();
  await db.schema.createIndex('training_jobs_of_group').on('training_jobs').column('group_key').execute();
  await db.schema.createIndex('training_jobs_by_source').on('training_jobs').column('source_sha256').execute();
}

/** How far the file has been read whose lines a stream holds: written together with them, so that none is lost or there twice. */
export async function addStreamOffsets(db: AnyDatabase): Promise<void> {
  await db.schema.alterTable('log_streams').addColumn('source_offset', 'bigint').execute();
}

/** Tuning jobs and their trials. */
export async function createTuning(db: AnyDatabase): Promise<void> {
  await db.schema
    .createTable('tuning_jobs')
    .addColumn('name_key', 'text', (column) => column.primaryKey())
    .addColumn('name', 'text', (column) => column.notNull())
    .addColumn('state', 'text', (column) => column.notNull())
    .addColumn('document', 'text', (column) => column.notNull())
    .addColumn('progress', 'text', (column) => column.notNull())
    .addColumn('source_sha256', 'text')
    .addColumn('created_at', 'bigint', (column) => column.notNull())
    .addColumn('updated_at', 'bigint', (column) => column.notNull())
    .execute();
  await db.schema.createIndex('tuning_jobs_by_age').on('tuning_jobs').columns(['created_at', 'name_key']).execute();
  await db.schema.createIndex('tuning_jobs_by_state').on('tuning_jobs').columns(['state', 'created_at']).execute();
  await db.schema.createIndex('tuning_jobs_by_source').on('tuning_jobs').column('source_sha256').execute();
  await db.schema
    .createTable('tuning_trials')
    .addColumn('tuning_key', 'text', (column) => column.notNull())
    .addColumn('number', 'integer', (column) => column.notNull())
    .addColumn('document', 'text', (column) => column.notNull())
    .addPrimaryKeyConstraint('tuning_trials_key', ['tuning_key', 'number'])
    .execute();
}
