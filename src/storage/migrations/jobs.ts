/** Migrations of the job queues. */
import { sql } from 'kysely';
import type { AnyDatabase } from './any-database.ts';

/** Queues in one table; `lease` names the worker that has the job, `visible_at` is when the lease ends. */
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

/** Indexed in the order of leasing, so that the first job of a long queue is found without sorting. */
export async function orderJobs(db: AnyDatabase): Promise<void> {
  await db.schema.dropIndex('jobs_to_take').execute();
  await db.schema.createIndex('jobs_to_take').on('jobs').columns(['queue', 'state', 'priority desc', 'created_at', 'id']).execute();
}

/**
 * `lane` is the partition for fair scheduling. Most queues have none, so a partial index adds no cost to them. 'of before' marks
 * deliveries stored before this migration.
 */
export async function addLanes(db: AnyDatabase): Promise<void> {
  await db.schema.alterTable('jobs').addColumn('lane', 'text').execute();
  await sql`update jobs set lane = 'of before' where queue = 'deliveries'`.execute(db);
  await sql`create index jobs_by_lane on jobs (queue, state, lane, priority desc, created_at, id, visible_at, expires_at) where lane is not null`.execute(
    db,
  );
}

const rowsAtOnce = 100;

/**
 * Assigns each stored delivery to the lane of its target. Until now these deliveries shared one lane and delayed each other, and
 * deliveries without a lane are never leased.
 */
export async function setLanesOfDeliveries(db: AnyDatabase): Promise<void> {
  for (let last = ''; ; ) {
    const { rows } = await sql<{ id: string; payload: string }>`
      select id, payload from jobs
      where queue = 'deliveries' and (lane is null or lane = 'of before') and id > ${last} order by id limit ${rowsAtOnce}`.execute(db);
    for (const { id, payload } of rows) await sql`update jobs set lane = ${laneOf(payload)} where id = ${id}`.execute(db);
    last = rows.at(-1)?.id ?? '';
    if (rows.length < rowsAtOnce) return;
  }
}

/**
 * Jobs are listed and counted by cause without reading their payload, which may be large and precedes the other columns. Most queues have
 * no causes, so a partial index adds no cost to them.
 */
export async function addCauses(db: AnyDatabase): Promise<void> {
  await db.schema.alterTable('jobs').addColumn('cause', 'text').execute();
  await sql`create index jobs_with_causes on jobs (queue, created_at, id) where cause is not null`.execute(db);
  await sql`create index jobs_by_cause on jobs (queue, cause, created_at, id, state, (reason is null)) where cause is not null`.execute(db);
}

/** The cause of a delivery is its rule. */
export async function setCausesOfDeliveries(db: AnyDatabase): Promise<void> {
  for (let last = ''; ; ) {
    const { rows } = await sql<{ id: string; payload: string }>`
      select id, payload from jobs where queue = 'deliveries' and cause is null and id > ${last} order by id limit ${rowsAtOnce}`.execute(
      db,
    );
    for (const { id, payload } of rows) {
      const { rule } = JSON.parse(payload) as { readonly rule: string };
      await sql`update jobs set cause = ${rule} where id = ${id}`.execute(db);
    }
    last = rows.at(-1)?.id ?? '';
    if (rows.length < rowsAtOnce) return;
  }
}

/**
 * Jobs of a sequence run one after the other. The lane index contains the sequence, so finding the next job reads no payload. Existing
 * jobs have no sequence and wait for none.
 */
export async function addSequences(db: AnyDatabase): Promise<void> {
  await db.schema.alterTable('jobs').addColumn('sequence', 'text').execute();
  await db.schema.dropIndex('jobs_by_lane').execute();
  const columns = sql.raw('queue, state, lane, priority desc, created_at, id, visible_at, expires_at, sequence');
  await sql`create index jobs_by_lane on jobs (${columns}) where lane is not null`.execute(db);
  await sql`create index jobs_in_sequence on jobs (queue, state, sequence, id) where sequence is not null`.execute(db);
}

/** Fixed as of this migration: the origin of a URL, or the ARN itself. */
function laneOf(payload: string): string {
  const { arn } = (JSON.parse(payload) as { readonly target: { readonly arn: string } }).target;
  return /^https?:/.test(arn) && URL.canParse(arn) ? new URL(arn).origin : arn;
}
