import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { after, before, describe, test } from 'node:test';
import { sql } from 'kysely';
import { openPglite } from '../../test/pglite.ts';
import { startPostgres, whyNoPostgres } from '../../test/postgres-server.ts';
import { inTransaction, openDatabase } from './database.ts';
import { databaseContract } from './database-contract.test.ts';

let directory = '';
before(async () => {
  directory = await mkdtemp(join(tmpdir(), 'penstock-database-'));
});
after(async () => rm(directory, { recursive: true, force: true }));

databaseContract(
  'SQLite',
  () => openDatabase({ file: join(directory, 'contract.db'), synchronous: 'NORMAL' }),
  () => openDatabase({ file: join(directory, 'contract.db'), synchronous: 'NORMAL' }),
);

databaseContract('PGlite', openPglite);

describe('with a real PostgreSQL', { skip: whyNoPostgres() }, () => {
  let server: Awaited<ReturnType<typeof startPostgres>>;
  before(async () => {
    server = await startPostgres(await mkdtemp(join(tmpdir(), 'penstock-postgres-')));
  });
  after(async () => server?.stop());

  databaseContract(
    'PostgreSQL',
    () => openDatabase({ url: server.url }),
    () => openDatabase({ url: server.url }),
  );

  test('two processes that start at once migrate once', async () => {
    const url = await server.createDatabase('raced');
    const both = await Promise.all([openDatabase({ url }), openDatabase({ url })]);
    assert.equal((await both[0].db.selectFrom('events').selectAll().execute()).length, 0);
    await Promise.all(both.map(({ close }) => close()));
  });
});

describe('opening a database', () => {
  test('names the unreachable address without the password', async () => {
    await assert.rejects(openDatabase({ url: 'postgres://user:hunter2@127.0.0.1:1/penstock' }), (error: Error) => {
      assert.match(error.message, /cannot connect to PostgreSQL at postgres:\/\/user@127\.0\.0\.1:1\/penstock/);
      assert.doesNotMatch(error.message, /hunter2/);
      return true;
    });
  });

  test('rejects a file that is not a database or cannot be opened, with a remedy', async () => {
    const file = join(directory, 'text.db');
    await writeFile(file, 'this is not a database, and long enough to be sure of it '.repeat(20));
    await assert.rejects(openDatabase({ file, synchronous: 'FULL' }), { code: 'unavailable', message: /not a database.*--data-dir/ });
    const missing = join(directory, 'missing', 'state.db');
    await assert.rejects(openDatabase({ file: missing, synchronous: 'FULL' }), { code: 'unavailable', message: /cannot be opened/ });
  });

  test('rejects a database that a newer version has migrated', async () => {
    const file = join(directory, 'newer.db');
    await (await openDatabase({ file, synchronous: 'FULL' })).close();
    const sqlite = new DatabaseSync(file);
    sqlite.exec(
      `insert into kysely_migration (name, timestamp) values ('9999-future', '2099-01-01T00:00:00.000Z'); update schema_compat set needed = 9999`,
    );
    sqlite.close();
    await assert.rejects(openDatabase({ file, synchronous: 'FULL' }), { code: 'wrong_state', message: /newer version of Penstock/ });
  });

  test('configures SQLite so that acknowledged writes are durable', async () => {
    const file = join(directory, 'pragmas.db');
    const { db, close } = await openDatabase({ file, synchronous: 'FULL' });
    await inTransaction(db, async () => undefined);
    const sqlite = new DatabaseSync(file);
    assert.equal(sqlite.prepare('pragma journal_mode').get()?.journal_mode, 'wal');
    sqlite.close();
    await close();
  });

  test('reports a full disk, rolls the transaction back, and continues to work', async () => {
    const file = join(directory, 'full.db');
    const { db, close } = await openDatabase({ file, synchronous: 'FULL' });
    const pages = await sql<{ page_count: number }>`pragma page_count`.execute(db);
    await sql.raw(`pragma max_page_count = ${(pages.rows[0]?.page_count ?? 0) + 2}`).execute(db);
    const group = (key: string, description: string) => ({ name_key: key, name: key, description, tags: '{}', created_at: 1 });
    const full = inTransaction(db, async (tx) => {
      await tx.insertInto('model_groups').values(group('small', '')).execute();
      await tx
        .insertInto('model_groups')
        .values(group('large', 'x'.repeat(100_000)))
        .execute();
    });
    await assert.rejects(full, { code: 'unavailable', message: /the disk is full/ });
    assert.deepEqual(await db.selectFrom('model_groups').select('name').execute(), []);
    await db.insertInto('model_groups').values(group('after', '')).execute();
    await close();
  });
});
