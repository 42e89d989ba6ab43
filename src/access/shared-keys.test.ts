import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { chmodSync, mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { openPglite } from '../../test/pglite.ts';
import { VirtualClock } from '../clock.ts';
import { Closers } from '../closers.ts';
import type { Database } from '../storage/index.ts';
import { Access } from './access.ts';
import { openKeys } from './open-keys.ts';
import { type ClusterKeys, readClusterKeys, seal, unseal } from './sealed-keys.ts';
import { SharedKeys } from './shared-keys.ts';

interface Test {
  after(run: () => Promise<void>): void;
}

const remote = { remoteAddress: '10.0.0.7', listenerIsLoopback: false };
const clusterKeys: ClusterKeys = [randomBytes(32)];

interface Server {
  readonly access: Access;
  readonly keys: SharedKeys;
  readonly file: string;
  readonly clock: VirtualClock;
}

/** A server with its own data directory. */
async function start(t: Test, db: Database, secrets = clusterKeys, file = newFile('keys.json')): Promise<Server> {
  const clock = new VirtualClock();
  const access = Access.open(file, clock);
  const keys = await SharedKeys.open({ db, clock, access, clusterKeys: secrets, onFailure: assert.ifError });
  t.after(() => keys.close());
  return { access, keys, file, clock };
}

function newFile(name: string): string {
  return join(mkdtempSync(join(tmpdir(), 'penstock-keys-')), name);
}

async function database(t: Test): Promise<Database> {
  const { db, close } = await openPglite();
  t.after(close);
  return db;
}

function accepts({ access }: Server, { id, secret }: { readonly id: string; readonly secret: string }): boolean {
  try {
    access.authenticate({ authorization: `Bearer ${id}:${secret}` }, remote);
    return true;
  } catch {
    return false;
  }
}

describe('keys in the database', () => {
  test('are those of the first server; another one uses them from its start on', async (t) => {
    const db = await database(t);
    const one = await start(t, db);
    const key = await one.keys.create('invoker', 'shop', { concurrency: 3 });
    const two = await start(t, db);
    assert.deepEqual(two.access.list(), one.access.list());
    assert(accepts(two, key));
    assert.deepEqual(JSON.parse(readFileSync(two.file, 'utf8')), JSON.parse(readFileSync(one.file, 'utf8')), 'for commands on its machine');
  });

  test('are created and revoked for all servers within half a second, sessions included', async (t) => {
    const db = await database(t);
    const [one, two] = [await start(t, db), await start(t, db)];
    const key = await one.keys.create('viewer', '', {});
    assert.equal(accepts(two, key), false);
    await two.keys.refresh();
    assert(accepts(two, key));
    const { cookie } = two.access.signIn({ key: `${key.id}:${key.secret}` }, {}, remote);
    const session = { cookie: cookie.split(';')[0] };
    assert.equal(two.access.authenticate(session, { ...remote, method: 'GET' }).keyId, key.id);
    await one.keys.revoke(key.id);
    assert.equal(accepts(one, key), false);
    await two.keys.refresh();
    assert.equal(accepts(two, key), false);
    assert.throws(() => two.access.authenticate(session, { ...remote, method: 'GET' }), { code: 'unauthenticated' });
  });

  test('are read twice a second', async (t) => {
    const db = await database(t);
    const [one, two] = [await start(t, db), await start(t, db)];
    const key = await one.keys.create('viewer', '', {});
    two.clock.advance(500);
    await two.keys.close();
    assert(accepts(two, key));
  });

  test('none is lost if servers change them at the same time', async (t) => {
    const db = await database(t);
    const servers = [await start(t, db), await start(t, db), await start(t, db)];
    const created = await Promise.all(servers.flatMap(({ keys }) => ['a', 'b', 'c'].map((name) => keys.create('viewer', name, {}))));
    for (const { keys } of servers) await keys.refresh();
    for (const server of servers) for (const key of created) assert(accepts(server, key));
    await assert.rejects(servers[0]?.keys.revoke('AKIAUNKNOWN') ?? Promise.resolve(), { code: 'not_found' });
    const [admin] = servers[1]?.access.list().filter(({ role }) => role === 'admin') ?? [];
    await assert.rejects(servers[1]?.keys.revoke(admin?.id ?? '') ?? Promise.resolve(), { code: 'wrong_state' });
  });

  test('are encrypted again with a new cluster key, while servers that have both go on', async (t) => {
    const db = await database(t);
    const next = randomBytes(32);
    const one = await start(t, db, [...clusterKeys, next]);
    const two = await start(t, db, [next, ...clusterKeys]);
    const { id } = await one.keys.create('viewer', '', {});
    await two.keys.reseal();
    await one.keys.revoke(id);
    await two.keys.reseal();
    await assert.rejects(start(t, db), { code: 'wrong_state' });
    await start(t, db, [next]);
  });

  test('open with the same cluster key only, and contain no secret in plain text', async (t) => {
    const db = await database(t);
    const one = await start(t, db);
    const { secret } = await one.keys.create('viewer', '', {});
    const row = await db.selectFrom('shared_keys').selectAll().executeTakeFirstOrThrow();
    assert(!JSON.stringify(row).includes(secret) && !row.sealed.includes(Buffer.from(secret).toString('base64').slice(4, 20)));
    const file = newFile('keys.json');
    await assert.rejects(start(t, db, [randomBytes(32)], file), { code: 'wrong_state', message: /another cluster key/ });
    // An older row put back under the present revision does not open.
    await one.keys.create('viewer', '', {});
    await db.updateTable('shared_keys').set({ sealed: row.sealed }).execute();
    await assert.rejects(start(t, db), { code: 'wrong_state' });
  });

  test('stay in keys.json without a cluster key', async () => {
    const access = Access.open(newFile('keys.json'), new VirtualClock());
    const keys = await openKeys(
      { clusterKeyFile: null },
      { db: null as unknown as Database, clock: new VirtualClock(), access },
      new Closers(),
    );
    const key = await keys.create('viewer', 'file', {});
    assert.equal(access.list().length, 2);
    await keys.revoke(key.id);
    assert.equal(access.list().length, 1);
  });
});

describe('a cluster key', () => {
  const bytes = randomBytes(32);
  for (const { what, content, mode = 0o600, expected, keys = [bytes] } of [
    { what: 'base64', content: `${bytes.toString('base64')}\n`, expected: null },
    { what: 'hexadecimal', content: bytes.toString('hex'), expected: null },
    {
      what: 'a new one and the one before',
      content: `${bytes.toString('base64')}\n${bytes.toString('hex')}\n`,
      expected: null,
      keys: [bytes, bytes],
    },
    { what: 'three lines', content: `${bytes.toString('hex')}\n`.repeat(3), expected: /at most 2 lines/ },
    { what: '31 bytes', content: bytes.subarray(1).toString('base64'), expected: /expected 32 bytes/ },
    { what: 'other text', content: `${bytes.toString('base64')} #`, expected: /expected 32 bytes/ },
    { what: 'nothing', content: '', expected: /expected 32 bytes/ },
    { what: 'a file that all can read', content: bytes.toString('hex'), mode: 0o644, expected: /all users can read/ },
  ]) {
    test(`of ${what} is ${expected === null ? 'read' : 'rejected'}`, () => {
      const file = newFile('cluster.key');
      writeFileSync(file, content);
      chmodSync(file, mode);
      if (expected === null) assert.deepEqual(readClusterKeys(file), keys);
      else assert.throws(() => readClusterKeys(file), { code: 'invalid_request', message: expected });
    });
  }

  test('that is missing is rejected', () => assert.throws(() => readClusterKeys('/nonexistent/key'), { code: 'invalid_request' }));

  test('opens what it sealed, in the same context, unchanged', () => {
    const sealed = seal('text', clusterKeys, 'a');
    assert.equal(unseal(sealed, clusterKeys, 'a'), 'text');
    assert.notEqual(seal('text', clusterKeys, 'a'), sealed);
    assert.equal(unseal(sealed, clusterKeys, 'b'), null);
    assert.equal(unseal(sealed, [randomBytes(32)], 'a'), null);
    assert.equal(unseal(`${sealed.slice(0, -6)}AAAAAA`, clusterKeys, 'a'), null);
    for (const broken of ['', 'v1.', 'v1.AAAA', sealed.slice(3)]) assert.equal(unseal(broken, clusterKeys, 'a'), null);
  });
});
