import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { after, before, describe, test } from 'node:test';
import { Kysely, sql } from 'kysely';
import { Migrator } from 'kysely/migration';
import { openDatabase } from './database.ts';
import { migrationsFor } from './migrations.ts';
import { knownSteps, neededAfter, numberOfStep, readSchema, recording } from './schema-compat.ts';
import { openSqlite } from './sqlite/sqlite.ts';
import type { Steps } from './step.ts';
import type { Database } from './tables.ts';

let directory = '';
before(async () => {
  directory = await mkdtemp(join(tmpdir(), 'penstock-compat-'));
});
after(async () => rm(directory, { recursive: true, force: true }));

let files = 0;
const newFile = (): string => join(directory, `${files++}.db`);

/** As the next version of the program would do it. */
async function migrateWith(file: string, later: Steps): Promise<void> {
  const { dialect, close } = openSqlite(file, 'NORMAL');
  const db = new Kysely<unknown>({ dialect });
  const steps = recording('state', { ...migrationsFor('state', 'sqlite'), ...later });
  const { error } = await new Migrator({ db, provider: { getMigrations: async () => steps }, disableTransactions: true }).migrateToLatest();
  assert.ifError(error);
  close();
}

const open = async (file: string): Promise<Database> => {
  const { db, close } = await openDatabase({ file, synchronous: 'NORMAL' });
  after(close);
  return db;
};

const addTable = async (db: Kysely<unknown>): Promise<void> => void (await sql`create table later (id integer)`.execute(db));
const known = knownSteps();

describe('a program on the tables of a newer version', () => {
  test('uses them if no step needs a program that knows more', async () => {
    const file = newFile();
    await migrateWith(file, { '0900-later': { up: addTable, beside: known.state } });
    assert.deepEqual(await (await open(file)).selectFrom('model_groups').selectAll().execute(), []);
  });

  test('is rejected if a step does not say that it leaves this program working', async () => {
    const file = newFile();
    await migrateWith(file, { '0900-later': { up: addTable } });
    await assert.rejects(open(file), { code: 'wrong_state', message: /newer version of Penstock/ });
  });

  test('is rejected if one of several steps needs a newer program', async () => {
    const file = newFile();
    const nothing = async (): Promise<void> => undefined;
    await migrateWith(file, { '0900-a': { up: addTable }, '0901-b': { up: nothing, beside: known.state } });
    await assert.rejects(open(file), { code: 'wrong_state' });
  });
});

test('what is needed is known before the steps run, and is the same afterwards', async () => {
  const later: Steps = { '0900-a': { up: addTable, beside: known.state }, '0901-b': { up: async () => undefined, beside: 900 } };
  const stepsOf = (purpose: 'state' | 'metrics'): Steps => ({ ...migrationsFor(purpose, 'sqlite'), ...(purpose === 'state' ? later : {}) });
  const file = newFile();
  const db = await open(file);
  const schema = await readSchema(db);
  assert.deepEqual(schema, { newest: known, needed: known }, 'a new database was used by no older program');
  assert.deepEqual(neededAfter(schema, stepsOf), { ...known, state: 900 });
  await migrateWith(file, later);
  assert.deepEqual((await readSchema(db)).needed, { ...known, state: 900 });
});

/** The parts of the schema that an older program could miss or trip over. */
function partsOf(file: string): { readonly columns: ReadonlyMap<string, string>; readonly constraints: ReadonlySet<string> } {
  const db = new DatabaseSync(file, { readOnly: true });
  const tables = db.prepare(`select name from sqlite_schema where type = 'table' and name not like 'sqlite_%'`).all() as { name: string }[];
  const columns = new Map<string, string>();
  for (const { name } of tables) {
    for (const { name: column, type, notnull, dflt_value: value } of db.prepare(`pragma table_info(${name})`).all())
      columns.set(`${name}.${String(column)}`, `${String(type)} ${notnull === 1 && value === null ? 'required' : ''}`);
  }
  const others = db.prepare(`select tbl_name, sql from sqlite_schema where type = 'trigger' or sql like 'create unique%'`).all();
  db.close();
  return { columns, constraints: new Set(others.map(({ tbl_name: table, sql: text }) => `${String(table)}: ${String(text)}`)) };
}

/** What such a step does to a program that does not know it. */
async function harmOf(name: string, steps: Steps): Promise<string[]> {
  const all = Object.entries(steps);
  const index = all.findIndex(([each]) => each === name);
  const [one, other] = [newFile(), newFile()];
  await migrateOnly(one, Object.fromEntries(all.slice(0, index)));
  await migrateOnly(other, Object.fromEntries(all.slice(0, index + 1)));
  const [was, is] = [partsOf(one), partsOf(other)];
  const tables = new Set([...was.columns.keys()].map((column) => column.split('.')[0]));
  const changed = [...was.columns].filter(([column, kind]) => is.columns.get(column) !== kind).map(([column]) => `${column} changes`);
  const added = [...is.columns].filter(
    ([column, kind]) => !was.columns.has(column) && tables.has(column.split('.')[0]) && kind.includes('required'),
  );
  const constraints = [...is.constraints].filter((text) => !was.constraints.has(text) && tables.has(text.split(':')[0]));
  return [...changed, ...added.map(([column]) => `${column} is required`), ...constraints];
}

async function migrateOnly(file: string, steps: Steps): Promise<void> {
  const { dialect, close } = openSqlite(file, 'NORMAL');
  const db = new Kysely<unknown>({ dialect });
  for (const step of Object.values(steps)) await step.up(db);
  close();
}

describe('a step that lets older programs go on', () => {
  const steps = migrationsFor('state', 'sqlite');
  for (const [what, statement, harm] of [
    ['a new table', 'create table later (id integer not null)', []],
    ['a column with a default', `alter table endpoints add column later text not null default ''`, []],
    ['a column that is gone', 'alter table model_groups drop column description', ['model_groups.description changes']],
    ['a unique index', 'create unique index later on endpoints (name)', ['endpoints: CREATE UNIQUE INDEX later on endpoints (name)']],
  ] as const) {
    test(`${what}: ${harm.length === 0 ? 'does no harm' : 'is found'}`, async () => {
      const up = async (db: Kysely<unknown>): Promise<void> => void (await sql.raw(statement).execute(db));
      assert.deepEqual(await harmOf('0900-later', { ...steps, '0900-later': { up, beside: known.state } }), [...harm]);
    });
  }

  test('keeps what they use', async () => {
    for (const purpose of ['state', 'metrics'] as const) {
      const all = migrationsFor(purpose, 'sqlite');
      for (const [name, { beside }] of Object.entries(all)) {
        if (beside === undefined) continue;
        assert(beside < numberOfStep(name), `${name}: it names an earlier step`);
        assert.deepEqual(await harmOf(name, all), [], name);
      }
    }
  });
});
