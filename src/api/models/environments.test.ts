import assert from 'node:assert/strict';
import { test } from 'node:test';
import { openMemoryDatabase } from '../../../test/empty-database.ts';
import type { Caller } from '../../access/index.ts';
import { VirtualClock } from '../../clock.ts';
import { environmentSettings, PythonEnvironments } from '../../environments/index.ts';
import { openLogs } from '../../logs/index.ts';
import { Audit, Events } from '../../records/index.ts';
import type { RouteCall } from '../routing/route.ts';
import type { ApiServices } from '../routing/services.ts';
import { type EnvironmentBody, type EnvironmentDetailBody, environmentRoutes } from './environments.ts';

const admin: Caller = { keyId: 'AKIA1', role: 'admin' };
const deployer: Caller = { keyId: 'AKIA2', role: 'deployer' };

/** Routes over environments that are not opened: nothing is built here. */
async function routes(build: object = {}) {
  const { db, close } = await openMemoryDatabase();
  const clock = new VirtualClock();
  const environments = new PythonEnvironments({
    db,
    clock,
    log: openLogs(null, 'silent').platform,
    events: new Events(db, clock),
    audit: new Audit(db, clock),
    settings: environmentSettings({ build, gone: { python: '/nowhere/python3' }, own: { python: process.execPath } }),
    directory: '/nowhere/environments',
    writeLine: () => undefined,
    limitMemory: () => ({ wasExceeded: () => false, end: () => undefined }),
    users: async () => new Map([['name:gone', ['churn/1']]]),
  });
  const access = {
    isLocal: ({ host }: { host?: string }) => host === 'localhost',
    require: ({ role }: Caller, permission: string) => assert(role === 'admin', `expected the permission ${permission}`),
  };
  const all = environmentRoutes({ environments, access, connectionOf: () => ({}) } as unknown as ApiServices);
  const call = async <Body>(key: string, caller: Caller, input: object): Promise<Body> => {
    const route = all.find((each) => each.key === key);
    assert(route !== undefined);
    const parsed = { query: {}, params: {}, body: {}, request: { headers: { host: 'elsewhere' } }, ...input };
    return (await route.handle({ ...parsed, caller } as RouteCall<unknown, unknown, unknown>)) as Body;
  };
  return {
    call,
    close: async () => {
      await environments.close();
      await close();
    },
  };
}

test('lists interpreters of config.json with what is wrong with them, and their paths for administrators only', async (t) => {
  const { call, close } = await routes();
  t.after(close);
  const { items } = await call<{ items: EnvironmentBody[] }>('GET /environments', admin, {});
  const [gone, own] = items;
  assert.deepEqual(
    [gone?.name, gone?.kind, gone?.state, gone?.python, gone?.users],
    ['gone', 'operator', 'failed', '/nowhere/python3', ['churn/1']],
  );
  assert.match(gone?.reason ?? '', /^\/nowhere\/python3 does not run as a Python interpreter/);
  assert.match(own?.reason ?? '', /does not run as a Python interpreter/, 'Node is not Python');
  const described = await call<EnvironmentDetailBody>('GET /environments/:environment', deployer, { params: { environment: 'GONE' } });
  assert.deepEqual([described.name, described.python, described.log_group], ['gone', null, null]);
  await assert.rejects(call('GET /environments/:environment', admin, { params: { environment: 'other' } }), { code: 'not_found' });
  await assert.rejects(call('DELETE /environments/:environment', admin, { params: { environment: 'GONE' } }), {
    code: 'wrong_state',
    message: 'environment GONE is an interpreter in config.json: to delete it, remove environments.gone there and restart the server',
  });
});

test('only an admin on the machine of the server may name a program to run', async (t) => {
  const { call, close } = await routes();
  t.after(close);
  const body = { name: 'x', packages: ['numpy'], python: '/nowhere/python3' };
  const request = { headers: { host: 'localhost' } };
  const refused = { code: 'forbidden', message: /expected the name of an interpreter/ };
  await assert.rejects(call('POST /environments', admin, { body }), refused);
  for (const caller of [deployer, { keyId: 'anonymous', role: 'invoker' } as Caller]) {
    await assert.rejects(call('POST /environments', caller, { body, request }), refused);
  }
  await assert.rejects(call('POST /environments', admin, { body, request }), { code: 'unavailable', message: /does not run/ });
});

test('requirements of a caller are checked before anything is stored', async (t) => {
  const { call, close } = await routes();
  t.after(close);
  const create = (body: object) => call('POST /environments', deployer, { body });
  await assert.rejects(create({ name: 'x', requirements: '-r /etc/passwd' }), { code: 'invalid_request', message: /reads another file/ });
  await assert.rejects(create({ name: 'x', packages: ['a\n--index-url http://evil'] }), { message: /only the operator can/ });
  await assert.rejects(create({ name: 'x y', packages: ['a'] }), { message: /expected a name of 1 to 63/ });
  await assert.rejects(create({ name: 'build', packages: ['a'] }), { message: /and not build/ });
  const { items } = await call<{ items: EnvironmentBody[] }>('GET /environments', admin, {});
  assert.equal(items.length, 2);
});

test('building source distributions runs their code, so it needs the permission to approve', async (t) => {
  const { call, close } = await routes({ sdist: true });
  t.after(close);
  await assert.rejects(call('POST /environments', deployer, { body: { name: 'x', packages: ['a'] } }), /expected the permission approve/);
});
