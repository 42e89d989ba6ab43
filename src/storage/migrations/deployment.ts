/** Steps of `migrations.ts`: endpoints, their updates and their decided numbers of instances. */
import type { AnyDatabase } from './any-database.ts';

/** Desired states of endpoints. `config` is JSON. */
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

/** The rows of both tables are deleted with their endpoint. */
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

/** The monitored update in progress, as JSON. */
export async function addRollouts(db: AnyDatabase): Promise<void> {
  await db.schema.alterTable('endpoints').addColumn('rollout', 'text').execute();
}

/** The versions that each endpoint served and rolled back; null for earlier endpoints, whose history is unknown. */
export async function addVersionHistory(db: AnyDatabase): Promise<void> {
  await db.schema.alterTable('endpoints').addColumn('version_history', 'text').execute();
}

/** The last announced status of each endpoint; null for earlier endpoints, whose status is announced once more. */
export async function addAnnouncedStatus(db: AnyDatabase): Promise<void> {
  await db.schema.alterTable('endpoints').addColumn('told_status', 'text').execute();
}

/** The objective of each endpoint and its start time. Null for earlier endpoints, whose objective is assumed to be unchanged. */
export async function addServedObjective(db: AnyDatabase): Promise<void> {
  await db.schema.alterTable('endpoints').addColumn('served_objective', 'text').execute();
}
