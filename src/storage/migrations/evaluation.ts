/** Steps of `migrations.ts`: evaluations, and what their sets were used for. */
import type { AnyDatabase } from './any-database.ts';

/** Labelled sets, evaluations, and the files that they share. */
export async function createEvaluations(db: AnyDatabase): Promise<void> {
  await db.schema
    .createTable('evaluation_sets')
    .addColumn('name_key', 'text', (column) => column.primaryKey())
    .addColumn('name', 'text', (column) => column.notNull())
    .addColumn('sha256', 'text', (column) => column.notNull())
    .addColumn('bytes', 'bigint', (column) => column.notNull())
    .addColumn('labels_sha256', 'text', (column) => column.notNull())
    .addColumn('document', 'text', (column) => column.notNull())
    .addColumn('created_by', 'text', (column) => column.notNull())
    .addColumn('created_at', 'bigint', (column) => column.notNull())
    .execute();
  await db.schema
    .createTable('evaluation_files')
    .addColumn('set_key', 'text', (column) => column.notNull().references('evaluation_sets.name_key').onDelete('cascade'))
    .addColumn('sha256', 'text', (column) => column.notNull())
    .addPrimaryKeyConstraint('evaluation_files_pk', ['sha256', 'set_key'])
    .execute();
  await db.schema
    .createTable('evaluation_outcomes')
    .addColumn('set_key', 'text', (column) => column.notNull().references('evaluation_sets.name_key').onDelete('cascade'))
    .addColumn('artifact_key', 'text', (column) => column.notNull())
    .addColumn('outcomes_sha256', 'text', (column) => column.notNull())
    .addColumn('document', 'text', (column) => column.notNull())
    .addColumn('evaluated_by', 'text', (column) => column.notNull())
    .addColumn('evaluated_at', 'bigint', (column) => column.notNull())
    .addPrimaryKeyConstraint('evaluation_outcomes_pk', ['artifact_key', 'set_key'])
    .execute();
  await db.schema
    .createTable('evaluations')
    .addColumn('id', 'text', (column) => column.primaryKey())
    .addColumn('set_key', 'text', (column) => column.notNull().references('evaluation_sets.name_key').onDelete('cascade'))
    .addColumn('state', 'text', (column) => column.notNull())
    .addColumn('reason', 'text')
    .addColumn('document', 'text', (column) => column.notNull())
    .addColumn('created_by', 'text', (column) => column.notNull())
    .addColumn('created_at', 'bigint', (column) => column.notNull())
    .addColumn('ended_at', 'bigint')
    .execute();
  await db.schema.createIndex('evaluations_by_age').on('evaluations').columns(['created_at', 'id']).execute();
}

/** What was seen of a selection since its decision. Deleted with its endpoint. */
export async function createSelectionEvidence(db: AnyDatabase): Promise<void> {
  await db.schema
    .createTable('selection_evidence')
    .addColumn('endpoint_key', 'text', (column) => column.notNull().references('endpoints.name_key').onDelete('cascade'))
    .addColumn('kind', 'text', (column) => column.notNull())
    .addColumn('plan', 'text', (column) => column.notNull())
    .addColumn('decided_at', 'bigint', (column) => column.notNull())
    .addColumn('baseline_rows', 'bigint', (column) => column.notNull())
    .addColumn('baseline_ones', 'bigint', (column) => column.notNull())
    .addColumn('rows', 'bigint', (column) => column.notNull())
    .addColumn('ones', 'bigint', (column) => column.notNull())
    .addColumn('fired_at_rows', 'bigint')
    .addPrimaryKeyConstraint('selection_evidence_pk', ['endpoint_key', 'kind', 'plan'])
    .execute();
}

/** The tests that certificates rest on, with the level that each took. */
export async function createSelectionTests(db: AnyDatabase): Promise<void> {
  await db.schema
    .createTable('selection_tests')
    // Deleted with the endpoint: a later one of the same name starts again.
    .addColumn('endpoint_key', 'text', (column) => column.notNull().references('endpoints.name_key').onDelete('cascade'))
    .addColumn('set_id', 'text', (column) => column.notNull())
    .addColumn('family', 'text', (column) => column.notNull())
    .addColumn('first_key', 'text', (column) => column.notNull())
    .addColumn('second_key', 'text', (column) => column.notNull())
    .addColumn('floor', 'double precision', (column) => column.notNull())
    .addColumn('delta', 'double precision', (column) => column.notNull())
    .addColumn('level', 'double precision', (column) => column.notNull())
    .addColumn('at', 'bigint', (column) => column.notNull())
    .addPrimaryKeyConstraint('selection_tests_pk', ['endpoint_key', 'set_id', 'first_key', 'second_key', 'floor', 'delta'])
    .execute();
  await db.schema
    .createTable('evaluation_choices')
    .addColumn('set_key', 'text', (column) => column.notNull().references('evaluation_sets.name_key').onDelete('cascade'))
    .addColumn('choice', 'text', (column) => column.notNull())
    .addPrimaryKeyConstraint('evaluation_choices_pk', ['set_key', 'choice'])
    .execute();
}
