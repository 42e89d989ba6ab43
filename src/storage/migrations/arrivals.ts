/** A step of `migrations.ts`: arrivals of requests. */
import type { AnyDatabase } from './any-database.ts';

/** Without a foreign key to endpoints: arrivals remain useful when an endpoint is deployed again under the same name. */
export async function createArrivals(db: AnyDatabase): Promise<void> {
  await db.schema
    .createTable('recorded_minutes')
    .addColumn('minute', 'bigint', (column) => column.primaryKey())
    .addColumn('seconds', 'text', (column) => column.notNull())
    .execute();
  const ofMinute = (name: 'minute_arrivals' | 'second_arrivals') =>
    db.schema
      .createTable(name)
      .addColumn('endpoint_key', 'text', (column) => column.notNull())
      .addColumn('minute', 'bigint', (column) => column.notNull())
      .addColumn('variant', 'text', (column) => column.notNull())
      .addPrimaryKeyConstraint(`${name}_pk`, ['endpoint_key', 'minute', 'variant']);
  await ofMinute('minute_arrivals')
    .addColumn('requests', 'double precision', (column) => column.notNull())
    .addColumn('rows', 'double precision', (column) => column.notNull())
    .execute();
  await ofMinute('second_arrivals')
    .addColumn('seconds', 'text', (column) => column.notNull())
    .execute();
  // Old rows are deleted by time.
  for (const name of ['minute_arrivals', 'second_arrivals'])
    await db.schema.createIndex(`${name}_by_minute`).on(name).column('minute').execute();
}
