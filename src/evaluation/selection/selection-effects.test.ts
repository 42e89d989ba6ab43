import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { openMemoryDatabase } from '../../../test/empty-database.ts';
import { insertEndpoint } from '../../../test/recorded-selection.ts';
import { VirtualClock } from '../../clock.ts';
import type { EndpointConfig } from '../../deployment/index.ts';
import { MetricStore, penstockNamespace, variantMetricKey } from '../../metrics/index.ts';
import { Decisions, Events } from '../../records/index.ts';
import { type SelectionEffect, SelectionEffects } from './selection-effects.ts';

const minuteMs = 60_000;
const chosen = {
  ladder: [
    { plan: 'mlp/1>cnn/1@0.03', accuracy: 0.99 },
    { plan: 'cnn/1', accuracy: 1 },
  ],
};

async function fixture(t: TestContext) {
  const clock = new VirtualClock(1_800_000_000_000);
  const { db, close } = await openMemoryDatabase();
  const failed = (error: unknown): void => assert.fail(String(error));
  const store = new MetricStore({ db, clock, onFailure: failed });
  await store.open();
  t.after(async () => {
    await store.close();
    await close();
  });
  await insertEndpoint(db, 'digits');
  const decisions = new Decisions(db, clock, new Events(db, clock));
  const config = { name: 'digits', variants: [{ name: 'AllTraffic', ladder: { selection: {} } }] } as unknown as EndpointConfig;
  const effects = new SelectionEffects({ clock, decisions, store, endpoints: () => [config], onFailure: failed });
  const decide = (changes: boolean) =>
    decisions.record({
      kind: 'selection',
      endpoint: 'digits',
      variant: 'AllTraffic',
      trigger: 'deploy',
      inputs: {},
      alternatives: [],
      chosen,
      reason: 'cheapest-certified',
      explanation: '',
      changes,
      ...(changes ? {} : { effect: { unknown: 'nothing changed' } }),
    });
  const metricKey = variantMetricKey(penstockNamespace, 'digits', 'AllTraffic');
  const add = (name: string, unit: string, ...values: readonly number[]): void => {
    for (const value of values) store.add(metricKey, { name, unit }, value);
  };
  const effectNow = async (): Promise<SelectionEffect | null> =>
    ((await decisions.list({ endpoint: 'digits', kind: 'selection', changes: true, limit: 1 }))[0]?.effect ??
      null) as SelectionEffect | null;
  return { clock, effects, decide, add, effectNow };
}

test('the effect of a selection: latency, cost, shares of plans, and accuracy by labels with an interval', async (t) => {
  const { clock, effects, decide, add, effectNow } = await fixture(t);
  await decide(true);
  clock.advance(minuteMs);
  add('Latency', 'Milliseconds', 10, 20, 30, 40);
  add('Rows', 'Count', 2, 2, 2, 2);
  add('ObjectiveMissed', 'None', 0, 0, 0, 1);
  add('Spent', 'None', 0.000_02);
  add('PlanRows/mlp/1>cnn/1@0.03', 'Count', 2, 4);
  add('PlanRows/cnn/1', 'Count', 2);
  add('Accuracy', 'None', 1, 1, 1, 0);
  await effects.measure();
  assert.equal(await effectNow(), null, 'not before ten minutes are over');
  clock.advance(10 * minuteMs);
  await effects.measure();
  const effect = (await effectNow()) as SelectionEffect;
  assert.deepEqual([effect.requests, effect.rows, effect.inTime], [4, 8, 0.75]);
  assert(Math.abs(effect.usdPerMillion - 2.5) < 1e-9);
  assert(effect.p95Ms > 39 && effect.p95Ms <= 40);
  assert.deepEqual(effect.shares, [
    { plan: 'mlp/1>cnn/1@0.03', share: 0.75 },
    { plan: 'cnn/1', share: 0.25 },
  ]);
  assert.equal(effect.accuracyEstimated?.toFixed(4), '0.9925');
  assert.deepEqual([effect.labelled?.rows, effect.labelled?.accuracy], [4, 0.75]);
  assert((effect.labelled?.low ?? 1) < 0.75 && (effect.labelled?.high ?? 0) > 0.75);
});

test('is that of the decision that changed something, updated while it is in force, for a day', async (t) => {
  const { clock, effects, decide, add, effectNow } = await fixture(t);
  await decide(true);
  clock.advance(minuteMs);
  await decide(false);
  const answer = (): void => {
    add('Latency', 'Milliseconds', 10);
    add('Rows', 'Count', 1);
  };
  for (const expected of [1, 2]) {
    answer();
    clock.advance(10 * minuteMs);
    await effects.measure();
    const effect = await effectNow();
    assert.deepEqual([effect?.rows, effect?.labelled, effect?.accuracyEstimated, effect?.inTime], [expected, null, null, null]);
  }
  clock.advance(86_400_000);
  answer();
  await effects.measure();
  assert.equal((await effectNow())?.rows, 2, 'it stays as it was after a day');
});

test('of a selection without traffic stays unknown', async (t) => {
  const { clock, effects, decide, effectNow } = await fixture(t);
  await decide(true);
  clock.advance(20 * minuteMs);
  await effects.measure();
  assert.equal(await effectNow(), null);
});
