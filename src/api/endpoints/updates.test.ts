import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { openMemoryDatabase } from '../../../test/empty-database.ts';
import { VirtualClock } from '../../clock.ts';
import { type EventKind, Events } from '../../records/index.ts';
import type { RouteCall } from '../routing/route.ts';
import type { ApiServices } from '../routing/services.ts';
import { type UpdateBody, updateAt, updateRoutes } from './updates.ts';

const versions = { from: ['digits/1'], to: ['digits/2'] };

/** Event kinds of endpoints, without the prefix. */
type EndpointEventName = EventKind extends infer Kind ? (Kind extends `endpoint.${infer Name}` ? Name : never) : never;

async function recorded(t: TestContext) {
  const { db, close } = await openMemoryDatabase();
  t.after(close);
  const clock = new VirtualClock(Date.UTC(2026, 10, 27));
  const events = new Events(db, clock);
  let createdAtMs = clock.wallMs();
  const view = () => ({ config: { name: 'digits' }, createdAtMs });
  const deployments = { get: view, list: () => [view()] };
  const [updates, ofAll] = updateRoutes({ deployments, events } as unknown as ApiServices);
  return {
    /** Records an event one second later. */
    record: async (kind: EndpointEventName, detail: object): Promise<void> => {
      clock.advance(1000);
      await events.record(db, { kind: `endpoint.${kind}`, subject: 'digits', detail: { generation: 2, ...detail } });
    },
    recreate: (): void => {
      clock.advance(1000);
      createdAtMs = clock.wallMs();
    },
    list: (query: object = {}) =>
      updates?.handle({ params: { endpoint: 'digits' }, query } as unknown as RouteCall<unknown, unknown, unknown>) as Promise<{
        readonly items: UpdateBody[];
        readonly next: string | null;
      }>,
    listAll: (query: object = {}) =>
      ofAll?.handle({ params: {}, query } as unknown as RouteCall<unknown, unknown, unknown>) as Promise<{
        readonly items: UpdateBody[];
        readonly next: string | null;
      }>,
    /** Records an event of a deleted endpoint. */
    recordOther: () => events.record(db, { kind: 'endpoint.deployed', subject: 'gone', detail: { generation: 1, ...versions } }),
    inProgress: () => updateAt(events, 'digits', clock.wallMs()),
  };
}

test('lists update steps in pages, newest first, with the requested shares', async (t) => {
  const { record, list } = await recorded(t);
  await record('update-started', versions);
  await record('traffic-shifted', { ...versions, share: 0.07 });
  await record('in-service', {});
  await record('update-completed', versions);
  const first = await list({ limit: 2 });
  assert.deepEqual(
    first.items.map(({ what, share_percent: share }) => [what, share]),
    [
      ['completed', null],
      ['share raised', 7],
    ],
  );
  const second = await list({ limit: 2, before: Number(first.next) });
  assert.deepEqual([second.items.map(({ what }) => what), second.next], [['started'], null]);
});

test('shows the serving version in the latest item, also after a rollback to the previous version', async (t) => {
  const { record, list } = await recorded(t);
  await record('update-completed', versions);
  await record('rolled-back', { from: ['digits/2'], to: ['digits/1'], reason: 'requested manually' });
  const [last] = (await list({ limit: 1 })).items;
  assert.deepEqual([last?.what, last?.from, last?.to, last?.reason], ['rolled back', ['digits/2'], ['digits/1'], 'requested manually']);
});

test('lists an unmonitored deploy as its own item, with the caller', async (t) => {
  const { record, list } = await recorded(t);
  await record('deployed', { ...versions, who: 'me' });
  const [last] = (await list()).items;
  assert.deepEqual([last?.what, last?.from, last?.to, last?.by], ['deployed', ['digits/1'], ['digits/2'], 'me']);
});

test('shows the caller of a rollback, and null for a rollback by an alarm', async (t) => {
  const { record, list } = await recorded(t);
  await record('update-rolled-back', { ...versions, reason: 'alarm errors is in ALARM' });
  await record('update-rolled-back', { ...versions, reason: 'requested manually', who: 'me' });
  await record('rolled-back', { ...versions, reason: 'requested manually', who: 'you' });
  assert.deepEqual(
    (await list()).items.map(({ by, reason }) => [by, reason]),
    [
      ['you', 'requested manually'],
      ['me', 'requested manually'],
      [null, 'alarm errors is in ALARM'],
    ],
  );
});

test('lists a change of settings as its own item that neither starts nor ends an update', async (t) => {
  const { record, list, inProgress } = await recorded(t);
  const settings = [{ setting: 'AllTraffic.scaling.instances_max', from: 4, to: 8 }];
  await record('update-started', versions);
  await record('settings-changed', { ...versions, who: 'me', settings, moreSettings: 2 });
  const [last] = (await list()).items;
  assert.deepEqual([last?.what, last?.by, last?.settings, last?.more_settings], ['settings changed', 'me', settings, 2]);
  assert.equal((await inProgress())?.what, 'started');
});

test('counts overloaded among rejected requests; 0 in events of older servers', async (t) => {
  const { record, list } = await recorded(t);
  const counts = { answered: 1, late: 0, failed: 0, refused: 3 };
  await record('step-completed', { ...versions, versions: [{ model: 'digits/2', counts }] });
  await record('update-completed', { ...versions, versions: [{ model: 'digits/2', counts: { ...counts, overloaded: 2 } }] });
  const reported = { model: 'digits/2', requests: 4, late: 0, failed: 0, refused: 3 };
  assert.deepEqual(
    (await list()).items.map((update) => update.versions),
    [[{ ...reported, overloaded: 2 }], [{ ...reported, overloaded: 0 }]],
  );
});

test('hides updates of a deleted endpoint of the same name', async (t) => {
  const { record, recreate, list } = await recorded(t);
  await record('update-started', versions);
  await record('update-superseded', versions);
  recreate();
  await record('update-started', versions);
  assert.deepEqual(
    (await list()).items.map(({ what }) => what),
    ['started'],
  );
});

test('lists updates of all existing endpoints, without deleted ones', async (t) => {
  const { record, recordOther, listAll, recreate } = await recorded(t);
  await record('deployed', versions);
  recreate();
  await recordOther();
  await record('update-started', versions);
  assert.deepEqual(
    (await listAll()).items.map(({ endpoint, what }) => [endpoint, what]),
    [['digits', 'started']],
  );
});

test('fills pages even with many newer updates of deleted endpoints, and reaches the last one', async (t) => {
  const { record, recordOther, listAll } = await recorded(t);
  for (const reason of ['first', 'second', 'third']) {
    await record('update-completed', { ...versions, reason });
    for (let i = 0; i < 700; i++) await recordOther();
  }
  const { items, next } = await listAll({ limit: 2 });
  assert.deepEqual(
    items.map(({ reason }) => reason),
    ['third', 'second'],
  );
  const last = await listAll({ limit: 2, before: Number(next) });
  assert.deepEqual([last.items.map(({ reason }) => reason), last.next], [['first'], null]);
});

test('an update is in progress until it is kept, rolled back, superseded or replaced by a deploy', async (t) => {
  const { record, inProgress } = await recorded(t);
  assert.equal(await inProgress(), null);
  for (const end of ['update-completed', 'update-rolled-back', 'update-superseded', 'rolled-back', 'deployed'] as const) {
    await record('update-started', versions);
    assert.deepEqual((await inProgress())?.to, ['digits/2']);
    await record(end, versions);
    assert.equal(await inProgress(), null);
  }
});

test('ignores an unfinished update recorded by an older server', async (t) => {
  const { record, inProgress } = await recorded(t);
  await record('traffic-shifted', { share: 0.1, bakeMs: 1000 });
  assert.equal(await inProgress(), null);
});
