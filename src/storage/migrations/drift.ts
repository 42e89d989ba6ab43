/** A step of `migrations.ts`: data for drift detection and model quality. */
import type { AnyDatabase } from './any-database.ts';

/** Baselines and predictions are deleted with their endpoint. */
export async function createDrift(db: AnyDatabase): Promise<void> {
  await db.schema
    .createTable('drift_baselines')
    .addColumn('endpoint_key', 'text', (column) => column.primaryKey().references('endpoints.name_key').onDelete('cascade'))
    .addColumn('document', 'text', (column) => column.notNull())
    .addColumn('made_at', 'bigint', (column) => column.notNull())
    .execute();
  await db.schema
    .createTable('observed_predictions')
    .addColumn('endpoint_key', 'text', (column) => column.notNull().references('endpoints.name_key').onDelete('cascade'))
    .addColumn('inference_id', 'text', (column) => column.notNull())
    .addColumn('variant', 'text', (column) => column.notNull())
    .addColumn('at', 'bigint', (column) => column.notNull())
    .addColumn('rows', 'integer', (column) => column.notNull())
    .addColumn('is_class', 'integer', (column) => column.notNull())
    .addColumn('predictions', 'text', (column) => column.notNull())
    .addColumn('labelled_at', 'bigint')
    .addColumn('hits', 'integer')
    .addColumn('error_sum', 'double precision')
    .addPrimaryKeyConstraint('observed_predictions_pk', ['endpoint_key', 'inference_id'])
    .execute();
  await db.schema.createIndex('observed_predictions_by_age').on('observed_predictions').columns(['endpoint_key', 'at']).execute();
}

/** Which plan of a selection answered, and what another one would have, so that labels judge both. */
export async function addPlans(db: AnyDatabase): Promise<void> {
  for (const column of ['request_id', 'plan', 'shadow_plan', 'shadow_predictions'])
    await db.schema.alterTable('observed_predictions').addColumn(column, 'text').execute();
  for (const column of ['shadow_hits', 'label_trusted'])
    await db.schema.alterTable('observed_predictions').addColumn(column, 'integer').execute();
  await db.schema
    .createIndex('observed_predictions_by_request')
    .on('observed_predictions')
    .columns(['endpoint_key', 'request_id'])
    .execute();
}

/** On which rows a challenger of a selection is right and its incumbent is not, and the reverse. */
export async function addChallengers(db: AnyDatabase): Promise<void> {
  await db.schema.alterTable('observed_predictions').addColumn('shadow_against', 'text').execute();
  for (const column of ['shadow_better', 'shadow_worse'])
    await db.schema.alterTable('observed_predictions').addColumn(column, 'integer').execute();
}

/** How sure the least sure row of a call was, by which calls are chosen for labelling. */
export async function addScores(db: AnyDatabase): Promise<void> {
  await db.schema.alterTable('observed_predictions').addColumn('score_min', 'double precision').execute();
}

/** The labels themselves, by which captured calls become rows to train with. Deleted with their endpoint. */
export async function createCallLabels(db: AnyDatabase): Promise<void> {
  await db.schema
    .createTable('call_labels')
    .addColumn('endpoint_key', 'text', (column) => column.notNull().references('endpoints.name_key').onDelete('cascade'))
    .addColumn('inference_id', 'text', (column) => column.notNull())
    .addColumn('called_at', 'bigint', (column) => column.notNull())
    .addColumn('labels', 'text', (column) => column.notNull())
    .addPrimaryKeyConstraint('call_labels_pk', ['endpoint_key', 'inference_id'])
    .execute();
  await db.schema.createIndex('call_labels_by_age').on('call_labels').columns(['endpoint_key', 'called_at']).execute();
}
