/**
 * Which programs may use the tables of a database. A program that is older than the tables may use them if every step that it does not know
 * allows it (`Step.beside`). The database stores the highest step that a program must know.
 */
import { type Kysely, sql } from 'kysely';
import type { Migration } from 'kysely/migration';
import { migrationsFor, type Purpose } from './migrations.ts';
import type { Step, Steps } from './step.ts';
import type { Database } from './tables.ts';

/** The number of a step for each purpose: of the newest one, or of one that is needed. */
export type StepNumbers = Readonly<Record<Purpose, number>>;

/** What has been done to the tables of a database. */
export interface SchemaState {
  /** The newest step that has run; 0 without any. */
  readonly newest: StepNumbers;
  /** A program must know these steps to use the tables. */
  readonly needed: StepNumbers;
}

/** The tables that these two steps create keep what is needed. */
const compatSteps: StepNumbers = { state: 101, metrics: 7 };

/** Each purpose has its own tables, so both can share a database. */
export function ofPurpose(table: 'kysely_migration' | 'kysely_migration_lock' | 'schema_compat', purpose: Purpose): string {
  return purpose === 'state' ? table : `${table}_${purpose}`;
}

/** `0101-schema-compat`: 101. */
export function numberOfStep(name: string): number {
  return Number.parseInt(name, 10);
}

/** 0 without any. */
export function newestOf(names: readonly string[]): number {
  return Math.max(0, ...names.map(numberOfStep));
}

/** The newest steps that this program knows. */
export function knownSteps(): StepNumbers {
  const newest = (purpose: Purpose): number => newestOf(Object.keys(migrationsFor(purpose, 'postgres')));
  return { state: newest('state'), metrics: newest('metrics') };
}

/** What will be needed once this program has run its steps. */
export function neededAfter(
  schema: SchemaState,
  stepsOf: (purpose: Purpose) => Steps = (purpose) => migrationsFor(purpose, 'postgres'),
): StepNumbers {
  const after = (purpose: Purpose): number => {
    const pending = Object.entries(stepsOf(purpose)).filter(([name]) => numberOfStep(name) > schema.newest[purpose]);
    return Math.max(schema.needed[purpose], ...pending.map(([name, step]) => neededBy(name, step)));
  };
  return { state: after('state'), metrics: after('metrics') };
}

/** The steps, each of which also stores what it needs. In a new database that is the step itself: no older program has used the tables. */
export function recording(purpose: Purpose, steps: Steps, isNew = false): Record<string, Migration> {
  const recorded = Object.entries(steps).map(([name, step]): [string, Migration] => {
    if (numberOfStep(name) <= compatSteps[purpose]) return [name, step];
    const up = async (db: Kysely<unknown>): Promise<void> => {
      await step.up(db);
      const table = sql.table(ofPurpose('schema_compat', purpose));
      const needed = isNew ? numberOfStep(name) : neededBy(name, step);
      await sql`update ${table} set needed = ${needed} where needed < ${needed}`.execute(db);
    };
    return [name, { up }];
  });
  return Object.fromEntries(recorded);
}

/** Names of the steps that have run. Rejects if the database is new. */
export async function executedSteps(db: Database, purpose: Purpose): Promise<readonly string[]> {
  const { rows } = await sql<{ name: string }>`select name from ${sql.table(ofPurpose('kysely_migration', purpose))}`.execute(db);
  return rows.map(({ name }) => name);
}

/** The highest step that a program must know. */
export async function neededStep(db: Database, purpose: Purpose, executed: readonly string[]): Promise<number> {
  const newest = newestOf(executed);
  if (newest < compatSteps[purpose]) return newest;
  const { rows } = await sql<{ needed: number }>`select needed from ${sql.table(ofPurpose('schema_compat', purpose))}`.execute(db);
  return rows[0]?.needed ?? newest;
}

/** Of a PostgreSQL database, which has the tables of both purposes. */
export async function readSchema(db: Database): Promise<SchemaState> {
  const [state, metrics] = [await executedSteps(db, 'state'), await executedSteps(db, 'metrics')];
  const newest = { state: newestOf(state), metrics: newestOf(metrics) };
  const needed = { state: await neededStep(db, 'state', state), metrics: await neededStep(db, 'metrics', metrics) };
  return { newest, needed };
}

/** From now on, a program must know every step that has run. */
export async function needAllSteps(db: Database, { newest }: SchemaState): Promise<void> {
  for (const purpose of ['state', 'metrics'] as const)
    await sql`update ${sql.table(ofPurpose('schema_compat', purpose))} set needed = ${newest[purpose]}`.execute(db);
}

function neededBy(name: string, { beside }: Step): number {
  return beside ?? numberOfStep(name);
}
