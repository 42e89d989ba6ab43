/** Steps of `migrations.ts`: audit, events and rules about them, decisions, alarms. */
import { sql } from 'kysely';
import type { Dialect } from '../tables.ts';
import { type AnyDatabase, withSeq } from './any-database.ts';

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

/** What happened to one endpoint is looked for among all that happened in 90 days. */
export async function findEventsBySubject(db: AnyDatabase): Promise<void> {
  await db.schema.createIndex('events_of_subject').on('events').columns(['subject', 'seq']).execute();
}

/**
 * Events of a kind, such as the deletions of endpoints, are looked for among those of all kinds. Of a subject to which much of another kind happened,
 * what the index says of their kind spares reading them.
 */
export async function findEventsByKind(db: AnyDatabase): Promise<void> {
  await db.schema.createIndex('events_of_kind').on('events').columns(['kind', 'seq']).execute();
  await db.schema.dropIndex('events_of_subject').execute();
  await db.schema.createIndex('events_of_subject').on('events').columns(['subject', 'seq', 'kind']).execute();
}

export async function createDecisions(db: AnyDatabase, dialect: Dialect): Promise<void> {
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

/** What was recorded before has the number 0: no chain covers it. */
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

/** The records of one call need not lie beside each other: each bears the id of the first, so that calls are read in order, whole, and once. */
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
