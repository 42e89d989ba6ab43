/** A change of tables beside a long transaction, on a real PostgreSQL. */
import assert from 'node:assert/strict';
import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import pg from 'pg';
import { createMigratedDatabase } from '../../../test/migrated-database.ts';
import { type PostgresServer, startPostgres, whyNoPostgres } from '../../../test/postgres-server.ts';
import { openDatabase } from '../database.ts';

describe('a change of tables beside a long transaction', { skip: whyNoPostgres() }, () => {
  let server: PostgresServer;
  let databases = 0;
  before(async () => {
    server = await startPostgres(await mkdtemp(join(tmpdir(), 'penstock-locks-')));
  });
  after(async () => server?.stop());

  /** A database whose last step is to be run, which changes `schema_compat`; a transaction has read that table. */
  const locked = async (t: { after(run: () => Promise<void>): void }) => {
    const name = `locked${databases++}`;
    const url = await createMigratedDatabase(server, name);
    await server.psql(
      `alter table cluster_host_sets drop column inputs; delete from kysely_migration where name = '0105-cluster-decisions'`,
      name,
    );
    const reader = new pg.Client({ connectionString: url, application_name: 'report' });
    await reader.connect();
    t.after(() => reader.end());
    await reader.query('begin; lock table schema_compat in exclusive mode');
    return { name, url, reader };
  };
  const isDone = async (name: string): Promise<boolean> =>
    (await server.psql(`select count(*) from kysely_migration where name = '0105-cluster-decisions'`, name)) === '1';

  test('is tried again until the transaction has ended', async (t) => {
    const { name, url, reader } = await locked(t);
    const opening = openDatabase({ url, patience: { lockMs: 100, attempts: 100, pauseMs: 50 } });
    await until(async () => Number(await server.psql(`select count(*) from pg_stat_activity where wait_event_type = 'Lock'`)) > 0);
    await until(async () => Number(await server.psql(`select count(*) from pg_stat_activity where wait_event_type = 'Lock'`)) === 0);
    assert.equal(await isDone(name), false, 'the first attempt has given up, and others pass');
    await reader.query('commit');
    const { close } = await opening;
    await close();
    assert.equal(await isDone(name), true);
  });

  test('fails in the end, with the session that holds the lock, and has changed nothing', async (t) => {
    const { name, url, reader } = await locked(t);
    const { rows } = await reader.query<{ pid: number }>('select pg_backend_pid() as pid');
    await assert.rejects(openDatabase({ url, patience: { lockMs: 50, attempts: 2, pauseMs: 10 } }), (error: Error) => {
      assert.match(error.message, /^the tables of the database could not be changed: 2 times, a lock was not free within 0\.05 s\. /);
      assert.match(error.message, new RegExp(`Locks are held by session ${rows[0]?.pid} \\(report of \\w+, in a transaction for \\d+ s: `));
      assert.match(error.message, new RegExp(`pg_terminate_backend\\(${rows[0]?.pid}\\)`));
      return true;
    });
    assert.equal(await isDone(name), false);
    const column = `from information_schema.columns where table_name = 'cluster_host_sets' and column_name = 'inputs'`;
    assert.equal(await server.psql(`select count(*) ${column}`, name), '0');
  });
});

async function until(isMet: () => Promise<boolean>): Promise<void> {
  const deadline = performance.now() + 30_000;
  while (!(await isMet())) assert(performance.now() < deadline, 'the condition is not met in time');
}
