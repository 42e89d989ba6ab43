import assert from 'node:assert/strict';
import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { sql } from 'kysely';
import { type PostgresServer, startPostgres, whyNoPostgres } from '../../../test/postgres-server.ts';
import { TcpProxy } from '../../../test/tcp-proxy.ts';
import { messageOf, PlatformError } from '../../errors.ts';
import { inTransaction, type OpenDatabase, openDatabase, openMigrated, type PostgresLocation } from '../database.ts';
import { inSharedTransaction } from '../shared-transactions.ts';
import type { Database } from '../tables.ts';
import { isOutcomeUnknown } from './postgres-errors.ts';
import { endLockOfNode, serverOn } from './server-lock.ts';

/** Shorter than in production, to keep tests fast. */
const limits = { connectMs: 500, statementMs: 400 };
const isUnavailable = (error: unknown): boolean =>
  error instanceof PlatformError && error.code === 'unavailable' && error.retryAfterMs !== undefined;

describe('a PostgreSQL that becomes unavailable', { skip: whyNoPostgres() }, () => {
  let server: PostgresServer;
  let databases = 0;
  before(async () => {
    server = await startPostgres(await mkdtemp(join(tmpdir(), 'penstock-postgres-')));
  });
  after(async () => server?.stop());

  const open = async (t: { after(run: () => Promise<void>): void }, more: Partial<PostgresLocation> = {}): Promise<OpenDatabase> => {
    const opened = await openDatabase({ url: await server.createDatabase(`away${databases++}`), limits, ...more });
    t.after(opened.close);
    return opened;
  };

  test('rejects calls with `unavailable` when its sessions are terminated, idle or active, and recovers immediately', async (t) => {
    const { db } = await open(t, { limits: { connectMs: 5000, statementMs: 60_000 } });
    const inside = inTransaction(db, async (tx) => {
      await addGroup(tx, 'undone');
      await sql`select pg_sleep(30)`.execute(tx);
    });
    const goOn = Promise.withResolvers<void>();
    const idle = inTransaction(db, async (tx) => {
      await addGroup(tx, 'undone too');
      await goOn.promise;
    });
    const ended = Promise.allSettled([inside, idle, ...Array.from({ length: 4 }, () => sql`select pg_sleep(30)`.execute(db))]);
    await until(async () => Number(await server.psql(`select count(*) from pg_stat_activity where query like '%pg_sleep(30)%'`)) > 5);
    await server.terminateSessions();
    await until(async () => (await server.psql(`select count(*) from pg_stat_activity where query like '%pg_sleep(30)%'`)) === '1');
    await new Promise((resolve) => setTimeout(resolve, 100));
    goOn.resolve();
    for (const result of await ended) {
      assert(result.status === 'rejected' && isUnavailable(result.reason), JSON.stringify(result));
      assert.equal(isOutcomeUnknown(result.reason), false);
    }
    await until(() => addGroup(db, 'after').then(() => true, isUnavailableOrThrow));
    assert.deepEqual(await groups(db), ['after']);
  });

  test('recovers after a restart and reports unavailability in the meantime', async (t) => {
    const reported: (string | null)[] = [];
    const { db, availability } = await open(t, { onAvailability: (problem) => reported.push(problem) });
    await server.shutDown('immediate');
    await assert.rejects(addGroup(db, 'a'), isUnavailable);
    await assert.rejects(addGroup(db, 'a'), isUnavailable);
    assert.match(availability.problem ?? '', /./);
    assert.ok(Math.abs(Date.now() - (availability.sinceMs ?? 0)) < 60_000);
    await assert.rejects(addGroup(db, 'a'), ({ message }: Error) => message.split('unavailable').length === 2);
    await server.start();
    await until(() => availability.problem === null);
    assert.equal(availability.sinceMs, null);
    await addGroup(db, 'a');
    assert.equal(reported.length, 2);
    assert.equal(reported[1], null);
  });

  test('delays calls no longer than the limits while it does not respond', async (t) => {
    const { db } = await open(t);
    await server.freeze();
    t.after(async () => server.thaw());
    const all = await Promise.allSettled(Array.from({ length: 30 }, (_, i) => addGroup(db, `g${i}`)));
    for (const result of all) assert(result.status === 'rejected' && isUnavailable(result.reason), JSON.stringify(result));
    await assert.rejects(addGroup(db, 'x'), isUnavailable);
    server.thaw();
    await until(() => addGroup(db, 'after').then(() => true, isUnavailableOrThrow));
  });

  test('terminates and reports a statement that takes too long', async (t) => {
    const { db } = await open(t);
    await assert.rejects(sql`select pg_sleep(5)`.execute(db), (error) => isUnavailable(error) && /timed out/.test(messageOf(error)));
    assert.deepEqual(await groups(db), []);
  });

  test('reports a write of unknown outcome, does not repeat it, and signals when to check', async (t) => {
    const proxy = await TcpProxy.start(server.port);
    t.after(async () => proxy.close());
    const { db, availability, close } = await openDatabase({ url: proxy.urlOf(await server.createDatabase('unsure')), limits });
    t.after(close);
    let runs = 0;
    let looks = 0;
    availability.onUncertain(async () => void looks++);
    const add = (key: string) => (tx: Database) => {
      runs++;
      return addGroup(tx, key);
    };
    // The commit is sent before the connection hangs: the database commits, but its response is lost.
    const both = ['a', 'b'].map((key) =>
      inSharedTransaction(db, async (tx) => {
        await add(key)(tx);
        if (key === 'b') proxy.hangAnswers();
      }),
    );
    for (const result of await Promise.allSettled(both)) {
      assert(result.status === 'rejected' && isUnavailable(result.reason) && isOutcomeUnknown(result.reason), JSON.stringify(result));
      assert.match(messageOf(result.reason), /may or may not be stored/);
    }
    assert.equal(runs, 2);
    proxy.resume();
    await until(() => looks > 0);
    assert.deepEqual(await groups(db), ['a', 'b']);
  });
});

describe('two servers on one PostgreSQL', { skip: whyNoPostgres() }, () => {
  let server: PostgresServer;
  before(async () => {
    server = await startPostgres(await mkdtemp(join(tmpdir(), 'penstock-lock-')));
  });
  after(async () => server?.stop());
  const first = { host: 'alpha', pid: 11, dataDirectory: '/srv/a' };
  const second = { host: 'beta', pid: 22, dataDirectory: '/srv/b' };

  test('rejects the second and names the first; it can start after the first has ended', async (t) => {
    const url = await server.createDatabase('two');
    const one = await openDatabase({ url, server: first });
    await assert.rejects(openDatabase({ url, server: second }), (error: unknown) => {
      assert(error instanceof PlatformError);
      assert.equal(error.code, 'wrong_state');
      assert.match(error.message, /in use by process 11 on alpha \(data directory \/srv\/a, since 20\d\d-/);
      assert.doesNotMatch(error.message, /penstock@.*:.*@/);
      return true;
    });
    await addGroup(one.db, 'still works');
    await one.close();
    const two = await openDatabase({ url, server: second });
    t.after(two.close);
    assert.deepEqual(await groups(two.db), ['still works']);
  });

  test('a session without the lock finds out which server uses the database', async (t) => {
    const url = await server.createDatabase('looked_at');
    const looking = await openDatabase({ url });
    t.after(looking.close);
    assert.equal(await serverOn(looking.db), null);
    const one = await openDatabase({ url, server: first });
    assert.match((await serverOn(looking.db)) ?? '', /^process 11 on alpha \(data directory \/srv\/a, since 20\d\d-/);
    await one.close();
    await until(async () => (await serverOn(looking.db)) === null);
  });

  test('acquires a lost lock again before anything is written', async (t) => {
    const url = await server.createDatabase('again');
    const { db, availability, close } = await openDatabase({ url, server: first });
    t.after(close);
    for (let i = 0; i < 3; i++) {
      await server.terminateSessions();
      await until(() => addGroup(db, `g${i}`).then(() => true, isUnavailableOrThrow));
      assert.equal(await server.psql(`select count(*) from pg_locks where locktype = 'advisory' and granted`, 'again'), '1');
    }
    assert.equal(availability.takenOver, null);
  });

  test('a server that lost its lock to another one writes nothing more, even after that one ends, and says what to do', async (t) => {
    const url = await server.createDatabase('taken');
    const proxy = await TcpProxy.start(server.port);
    t.after(async () => proxy.close());
    const one = await openDatabase({ url: proxy.urlOf(url), server: first });
    t.after(one.close);
    await addGroup(one.db, 'of the first');
    const inside = Promise.withResolvers<void>();
    const goOn = Promise.withResolvers<void>();
    const late = inTransaction(one.db, async (tx) => {
      await addGroup(tx, 'too late');
      inside.resolve();
      await goOn.promise;
    });
    await inside.promise;
    proxy.refuse();
    const two = await openDatabase({ url, server: second });
    await addGroup(two.db, 'of the second');
    await proxy.accept();
    goOn.resolve();
    await assert.rejects(late, isUnavailable);
    await until(() => /process 22 on beta/.test(one.availability.problem ?? ''));
    await assert.rejects(addGroup(one.db, 'x'), isUnavailable);
    await two.close();
    await until(() => one.availability.takenOver !== null);
    assert.match(one.availability.takenOver ?? '', /process 22 on beta .* restart this one/);
    await assert.rejects(addGroup(one.db, 'y'), (error) => isUnavailable(error) && /beta/.test(messageOf(error)));
    assert.equal(await server.psql('select count(*) from model_groups', 'taken'), '2');
  });

  test('a node can be replaced by the next one while its process still runs; a server without a name cannot', async (t) => {
    const url = await server.createDatabase('nodes');
    const alone = await openDatabase({ url, server: first });
    await inTransaction(alone.db, endLockOfNode);
    await addGroup(alone.db, 'of the one without a name');
    await alone.close();

    let mayServe = true;
    const node = (name: string) => ({ name, mayServe: () => name === 'b' || mayServe });
    const one = await openDatabase({ url, server: { ...first, node: node('a') } });
    t.after(one.close);
    await addGroup(one.db, 'of a');
    await assert.rejects(openDatabase({ url, server: { ...second, node: node('b') } }), { code: 'wrong_state' });
    mayServe = false;
    const controller = await openMigrated({ url });
    assert(controller !== null);
    await inTransaction(controller.db, endLockOfNode);
    await controller.close();
    // Until it notices, or another node holds the lock, it may still write.
    let before = 0;
    await until(() => addGroup(one.db, `before b ${before++}`).then(() => false, isUnavailable));
    const two = await openDatabase({ url, server: { ...second, node: node('b') } });
    t.after(two.close);
    await addGroup(two.db, 'of b');
    await assert.rejects(addGroup(one.db, 'too late'), (error) => isUnavailable(error) && /cannot renew its lease/.test(messageOf(error)));
    const names = (await groups(two.db)).filter((name) => !name.startsWith('before b'));
    assert.deepEqual(names, ['of a', 'of b', 'of the one without a name']);
  });

  test('a lingering session of the first server cannot write after the second has started', async (t) => {
    const url = await server.createDatabase('fenced');
    const one = await openDatabase({ url, server: first });
    t.after(one.close);
    const inside = Promise.withResolvers<void>();
    const goOn = Promise.withResolvers<void>();
    const late = inTransaction(one.db, async (tx) => {
      await addGroup(tx, 'too late');
      inside.resolve();
      await goOn.promise;
    });
    await inside.promise;
    // Only the connection of the lock breaks.
    const starting = openDatabase({ url, server: second }).catch(() => null);
    await server.psql(`select pg_terminate_backend(pid) from pg_locks where locktype = 'advisory' and granted`);
    const two = await starting;
    goOn.resolve();
    const wasLate = await late.then(() => false, isUnavailable);
    // The server that was faster has the database; never both.
    assert.equal(wasLate, two !== null);
    await two?.close();
  });
});

async function addGroup(db: Database, key: string): Promise<void> {
  await db.insertInto('model_groups').values({ name_key: key, name: key, description: '', tags: '{}', created_at: 1 }).execute();
}

async function groups(db: Database): Promise<string[]> {
  return (await db.selectFrom('model_groups').select('name').orderBy('name').execute()).map(({ name }) => name);
}

function isUnavailableOrThrow(error: unknown): false {
  if (!isUnavailable(error)) throw error;
  return false;
}

async function until(isSo: () => Promise<boolean> | boolean): Promise<void> {
  const deadlineMs = performance.now() + 60_000;
  while (!(await isSo())) {
    assert(performance.now() < deadlineMs, `timed out waiting for ${String(isSo)}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}
