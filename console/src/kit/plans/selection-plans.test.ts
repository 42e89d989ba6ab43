import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { SelectionPlanBody } from '../../../../src/api/index.ts';
import {
  askOf,
  cascadeOf,
  cheapestFor,
  firstPair,
  isDominated,
  placeNames,
  pricesByFloor,
  type SelectionPlan,
  thresholdsByPair,
  usdPerMillionOf,
} from './selection-plans.ts';

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
  certified_to: null,
  feasible: true,
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

test('the price of each accuracy is that of the cheapest plan that is certified for it', () => {
  const plan = (name: string, usd: number, to: number | null, feasible = true) =>
    ({ plan: name, usd_per_hour: usd, certified_to: to, feasible, rows_per_second: 1 }) as unknown as SelectionPlan;
  const plans = [plan('a', 1, 0.9), plan('a>b', 2, 0.95), plan('b', 4, 0.97), plan('slow', 0.5, 0.99, false), plan('untested', 0.1, null)];
  assert.deepEqual(
    pricesByFloor(plans).map(({ to, plan: { plan: name } }) => [to, name]),
    [
      [0.9, 'a'],
      [0.95, 'a>b'],
      [0.97, 'b'],
    ],
  );
  assert.deepEqual([cheapestFor(0.92, plans)?.plan, cheapestFor(0.98, plans)], ['a>b', null]);
});

test('names of points never overlap nor leave the plot, whatever the width', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 280, max: 1400 }),
      fc.array(fc.tuple(fc.double({ min: 0, max: 1, noNaN: true }), fc.double({ min: 0, max: 1, noNaN: true })), { maxLength: 12 }),
      (width, points) => {
        const named = points.map(([x, y], i) => ({
          name: `digits-mlp/1>digits-cnn/1@0.0${i}`,
          cx: 52 + x * (width - 68),
          cy: 28 + y * 248,
        }));
        const placed = placeNames(named, named, { width, top: 28, bottom: 276 });
        const boxes = placed.map(({ name, x, y, isLeft }) => {
          const length = 6.4 * name.length;
          return { from: isLeft ? x - length : x, to: isLeft ? x : x + length, y };
        });
        for (const [i, one] of boxes.entries()) {
          assert(one.from >= 0 && one.to <= width);
          for (const other of boxes.slice(i + 1)) assert(other.to < one.from || other.from > one.to || Math.abs(other.y - one.y) >= 14);
        }
      },
    ),
  );
});
