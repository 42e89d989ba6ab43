import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { openMemoryDatabase } from '../../../test/empty-database.ts';
import { VirtualClock } from '../../clock.ts';
import type { EndpointConfig } from '../../deployment/index.ts';
import { MetricStore, penstockNamespace, sagemakerNamespace, variantMetricKey } from '../../metrics/index.ts';
import { readEarlierCounts } from './earlier-counts.ts';

const minuteMs = 60_000;
const prod = { name: 'prod', variants: [{ name: 'AllTraffic' }] } as unknown as EndpointConfig;

async function measured(t: TestContext) {
  const { db, close } = await openMemoryDatabase();
  t.after(close);
  const clock = new VirtualClock(Date.UTC(2026, 10, 24, 12));
  const store = new MetricStore({ db, clock, onFailure: (error) => assert.fail(String(error)) });
  await store.open();
  t.after(() => store.close());
  const read = (createdAtMs = 0) => readEarlierCounts(store)(prod, { createdAtMs, untilMs: clock.wallMs() });
  /** Adds this number of calls for each cause: the model, the client, lack of capacity, and cancellation. */
  const fail = (times: number): void => {
    for (const code of ['model_failed', 'invalid_request', 'overloaded', 'cancelled']) {
      for (let i = 0; i < times; i++) {
        store.add(variantMetricKey(penstockNamespace, 'prod', 'AllTraffic'), { name: `Errors/${code}`, unit: 'Count' }, 1);
        store.add(variantMetricKey(sagemakerNamespace, 'prod', 'AllTraffic'), { name: 'Invocations', unit: 'None' }, 1);
      }
    }
  };
  /** Adds answered calls, of which `late` miss the objective. */
  const answer = (times: number, late: number): void => {
    for (let i = 0; i < times; i++) {
      store.add(variantMetricKey(penstockNamespace, 'prod', 'AllTraffic'), { name: 'ObjectiveMissed', unit: 'None' }, i < late ? 1 : 0);
      store.add(variantMetricKey(sagemakerNamespace, 'prod', 'AllTraffic'), { name: 'Invocations', unit: 'None' }, 1);
    }
  };
  return { clock, fail, answer, read };
}

test('counts results of the last hour by cause, without cancelled calls', async (t) => {
  const { clock, fail, answer, read } = await measured(t);
  fail(400);
  clock.advance(90 * minuteMs);
  fail(200);
  answer(500, 7);
  clock.advance(minuteMs);
  assert.deepEqual(await read(), { answered: 500, late: 7, failed: 200, refused: 400, overloaded: 200 });
});

test('ignores results of a previous endpoint of the same name', async (t) => {
  const { clock, fail, answer, read } = await measured(t);
  fail(400);
  clock.advance(500);
  const createdAtMs = clock.wallMs();
  assert.deepEqual(await read(createdAtMs), { answered: 0, late: 0, failed: 0, refused: 0, overloaded: 0 });
  clock.advance(minuteMs);
  answer(500, 7);
  clock.advance(minuteMs);
  assert.deepEqual(await read(createdAtMs), { answered: 500, late: 7, failed: 0, refused: 0, overloaded: 0 });
});

test('uses the last day if the last hour had few requests; null without data', async (t) => {
  const { clock, fail, read } = await measured(t);
  assert.deepEqual(await read(), { answered: 0, late: 0, failed: 0, refused: 0, overloaded: 0 });
  fail(400);
  clock.advance(90 * minuteMs);
  fail(20);
  clock.advance(minuteMs);
  assert.deepEqual(await read(), { answered: 0, late: 0, failed: 420, refused: 840, overloaded: 420 });
});
