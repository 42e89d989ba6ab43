/** Steps of `migrations.ts`: pipelines, their revisions and runs. */
import { sql } from 'kysely';
import type { AnyDatabase } from './any-database.ts';

/** Pipelines with all revisions and runs. */
export async function createPipelines(db: AnyDatabase): Promise<void> {
  await db.schema
    .createTable('pipelines')
    .addColumn('name_key', 'text', (column) => column.primaryKey())
    .addColumn('name', 'text', (column) => column.notNull())
    .addColumn('revision', 'integer', (column) => column.notNull())
    .addColumn('is_enabled', 'integer', (column) => column.notNull())
    .addColumn('waiting', 'text')
    .addColumn('schedule_handled_at', 'bigint', (column) => column.notNull())
    .addColumn('last_started_at', 'bigint')
    .addColumn('created_at', 'bigint', (column) => column.notNull())
    .addColumn('updated_at', 'bigint', (column) => column.notNull())
    .execute();
  await db.schema
    .createTable('pipeline_revisions')
    .addColumn('name_key', 'text', (column) => column.notNull().references('pipelines.name_key').onDelete('cascade'))
    .addColumn('revision', 'integer', (column) => column.notNull())
    .addColumn('file', 'text', (column) => column.notNull())
    .addColumn('document', 'text', (column) => column.notNull())
    .addColumn('source_sha256', 'text')
    .addColumn('applied_by', 'text', (column) => column.notNull())
    .addColumn('applied_at', 'bigint', (column) => column.notNull())
    .addPrimaryKeyConstraint('pipeline_revisions_pk', ['name_key', 'revision'])
    .execute();
  await db.schema.createIndex('pipeline_revisions_by_source').on('pipeline_revisions').column('source_sha256').execute();
  await db.schema
    .createTable('pipeline_runs')
    .addColumn('name_key', 'text', (column) => column.notNull().references('pipelines.name_key').onDelete('cascade'))
    .addColumn('number', 'integer', (column) => column.notNull())
    .addColumn('revision', 'integer', (column) => column.notNull())
    .addColumn('state', 'text', (column) => column.notNull())
    .addColumn('document', 'text', (column) => column.notNull())
    .addColumn('holdout', 'text')
    .addColumn('started_at', 'bigint', (column) => column.notNull())
    .addColumn('ended_at', 'bigint')
    .addPrimaryKeyConstraint('pipeline_runs_pk', ['name_key', 'number'])
    .execute();
  await db.schema.createIndex('pipeline_runs_by_state').on('pipeline_runs').column('state').execute();
  await db.schema.createIndex('pipeline_runs_by_holdout').on('pipeline_runs').column('holdout').execute();
}

/** Of pipelines of the AWS API, whose definitions are AWS documents. */
export async function createPipelineExecutions(db: AnyDatabase): Promise<void> {
  await db.schema
    .createTable('pipeline_executions')
    .addColumn('id', 'text', (column) => column.primaryKey())
    .addColumn('pipeline_key', 'text', (column) => column.notNull())
    .addColumn('state', 'text', (column) => column.notNull())
    .addColumn('document', 'text', (column) => column.notNull())
    .addColumn('created_at', 'bigint', (column) => column.notNull())
    .addColumn('updated_at', 'bigint', (column) => column.notNull())
    .execute();
  await db.schema
    .createIndex('pipeline_executions_by_pipeline')
    .on('pipeline_executions')
    .columns(['pipeline_key', 'created_at', 'id'])
    .execute();
  await db.schema.createIndex('pipeline_executions_by_state').on('pipeline_executions').columns(['state', 'created_at']).execute();
}

/** Tests on the same rows count as long as the rows are known: also those of runs and pipelines that were deleted. */
export async function createHoldoutUses(db: AnyDatabase): Promise<void> {
  await db.schema
    .createTable('holdout_uses')
    .addColumn('holdout', 'text', (column) => column.notNull())
    .addColumn('run', 'text', (column) => column.notNull())
    .addPrimaryKeyConstraint('holdout_uses_pk', ['holdout', 'run'])
    .execute();
  await sql`insert into holdout_uses (holdout, run)
    select holdout, name_key || '/' || number || '/' || started_at from pipeline_runs where holdout is not null`.execute(db);
  await db.schema.dropIndex('pipeline_runs_by_holdout').execute();
}
