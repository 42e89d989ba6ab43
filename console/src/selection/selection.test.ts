import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { SelectionPlanBody } from '../../../src/api/index.ts';
import { askOf, cascadeOf, firstPair, isDominated, type SelectionPlan, thresholdsByPair, usdPerMillionOf } from './selection.ts';

const plan = (name: string, accuracy: number, rate: number, certified = false): SelectionPlan => ({
  plan: name,
  accuracy,
  lower: accuracy - 0.01,
  low: accuracy - 0.02,
  high: accuracy + 0.001,
  errors: 1,
  escalated: 0.1,
  p_value: 0.1,
  certified,
  batch: 32,
  rows_per_second: rate,
  full_batch_ms: 10,
  instances: 2,
  usd_per_hour: 0.085,
  rejected: null,
});
const plans = [
  plan('a/1', 0.95, 8000),
  plan('a/1>b/1@0.1', 0.96, 4000),
  plan('a/1>b/1@0.03', 0.99, 3000, true),
  plan('c/1>b/1@0.5', 0.94, 2000),
  plan('b/1', 0.99, 500, true),
];

test('a plan costs what its rows take on busy instances', () => {
  assert(Math.abs(usdPerMillionOf(plan('a/1', 0.9, 1000)) - 0.0425 / 3.6) < 1e-12);
});

test('a plan is dominated if another one is as fast and as accurate, and better in one', () => {
  assert.deepEqual(
    plans.filter((each) => isDominated(each, plans)).map((each) => each.plan),
    ['c/1>b/1@0.5', 'b/1'],
  );
});

test('cascades are grouped by pair, with ascending thresholds; the chosen pair comes first', () => {
  assert.deepEqual(cascadeOf('a/1>b/1@0.00001'), { pair: 'a/1>b/1', threshold: 0.00001 });
  assert.equal(cascadeOf('a/1'), null);
  const pairs = thresholdsByPair(plans);
  assert.deepEqual(
    pairs.get('a/1>b/1')?.map(({ threshold }) => threshold),
    [0.03, 0.1],
  );
  const body = (floorPlan: string | null) => ({ floor_plan: floorPlan }) as SelectionPlanBody;
  assert.equal(firstPair(body('c/1>b/1@0.5'), pairs), 'c/1>b/1');
  assert.equal(firstPair(body('b/1'), pairs), 'a/1>b/1');
  assert.equal(firstPair(body(null), new Map()), null);
});

test('the URL holds the request, and an incomplete one is none', () => {
  const values = { set: 'holdout', models: 'a/1,b/1', floor: '0.97', objective: 'p95<=50ms', rate: '645' };
  assert.deepEqual(askOf(values), { set: 'holdout', models: ['a/1', 'b/1'], floor: 0.97, objective: 'p95<=50ms', rate: 645 });
  assert.equal(askOf({ ...values, floor: '1.2' }), null);
  assert.equal(askOf({ ...values, models: undefined }), null);
});
