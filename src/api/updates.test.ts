import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { VirtualClock } from '../clock.ts';
import { type EventKind, Events } from '../monitoring/index.ts';
import { openDatabase } from '../storage/index.ts';
import type { Call } from './route.ts';
import type { ApiServices } from './services.ts';
import { type UpdateBody, updateAt, updateRoutes } from './updates.ts';

const versions = { from: ['digits/1'], to: ['digits/2'] };

/** What may become of an endpoint. */
type EndpointWord = EventKind extends infer Kind ? (Kind extends `endpoint.${infer Word}` ? Word : never) : never;

async function recorded(t: TestContext) {
  const { db, close } = await openDatabase({ file: ':memory:', synchronous: 'NORMAL' });
  t.after(close);
  const clock = new VirtualClock(Date.UTC(2026, 10, 27));
  const events = new Events(db, clock);
  let createdAtMs = clock.wallMs();
  const view = () => ({ config: { name: 'digits' }, createdAtMs });
  const deployments = { get: view, list: () => [view()] };
  const [updates, ofAll] = updateRoutes({ deployments, events } as unknown as ApiServices);
  return {
    /** A second passes. */
    tell: async (kind: EndpointWord, detail: object): Promise<void> => {
      clock.advance(1000);
      await events.record(db, { kind: `endpoint.${kind}`, subject: 'digits', detail: { generation: 2, ...detail } });
    },
    makeAnew: (): void => {
      clock.advance(1000);
      createdAtMs = clock.wallMs();
    },
    list: (query: object = {}) =>
      updates?.handle({ params: { endpoint: 'digits' }, query } as unknown as Call<unknown, unknown, unknown>) as Promise<{
        readonly items: UpdateBody[];
        readonly next: string | null;
      }>,
    listAll: (query: object = {}) =>
      ofAll?.handle({ params: {}, query } as unknown as Call<unknown, unknown, unknown>) as Promise<{
        readonly items: UpdateBody[];
        readonly next: string | null;
      }>,
    /** Of an endpoint that is not there any more. */
    tellOther: () => events.record(db, { kind: 'endpoint.deployed', subject: 'gone', detail: { generation: 1, ...versions } }),
    underWay: () => updateAt(events, 'digits', clock.wallMs()),
  };
}

test('steps of updates come in pages, the latest first, with shares as they were given', async (t) => {
  const { tell, list } = await recorded(t);
  await tell('update-begun', versions);
  await tell('traffic-shifted', { ...versions, share: 0.07 });
  await tell('in-service', {});
  await tell('update-kept', versions);
  const first = await list({ limit: 2 });
  assert.deepEqual(
    first.items.map(({ what, share_percent: share }) => [what, share]),
    [
      ['kept', null],
      ['share raised', 7],
    ],
  );
  const second = await list({ limit: 2, before: Number(first.next) });
  assert.deepEqual([second.items.map(({ what }) => what), second.next], [['begun'], null]);
});

test('the last line tells what serves, also after a rollback to the version before', async (t) => {
  const { tell, list } = await recorded(t);
  await tell('update-kept', versions);
  await tell('rolled-back', { from: ['digits/2'], to: ['digits/1'], reason: 'asked for by hand' });
  const [last] = (await list({ limit: 1 })).items;
  assert.deepEqual([last?.what, last?.from, last?.to, last?.reason], ['rolled back', ['digits/2'], ['digits/1'], 'asked for by hand']);
});

test('a deploy that nobody watched is a line of its own, with who asked for it', async (t) => {
  const { tell, list } = await recorded(t);
  await tell('deployed', { ...versions, who: 'me' });
  const [last] = (await list()).items;
  assert.deepEqual([last?.what, last?.from, last?.to, last?.by], ['deployed', ['digits/1'], ['digits/2'], 'me']);
});

test('a rollback has who asked for it, and one that an alarm wanted has nobody', async (t) => {
  const { tell, list } = await recorded(t);
  await tell('update-taken-back', { ...versions, reason: 'alarm errors is in ALARM' });
  await tell('update-taken-back', { ...versions, reason: 'asked for by hand', who: 'me' });
  await tell('rolled-back', { ...versions, reason: 'asked for by hand', who: 'you' });
  assert.deepEqual(
    (await list()).items.map(({ by, reason }) => [by, reason]),
    [
      ['you', 'asked for by hand'],
      ['me', 'asked for by hand'],
      [null, 'alarm errors is in ALARM'],
    ],
  );
});

test('other settings are a line of their own, and neither begin nor end an update', async (t) => {
  const { tell, list, underWay } = await recorded(t);
  const settings = [{ setting: 'AllTraffic.scaling.instances_max', from: 4, to: 8 }];
  await tell('update-begun', versions);
  await tell('settings-changed', { ...versions, who: 'me', settings, moreSettings: 2 });
  const [last] = (await list()).items;
  assert.deepEqual([last?.what, last?.by, last?.settings, last?.more_settings], ['settings changed', 'me', settings, 2]);
  assert.equal((await underWay())?.what, 'begun');
});

test('of those refused it tells how many were for want of room; an older server did not', async (t) => {
  const { tell, list } = await recorded(t);
  const counts = { answered: 1, late: 0, failed: 0, refused: 3 };
  await tell('step-watched', { ...versions, versions: [{ model: 'digits/2', counts }] });
  await tell('update-kept', { ...versions, versions: [{ model: 'digits/2', counts: { ...counts, overloaded: 2 } }] });
  const told = { model: 'digits/2', requests: 4, late: 0, failed: 0, refused: 3 };
  assert.deepEqual(
    (await list()).items.map((update) => update.versions),
    [[{ ...told, overloaded: 2 }], [{ ...told, overloaded: 0 }]],
  );
});

test('an endpoint has no part in the updates of an earlier one of its name', async (t) => {
  const { tell, makeAnew, list } = await recorded(t);
  await tell('update-begun', versions);
  await tell('update-superseded', versions);
  makeAnew();
  await tell('update-begun', versions);
  assert.deepEqual(
    (await list()).items.map(({ what }) => what),
    ['begun'],
  );
});

test('those of all endpoints name theirs, without those of endpoints that are gone', async (t) => {
  const { tell, tellOther, listAll, makeAnew } = await recorded(t);
  await tell('deployed', versions);
  makeAnew();
  await tellOther();
  await tell('update-begun', versions);
  assert.deepEqual(
    (await listAll()).items.map(({ endpoint, what }) => [endpoint, what]),
    [['digits', 'begun']],
  );
});

test('however many of those of endpoints that are gone came since, a page is full, and the pages are all', async (t) => {
  const { tell, tellOther, listAll } = await recorded(t);
  for (const reason of ['first', 'second', 'third']) {
    await tell('update-kept', { ...versions, reason });
    for (let i = 0; i < 700; i++) await tellOther();
  }
  const { items, next } = await listAll({ limit: 2 });
  assert.deepEqual(
    items.map(({ reason }) => reason),
    ['third', 'second'],
  );
  const last = await listAll({ limit: 2, before: Number(next) });
  assert.deepEqual([last.items.map(({ reason }) => reason), last.next], [['first'], null]);
});

test('an update is under way from its beginning until it is kept, taken back or superseded', async (t) => {
  const { tell, underWay } = await recorded(t);
  assert.equal(await underWay(), null);
  for (const end of ['update-kept', 'update-taken-back', 'update-superseded', 'rolled-back', 'deployed'] as const) {
    await tell('update-begun', versions);
    assert.deepEqual((await underWay())?.to, ['digits/2']);
    await tell(end, versions);
    assert.equal(await underWay(), null);
  }
});

test('what an older server told of an update that it never ended is no update that goes on for ever', async (t) => {
  const { tell, underWay } = await recorded(t);
  await tell('traffic-shifted', { share: 0.1, bakeMs: 1000 });
  assert.equal(await underWay(), null);
});
