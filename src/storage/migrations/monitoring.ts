/** Steps of `migrations.ts`: audit, events and their rules, decisions, alarms. */
import { sql } from 'kysely';
import type { Dialect } from '../tables.ts';
import { type AnyDatabase, withSeq } from './any-database.ts';

/** Audit records and events. The ids of events sort by time; `seq` is the order of their commits. */
export async function createAuditAndEvents(db: AnyDatabase, dialect: Dialect): Promise<void> {
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

/** Finds the events of one endpoint among all events of 90 days. */
export async function findEventsBySubject(db: AnyDatabase): Promise<void> {
  await db.schema.createIndex('events_of_subject').on('events').columns(['subject', 'seq']).execute();
}

/**
 * Finds events of one kind, such as endpoint deletions. The subject index includes the kind, so that events of other kinds are not read.
 */
export async function findEventsByKind(db: AnyDatabase): Promise<void> {
  await db.schema.createIndex('events_of_kind').on('events').columns(['kind', 'seq']).execute();
  await db.schema.dropIndex('events_of_subject').execute();
  await db.schema.createIndex('events_of_subject').on('events').columns(['subject', 'seq', 'kind']).execute();
}

/**
 * Event numbers follow the order of commits, so a reader that continues after a number misses none. The counter is a row that commits
 * lock.
 */
export async function numberEventsInOrder(db: AnyDatabase, dialect: Dialect): Promise<void> {
  await db.schema
    .createTable('event_head')
    .addColumn('id', 'integer', (added) => added.primaryKey())
    .addColumn('seq', 'bigint', (added) => added.notNull())
    .execute();
  if (dialect === 'postgres') await sql`alter table events alter column seq drop identity`.execute(db);
  // Includes numbers of deleted events: a reused number would be taken for an old event.
  const counted = dialect === 'postgres' ? sql`` : sql`union all select seq from sqlite_sequence where name = 'events'`;
  const known = sql`select max(seq) as seq from events union all select max(seq) from cursors ${counted}`;
  await sql`insert into event_head (id, seq) select 1, coalesce(max(seq), 0) from (${known}) as known`.execute(db);
}

/** Decisions. The foreign key deletes those of a deleted endpoint. */
export async function createDecisions(db: AnyDatabase, dialect: Dialect): Promise<void> {
  await withSeq(db.schema.createTable('decisions'), dialect)
    .addColumn('id', 'text', (column) => column.notNull().unique())
    .addColumn('at', 'bigint', (column) => column.notNull())
    .addColumn('kind', 'text', (column) => column.notNull())
    // Decisions are deleted with their endpoint, so a later endpoint of the same name does not inherit them.
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

/** Earlier records have the number 0: no chain covers them. */
export async function chainAudit(db: AnyDatabase): Promise<void> {
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

/**
 * Records of one call may be interleaved with others. Each carries the id of the call's first record, so that calls can be read in order,
 * completely and once.
 */
export async function findAuditByCall(db: AnyDatabase, dialect: Dialect): Promise<void> {
  await db.schema
    .alterTable('audit')
    .addColumn('call_id', 'text', (added) => added.notNull().defaultTo(''))
    .execute();
  const [operation, request] = ['operation', 'requestId'].map((member) =>
    dialect === 'sqlite' ? sql`audit.origin ->> ${sql.lit(member)}` : sql`audit.origin::json ->> ${sql.lit(member)}`,
  );
  await sql`update audit set call_id = id`.execute(db);
  const firsts = sql`select ${request} as request, min(id) as first_id from audit where ${operation} is not null group by ${request}`;
  await sql`update audit set call_id = firsts.first_id from (${firsts}) as firsts
    where ${operation} is not null and ${request} = firsts.request`.execute(db);
  await db.schema.createIndex('audit_by_call').on('audit').column('call_id').execute();
}

/** Alarms with their state, and the history of each. */
export async function createAlarms(db: AnyDatabase, dialect: Dialect): Promise<void> {
  await db.schema
    .createTable('alarms')
    .addColumn('name', 'text', (column) => column.primaryKey())
    .addColumn('definition', 'text', (column) => column.notNull())
    .addColumn('state', 'text', (column) => column.notNull())
    .addColumn('state_reason', 'text', (column) => column.notNull())
    .addColumn('state_since', 'bigint', (column) => column.notNull())
    .addColumn('updated_at', 'bigint', (column) => column.notNull())
    .execute();
  // The history of an alarm remains after its deletion.
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

/** Rules, and up to which event each reader has come. */
export async function createEventRules(db: AnyDatabase): Promise<void> {
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
