/** A step of `migrations.ts`: the history of costs. */
import type { AnyDatabase } from './any-database.ts';

/** Use and cost by endpoint, variant and hour. */
export async function createCosts(db: AnyDatabase): Promise<void> {
  // Without a foreign key to endpoints: costs remain after an endpoint is deleted.
  let table = db.schema
    .createTable('hourly_costs')
    .addColumn('hour', 'bigint', (column) => column.notNull())
    .addColumn('day', 'bigint', (column) => column.notNull())
    .addColumn('endpoint_key', 'text', (column) => column.notNull())
    .addColumn('endpoint', 'text', (column) => column.notNull())
    .addColumn('variant', 'text', (column) => column.notNull());
  const sums = [
    'instance_seconds',
    'instance_usd',
    'provisioned_seconds',
    'provisioned_usd',
    'requests',
    'receipts_usd',
    'function_usd',
    'function_gb_seconds',
    'invocations',
    'cold_starts',
  ];
  for (const sum of sums) table = table.addColumn(sum, 'double precision', (column) => column.notNull());
  await table.addPrimaryKeyConstraint('hourly_costs_pk', ['hour', 'endpoint_key', 'variant']).execute();
}

/** Earlier hours have no count. */
export async function addFailed(db: AnyDatabase): Promise<void> {
  for (const sum of ['failed_requests', 'failed_runs_usd']) {
    await db.schema
      .alterTable('hourly_costs')
      .addColumn(sum, 'double precision', (column) => column.notNull().defaultTo(0))
      .execute();
  }
}
