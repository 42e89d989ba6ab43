import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { openMemoryDatabase } from '../../../test/empty-database.ts';
import { VirtualClock } from '../../clock.ts';
import { CostHistory, Ledger } from '../../costs/index.ts';
import { Events } from '../../records/index.ts';
import type { RouteCall } from '../routing/route.ts';
import type { ApiServices } from '../routing/services.ts';
import { type EndpointUsageBody, usageRoutes } from './usage.ts';

const minuteMs = 60_000;
const hourMs = 60 * minuteMs;
const noonMs = Date.UTC(2026, 10, 27, 12);

/** Simulates servers on one database: each `start` is a new server on the data of the previous ones. */
async function world(t: TestContext) {
  const { db, close } = await openMemoryDatabase();
  t.after(close);
  const onFailure = (error: unknown): void => assert.fail(String(error));
  let createdAtMs = 0;
  const deployments = { get: () => ({ config: { name: 'digits' }, createdAtMs }) };
  return {
    /** `processAtMs`: when its process started, which may stand by before it serves. */
    start: (servesAtMs: number, processAtMs = servesAtMs) => {
      const clock = new VirtualClock(servesAtMs);
      const ledger = new Ledger(clock);
      const costs = new CostHistory({ db, clock, ledger, onFailure });
      const events = new Events(db, clock);
      costs.open();
      const server = { startedAtMs: processAtMs };
      const [usage] = usageRoutes({ deployments, ledger, costs, events, clock, server } as unknown as ApiServices);
      return {
        clock,
        close: () => costs.close(),
        answer: (requests: number): void => {
          for (let index = 0; index < requests; index++) ledger.request('digits', 'AllTraffic', 0.5);
        },
        create: (): void => {
          createdAtMs = clock.wallMs();
        },
        erase: async (name = 'digits'): Promise<void> => {
          await events.record(db, { kind: 'endpoint.deleted', subject: name, detail: {} });
          ledger.stopped('digits');
        },
        used: async () => {
          const call = { params: { endpoint: 'digits' } } as unknown as RouteCall<unknown, unknown, unknown>;
          assert(usage !== undefined);
          const { since, items } = (await usage.handle(call)) as EndpointUsageBody;
          return { since, used: items.map(({ variant, requests, receipts_usd: usd }) => `${variant} ${requests} $${usd}`) };
        },
      };
    },
  };
}

test('starts at the creation of the endpoint, without usage of a deleted one of the same name', async (t) => {
  const { clock, create, answer, erase, used } = (await world(t)).start(noonMs);
  create();
  answer(3);
  clock.advance(minuteMs);
  await erase();
  clock.advance(minuteMs);
  create();
  assert.deepEqual(await used(), { since: '2026-11-27T12:02:00.000Z', used: [] });
  answer(2);
  assert.deepEqual(await used(), { since: '2026-11-27T12:02:00.000Z', used: ['AllTraffic 2 $1'] });
});

test('spans restarts and includes usage that is not stored yet', async (t) => {
  const { start } = await world(t);
  const first = start(noonMs);
  first.clock.advance(30 * minuteMs);
  first.create();
  first.answer(3);
  await first.close();
  const second = start(noonMs + 2 * hourMs);
  second.answer(2);
  assert.deepEqual(await second.used(), { since: '2026-11-27T12:30:00.000Z', used: ['AllTraffic 5 $2.5'] });
});

test('includes what an earlier home of the cluster served while this node stood by', async (t) => {
  const { start } = await world(t);
  const first = start(noonMs);
  first.clock.advance(minuteMs);
  first.create();
  first.answer(3);
  await first.close();
  const second = start(noonMs + 2 * minuteMs, noonMs - minuteMs);
  second.answer(2);
  assert.deepEqual(await second.used(), { since: '2026-11-27T12:01:00.000Z', used: ['AllTraffic 5 $2.5'] });
});

test('starts after the hour in which an endpoint of the same name was deleted, once that covers more than the running server', async (t) => {
  const { start } = await world(t);
  const first = start(noonMs);
  first.answer(3);
  await first.erase();
  first.clock.advance(minuteMs);
  first.create();
  first.answer(2);
  await first.close();
  const second = start(noonMs + 30 * minuteMs);
  second.answer(1);
  assert.deepEqual(await second.used(), { since: '2026-11-27T12:30:00.000Z', used: ['AllTraffic 1 $0.5'] });
  second.clock.advance(hourMs);
  second.answer(1);
  await second.close();
  const third = start(noonMs + 3 * hourMs);
  assert.deepEqual(await third.used(), { since: '2026-11-27T13:00:00.000Z', used: ['AllTraffic 1 $0.5'] });
});

test('matches a deleted endpoint of the same name case-insensitively', async (t) => {
  const { start } = await world(t);
  const first = start(noonMs);
  first.answer(3);
  await first.erase('Digits');
  first.clock.advance(minuteMs);
  first.create();
  await first.close();
  assert.deepEqual(await start(noonMs + 2 * hourMs).used(), { since: '2026-11-27T13:00:00.000Z', used: [] });
});

test('ignores an endpoint of the same name that was deleted in an earlier hour', async (t) => {
  const { start } = await world(t);
  const first = start(noonMs);
  first.answer(3);
  await first.erase();
  first.clock.advance(hourMs);
  first.create();
  first.answer(2);
  await first.close();
  assert.deepEqual(await start(noonMs + 2 * hourMs).used(), { since: '2026-11-27T13:00:00.000Z', used: ['AllTraffic 2 $1'] });
});

test('starts no earlier than the retention of costs', async (t) => {
  const { start } = await world(t);
  start(noonMs - 500 * 24 * hourMs).create();
  assert.equal((await start(noonMs).used()).since, new Date(noonMs - 400 * 24 * hourMs).toISOString());
});
