/**
 * How the database came to its present form, step by step and forward only. A step that has been released is never
 * changed again: add the next one.
 */
import { type CreateTableBuilder, type Kysely, sql } from 'kysely';
import type { Migration } from 'kysely/migration';
import { createDrift } from './drift-tables.ts';
import { clearMetricRows, createMetricSeries, splitMetricRows } from './metric-tables.ts';
import type { Dialect } from './tables.ts';

/** A migration sees the tables of its own time, so it goes without the types of today's. */
type AnyDatabase = Kysely<unknown>;

/** `state` survives a power loss; `metrics` may lose its last moments for that it costs little to write. */
export type Purpose = 'state' | 'metrics';

export function migrationsFor(purpose: Purpose, dialect: Dialect): Record<string, Migration> {
  if (purpose === 'metrics') {
    return {
      '0001-arrivals': { up: createArrivals },
      '0002-metric-series': { up: (db) => createMetricSeries(db, dialect) },
      '0003-logs': { up: createLogs },
      '0004-metric-rows-anew': { up: clearMetricRows },
      '0005-metric-rows-by-resolution': { up: (db) => splitMetricRows(db, dialect) },
    };
  }
  return {
    '0001-registry': { up: createRegistry },
    '0002-endpoints': { up: createEndpoints },
    '0003-audit-and-events': { up: (db) => createAuditAndEvents(db, dialect) },
    '0004-decisions': { up: (db) => createDecisions(db, dialect) },
    '0005-costs': { up: createCosts },
    '0006-scaling': { up: createScaling },
    '0008-s3': { up: (db) => createS3(db, dialect) },
    '0009-aws-documents': { up: createAwsDocuments },
    '0010-runtimes': { up: addRuntimes },
    '0012-audit-chain': { up: chainAudit },
    '0013-alarms': { up: (db) => createAlarms(db, dialect) },
    '0014-jobs': { up: createJobs },
    '0015-event-rules': { up: createEventRules },
    '0017-drift': { up: createDrift },
    '0018-async': { up: (db) => createAsyncRequests(db, dialect) },
    '0019-transforms': { up: createTransforms },
    '0024-rollouts': { up: addRollouts },
    '0025-jobs-in-order': { up: orderJobs },
    '0026-small-objects': { up: (db) => addContent(db, dialect) },
    '0027-job-lanes': { up: addLanes },
  };
}

async function createRegistry(db: AnyDatabase): Promise<void> {
  await db.schema
    .createTable('model_groups')
    .addColumn('name_key', 'text', (column) => column.primaryKey())
    .addColumn('name', 'text', (column) => column.notNull())
    .addColumn('description', 'text', (column) => column.notNull())
    .addColumn('tags', 'text', (column) => column.notNull())
    .addColumn('created_at', 'bigint', (column) => column.notNull())
    .addColumn('next_version', 'integer', (column) => column.notNull().defaultTo(1))
    .execute();
  await db.schema
    .createTable('model_versions')
    .addColumn('group_key', 'text', (column) => column.notNull().references('model_groups.name_key'))
    .addColumn('version', 'integer', (column) => column.notNull())
    .addColumn('approval', 'text', (column) => column.notNull())
    .addColumn('approval_changed_by', 'text')
    .addColumn('approval_changed_at', 'bigint')
    .addColumn('approval_note', 'text')
    .addColumn('description', 'text', (column) => column.notNull())
    .addColumn('metadata', 'text', (column) => column.notNull())
    .addColumn('metrics', 'text', (column) => column.notNull())
    .addColumn('tags', 'text', (column) => column.notNull())
    .addColumn('artifact_sha256', 'text', (column) => column.notNull())
    .addColumn('artifact_bytes', 'bigint', (column) => column.notNull())
    .addColumn('source_sha256', 'text', (column) => column.notNull())
    .addColumn('source_name', 'text', (column) => column.notNull())
    .addColumn('signature', 'text', (column) => column.notNull())
    .addColumn('opsets', 'text', (column) => column.notNull())
    .addColumn('producer', 'text', (column) => column.notNull())
    .addColumn('properties', 'text', (column) => column.notNull())
    .addColumn('notes', 'text', (column) => column.notNull())
    .addColumn('batchable', 'integer', (column) => column.notNull())
    .addColumn('batchable_reason', 'text', (column) => column.notNull())
    .addColumn('created_by', 'text', (column) => column.notNull())
    .addColumn('created_at', 'bigint', (column) => column.notNull())
    .addPrimaryKeyConstraint('model_versions_pk', ['group_key', 'version'])
    .execute();
  await db.schema.createIndex('model_versions_by_artifact').on('model_versions').column('artifact_sha256').execute();
  await db.schema
    .createTable('profiles')
    .addColumn('group_key', 'text', (column) => column.notNull())
    .addColumn('version', 'integer', (column) => column.notNull())
    .addColumn('executor', 'text', (column) => column.notNull())
    .addColumn('profile', 'text', (column) => column.notNull())
    .addColumn('measured_at', 'bigint', (column) => column.notNull())
    .addPrimaryKeyConstraint('profiles_pk', ['group_key', 'version', 'executor'])
    .addForeignKeyConstraint(
      'profiles_of_version',
      ['group_key', 'version'],
      'model_versions',
      ['group_key', 'version'],
      (constraint) => constraint.onDelete('cascade'), // a profile means nothing without its version
    )
    .execute();
}

/** Until then every model was ONNX. */
async function addRuntimes(db: AnyDatabase): Promise<void> {
  await db.schema
    .alterTable('model_versions')
    .addColumn('runtime', 'text', (column) => column.notNull().defaultTo('{"kind":"onnx"}'))
    .execute();
}

async function createEndpoints(db: AnyDatabase): Promise<void> {
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

async function createAuditAndEvents(db: AnyDatabase, dialect: Dialect): Promise<void> {
  await db.schema
    .createTable('audit')
    .addColumn('id', 'text', (column) => column.primaryKey())
    .addColumn('at', 'bigint', (column) => column.notNull())
    .addColumn('who', 'text', (column) => column.notNull())
    .addColumn('action', 'text', (column) => column.notNull())
    .addColumn('target', 'text', (column) => column.notNull())
    .addColumn('outcome', 'text', (column) => column.notNull())
    .addColumn('detail', 'text', (column) => column.notNull())
    .execute();
  await withSeq(db.schema.createTable('events'), dialect)
    .addColumn('id', 'text', (column) => column.notNull().unique())
    .addColumn('at', 'bigint', (column) => column.notNull())
    .addColumn('kind', 'text', (column) => column.notNull())
    .addColumn('subject', 'text', (column) => column.notNull())
    .addColumn('detail', 'text', (column) => column.notNull())
    .execute();
}

async function createDecisions(db: AnyDatabase, dialect: Dialect): Promise<void> {
  await withSeq(db.schema.createTable('decisions'), dialect)
    .addColumn('id', 'text', (column) => column.notNull().unique())
    .addColumn('at', 'bigint', (column) => column.notNull())
    .addColumn('kind', 'text', (column) => column.notNull())
    // Decisions explain an endpoint that is there: one that comes later under the same name must not go on with them.
    .addColumn('endpoint_key', 'text', (column) => column.notNull().references('endpoints.name_key').onDelete('cascade'))
    .addColumn('endpoint', 'text', (column) => column.notNull())
    .addColumn('variant', 'text', (column) => column.notNull())
    .addColumn('trigger', 'text', (column) => column.notNull())
    .addColumn('changes', 'integer', (column) => column.notNull())
    .addColumn('inputs', 'text', (column) => column.notNull())
    .addColumn('alternatives', 'text', (column) => column.notNull())
    .addColumn('chosen', 'text', (column) => column.notNull())
    .addColumn('reason', 'text', (column) => column.notNull())
    .addColumn('explanation', 'text', (column) => column.notNull())
    .addColumn('effect', 'text')
    .execute();
  await db.schema.createIndex('decisions_of_endpoint').on('decisions').columns(['endpoint_key', 'seq']).execute();
}

/** Both go with their endpoint. */
async function createScaling(db: AnyDatabase): Promise<void> {
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

async function createCosts(db: AnyDatabase): Promise<void> {
  // What was used has been paid: it stays when its endpoint goes.
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

async function createS3(db: AnyDatabase, dialect: Dialect): Promise<void> {
  // Keys are listed in the order of their UTF-8 bytes; PostgreSQL would follow the language of the server.
  const key = dialect === 'sqlite' ? 'text' : sql`text collate "C"`;
  await db.schema
    .createTable('s3_buckets')
    .addColumn('name', 'text', (column) => column.primaryKey())
    .addColumn('created_at', 'bigint', (column) => column.notNull())
    .execute();
  await db.schema
    .createTable('s3_objects')
    .addColumn('bucket', 'text', (column) => column.notNull().references('s3_buckets.name'))
    .addColumn('key', key, (column) => column.notNull())
    .addColumn('id', 'text', (column) => column.notNull())
    .addColumn('bytes', 'bigint', (column) => column.notNull())
    .addColumn('etag', 'text', (column) => column.notNull())
    .addColumn('modified_at', 'bigint', (column) => column.notNull())
    .addColumn('parts', 'integer')
    .addColumn('headers', 'text', (column) => column.notNull())
    .addColumn('checksums', 'text', (column) => column.notNull())
    .addPrimaryKeyConstraint('s3_objects_pk', ['bucket', 'key'])
    .execute();
  await db.schema
    .createTable('s3_uploads')
    .addColumn('id', 'text', (column) => column.primaryKey())
    .addColumn('bucket', 'text', (column) => column.notNull().references('s3_buckets.name'))
    .addColumn('key', key, (column) => column.notNull())
    .addColumn('headers', 'text', (column) => column.notNull())
    .addColumn('created_at', 'bigint', (column) => column.notNull())
    .execute();
  await db.schema.createIndex('s3_uploads_of_bucket').on('s3_uploads').columns(['bucket', 'key', 'id']).execute();
  await db.schema
    .createTable('s3_pieces')
    .addColumn('owner', 'text', (column) => column.notNull())
    .addColumn('position', 'integer', (column) => column.notNull())
    .addColumn('sha256', 'text', (column) => column.notNull())
    .addColumn('bytes', 'bigint', (column) => column.notNull())
    .addColumn('md5', 'text', (column) => column.notNull())
    .addColumn('checksums', 'text', (column) => column.notNull())
    .addColumn('stored_at', 'bigint', (column) => column.notNull())
    .addPrimaryKeyConstraint('s3_pieces_pk', ['owner', 'position'])
    .execute();
  await db.schema.createIndex('s3_pieces_by_file').on('s3_pieces').column('sha256').execute();
}

/** They have no endpoint above them: who called a name is worth knowing also when it is deployed anew. */
async function createArrivals(db: AnyDatabase): Promise<void> {
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
  // What is too old is looked for by its time.
  for (const name of ['minute_arrivals', 'second_arrivals'])
    await db.schema.createIndex(`${name}_by_minute`).on(name).column('minute').execute();
}

async function createLogs(db: AnyDatabase): Promise<void> {
  await db.schema
    .createTable('log_groups')
    .addColumn('id', 'bigint', (column) => column.primaryKey())
    .addColumn('name', 'text', (column) => column.notNull().unique())
    .addColumn('created_at', 'bigint', (column) => column.notNull())
    .addColumn('retention_days', 'integer')
    .execute();
  await db.schema
    .createTable('log_streams')
    .addColumn('id', 'bigint', (column) => column.primaryKey())
    .addColumn('group_id', 'bigint', (column) => column.notNull())
    .addColumn('name', 'text', (column) => column.notNull())
    .addColumn('created_at', 'bigint', (column) => column.notNull())
    .addColumn('first_at', 'bigint')
    .addColumn('last_at', 'bigint')
    .addColumn('ingested_at', 'bigint')
    .addColumn('bytes', 'bigint', (column) => column.notNull())
    .addUniqueConstraint('log_streams_of_group', ['group_id', 'name'])
    .execute();
  await db.schema
    .createTable('log_events')
    .addColumn('seq', 'bigint', (column) => column.primaryKey())
    .addColumn('group_id', 'bigint', (column) => column.notNull())
    .addColumn('stream_id', 'bigint', (column) => column.notNull())
    .addColumn('at', 'bigint', (column) => column.notNull())
    .addColumn('ingested_at', 'bigint', (column) => column.notNull())
    .addColumn('bytes', 'integer', (column) => column.notNull())
    .addColumn('message', 'text', (column) => column.notNull())
    .execute();
  await db.schema.createIndex('log_events_of_group').on('log_events').columns(['group_id', 'at', 'seq']).execute();
  await db.schema.createIndex('log_events_of_stream').on('log_events').columns(['stream_id', 'at', 'seq']).execute();
}

/** What was recorded before has the number 0: no chain covers it. */
async function chainAudit(db: AnyDatabase): Promise<void> {
  await db.schema
    .alterTable('audit')
    .addColumn('number', 'bigint', (added) => added.notNull().defaultTo(0))
    .execute();
  await db.schema.alterTable('audit').addColumn('origin', 'text').execute();
  await db.schema
    .alterTable('audit')
    .addColumn('hash', 'text', (added) => added.notNull().defaultTo(''))
    .execute();
  await db.schema.createIndex('audit_by_number').on('audit').column('number').execute();
  await db.schema
    .createTable('audit_head')
    .addColumn('id', 'integer', (added) => added.primaryKey())
    .addColumn('number', 'bigint', (added) => added.notNull())
    .addColumn('hash', 'text', (added) => added.notNull())
    .execute();
  await sql`insert into audit_head (id, number, hash) values (1, 0, '')`.execute(db);
}

async function createAlarms(db: AnyDatabase, dialect: Dialect): Promise<void> {
  await db.schema
    .createTable('alarms')
    .addColumn('name', 'text', (column) => column.primaryKey())
    .addColumn('definition', 'text', (column) => column.notNull())
    .addColumn('state', 'text', (column) => column.notNull())
    .addColumn('state_reason', 'text', (column) => column.notNull())
    .addColumn('state_since', 'bigint', (column) => column.notNull())
    .addColumn('updated_at', 'bigint', (column) => column.notNull())
    .execute();
  // The history of an alarm outlives it.
  await withSeq(db.schema.createTable('alarm_history'), dialect)
    .addColumn('alarm', 'text', (column) => column.notNull())
    .addColumn('at', 'bigint', (column) => column.notNull())
    .addColumn('kind', 'text', (column) => column.notNull())
    .addColumn('summary', 'text', (column) => column.notNull())
    .addColumn('data', 'text', (column) => column.notNull())
    .execute();
  await db.schema.createIndex('alarm_history_of_alarm').on('alarm_history').columns(['alarm', 'seq']).execute();
  await db.schema.createIndex('alarm_history_by_time').on('alarm_history').column('at').execute();
}

async function createJobs(db: AnyDatabase): Promise<void> {
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
async function orderJobs(db: AnyDatabase): Promise<void> {
  await db.schema.dropIndex('jobs_to_take').execute();
  await db.schema.createIndex('jobs_to_take').on('jobs').columns(['queue', 'state', 'priority desc', 'created_at', 'id']).execute();
}

/** Most queues have no lanes, and pay nothing for them. */
async function addLanes(db: AnyDatabase): Promise<void> {
  await db.schema.alterTable('jobs').addColumn('lane', 'text').execute();
  await sql`update jobs set lane = 'of before' where queue = 'deliveries'`.execute(db);
  await sql`create index jobs_by_lane on jobs (queue, state, lane, priority desc, created_at, id, visible_at, expires_at) where lane is not null`.execute(
    db,
  );
}

async function addContent(db: AnyDatabase, dialect: Dialect): Promise<void> {
  await db.schema
    .alterTable('s3_pieces')
    .addColumn('content', dialect === 'sqlite' ? 'blob' : 'bytea')
    .execute();
}

/** What becomes of a request is written in the transaction that takes its job away. */
async function createAsyncRequests(db: AnyDatabase, dialect: Dialect): Promise<void> {
  await db.schema
    .createTable('async_requests')
    .addColumn('id', 'text', (column) => column.primaryKey())
    .addColumn('endpoint_key', 'text', (column) => column.notNull())
    .addColumn('inference_id', 'text', (column) => column.notNull())
    .addColumn('state', 'text', (column) => column.notNull())
    .addColumn('document', 'text', (column) => column.notNull())
    .addColumn('body', dialect === 'sqlite' ? 'blob' : 'bytea')
    .addColumn('created_at', 'bigint', (column) => column.notNull())
    .addColumn('expires_at', 'bigint', (column) => column.notNull())
    .addColumn('finished_at', 'bigint')
    .addColumn('failures', 'integer', (column) => column.notNull())
    .addColumn('troubles', 'integer', (column) => column.notNull())
    .addColumn('reason', 'text')
    .execute();
  await db.schema.createIndex('async_requests_of_endpoint').on('async_requests').columns(['endpoint_key', 'created_at']).execute();
  await db.schema.createIndex('async_requests_by_state').on('async_requests').columns(['state', 'finished_at']).execute();
}

async function createTransforms(db: AnyDatabase): Promise<void> {
  await db.schema
    .createTable('transforms')
    .addColumn('name_key', 'text', (column) => column.primaryKey())
    .addColumn('name', 'text', (column) => column.notNull())
    .addColumn('state', 'text', (column) => column.notNull())
    .addColumn('document', 'text', (column) => column.notNull())
    .addColumn('created_at', 'bigint', (column) => column.notNull())
    .addColumn('updated_at', 'bigint', (column) => column.notNull())
    .addColumn('started_at', 'bigint')
    .addColumn('ended_at', 'bigint')
    .addColumn('reason', 'text')
    .execute();
  await db.schema.createIndex('transforms_by_age').on('transforms').columns(['created_at', 'name_key']).execute();
  await db.schema.createIndex('transforms_by_state').on('transforms').columns(['state', 'created_at']).execute();
  await db.schema
    .createTable('transform_objects')
    .addColumn('transform_key', 'text', (column) => column.notNull().references('transforms.name_key').onDelete('cascade'))
    .addColumn('position', 'integer', (column) => column.notNull())
    .addColumn('name', 'text', (column) => column.notNull())
    .addColumn('bytes', 'bigint', (column) => column.notNull())
    .addColumn('state', 'text', (column) => column.notNull())
    .addColumn('records', 'bigint', (column) => column.notNull())
    .addColumn('skipped', 'bigint', (column) => column.notNull())
    .addColumn('note', 'text')
    .addColumn('checkpoint', 'text')
    .addPrimaryKeyConstraint('transform_objects_pk', ['transform_key', 'position'])
    .execute();
}

async function addRollouts(db: AnyDatabase): Promise<void> {
  await db.schema.alterTable('endpoints').addColumn('rollout', 'text').execute();
}

async function createEventRules(db: AnyDatabase): Promise<void> {
  await db.schema
    .createTable('event_rules')
    .addColumn('name', 'text', (column) => column.primaryKey())
    .addColumn('document', 'text', (column) => column.notNull())
    .execute();
  await db.schema
    .createTable('cursors')
    .addColumn('name', 'text', (column) => column.primaryKey())
    .addColumn('seq', 'bigint', (column) => column.notNull())
    .execute();
}

/** A key that counts up by itself: in SQLite only a column declared exactly `integer primary key autoincrement` does. */
function withSeq<Table extends string>(table: CreateTableBuilder<Table>, dialect: Dialect) {
  return dialect === 'sqlite'
    ? table.addColumn('seq', 'integer', (column) => column.primaryKey().autoIncrement())
    : table.addColumn('seq', 'bigint', (column) => column.primaryKey().generatedAlwaysAsIdentity());
}

/** A document goes with what it tells about: the group, the version, the endpoint. */
async function createAwsDocuments(db: AnyDatabase): Promise<void> {
  await db.schema
    .createTable('aws_documents')
    .addColumn('kind', 'text', (column) => column.notNull())
    .addColumn('name_key', 'text', (column) => column.notNull())
    .addColumn('name', 'text', (column) => column.notNull())
    .addColumn('content', 'text', (column) => column.notNull())
    .addColumn('created_at', 'bigint', (column) => column.notNull())
    .addColumn('updated_at', 'bigint', (column) => column.notNull())
    .addColumn('group_key', 'text', (column) => column.references('model_groups.name_key').onDelete('cascade'))
    .addColumn('version', 'integer')
    .addColumn('number', 'integer')
    .addColumn('endpoint_key', 'text', (column) => column.references('endpoints.name_key').onDelete('cascade'))
    .addPrimaryKeyConstraint('aws_documents_pk', ['kind', 'name_key'])
    .addForeignKeyConstraint(
      'aws_documents_of_version',
      ['group_key', 'version'],
      'model_versions',
      ['group_key', 'version'],
      (constraint) => constraint.onDelete('cascade'), // without a version in the row it does not count
    )
    .execute();
  await db.schema.createIndex('aws_documents_by_age').on('aws_documents').columns(['kind', 'created_at', 'name_key']).execute();
  await db.schema.createIndex('aws_documents_of_versions').on('aws_documents').columns(['group_key', 'version']).execute();
  await db.schema.createIndex('aws_documents_of_endpoints').on('aws_documents').column('endpoint_key').execute();
}
