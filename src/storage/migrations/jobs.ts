/** Steps of `migrations.ts`: work that was accepted. */
import { sql } from 'kysely';
import type { AnyDatabase } from './any-database.ts';

export async function createJobs(db: AnyDatabase): Promise<void> {
  await db.schema
    .createTable('jobs')
    .addColumn('id', 'text', (column) => column.primaryKey())
    .addColumn('queue', 'text', (column) => column.notNull())
    .addColumn('payload', 'text', (column) => column.notNull())
    .addColumn('priority', 'integer', (column) => column.notNull())
    .addColumn('created_at', 'bigint', (column) => column.notNull())
    .addColumn('visible_at', 'bigint', (column) => column.notNull())
    .addColumn('expires_at', 'bigint')
    .addColumn('lease', 'text')
    .addColumn('attempts', 'integer', (column) => column.notNull())
    .addColumn('state', 'text', (column) => column.notNull())
    .addColumn('reason', 'text')
    .execute();
  await db.schema.createIndex('jobs_to_take').on('jobs').columns(['queue', 'state', 'priority', 'created_at']).execute();
}

/** In the order in which they are taken, so that the first of a long queue is found without sorting all of it. */
export async function orderJobs(db: AnyDatabase): Promise<void> {
  await db.schema.dropIndex('jobs_to_take').execute();
  await db.schema.createIndex('jobs_to_take').on('jobs').columns(['queue', 'state', 'priority desc', 'created_at', 'id']).execute();
}

/** Most queues have no lanes, and pay nothing for them. */
export async function addLanes(db: AnyDatabase): Promise<void> {
  await db.schema.alterTable('jobs').addColumn('lane', 'text').execute();
  await sql`update jobs set lane = 'of before' where queue = 'deliveries'`.execute(db);
  await sql`create index jobs_by_lane on jobs (queue, state, lane, priority desc, created_at, id, visible_at, expires_at) where lane is not null`.execute(
    db,
  );
}
