/** Steps of `migrations.ts`: endpoints, their updates and how many instances were decided on. */
import type { AnyDatabase } from './any-database.ts';

export async function createEndpoints(db: AnyDatabase): Promise<void> {
  await db.schema
    .createTable('endpoints')
    .addColumn('name_key', 'text', (column) => column.primaryKey())
    .addColumn('name', 'text', (column) => column.notNull())
    .addColumn('config', 'text', (column) => column.notNull())
    .addColumn('generation', 'integer', (column) => column.notNull())
    .addColumn('desired', 'text', (column) => column.notNull())
    .addColumn('created_at', 'bigint', (column) => column.notNull())
    .addColumn('updated_at', 'bigint', (column) => column.notNull())
    .execute();
}

/** Both go with their endpoint. */
export async function createScaling(db: AnyDatabase): Promise<void> {
  for (const [name, column, type] of [
    ['scaled_variants', 'instances', 'integer'],
    ['scaling_states', 'state', 'text'],
  ] as const) {
    await db.schema
      .createTable(name)
      .addColumn('endpoint_key', 'text', (key) => key.notNull().references('endpoints.name_key').onDelete('cascade'))
      .addColumn('variant_key', 'text', (key) => key.notNull())
      .addColumn(column, type, (value) => value.notNull())
      .addColumn('updated_at', 'bigint', (time) => time.notNull())
      .addPrimaryKeyConstraint(`${name}_pk`, ['endpoint_key', 'variant_key'])
      .execute();
  }
}

export async function addRollouts(db: AnyDatabase): Promise<void> {
  await db.schema.alterTable('endpoints').addColumn('rollout', 'text').execute();
}

/** Which versions each served and took back; null for one of before, of which that is not known. */
export async function addVersionHistory(db: AnyDatabase): Promise<void> {
  await db.schema.alterTable('endpoints').addColumn('version_history', 'text').execute();
}

/** What was told last of each; null for one of before, of which it is told once more. */
export async function addToldStatus(db: AnyDatabase): Promise<void> {
  await db.schema.alterTable('endpoints').addColumn('told_status', 'text').execute();
}

/** What each is judged by, and since when; null for one of before, which is taken to have had its objective since it was made. */
export async function addServedObjective(db: AnyDatabase): Promise<void> {
  await db.schema.alterTable('endpoints').addColumn('served_objective', 'text').execute();
}
