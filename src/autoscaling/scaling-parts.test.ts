import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { HourlyBudget } from './hourly-budget.ts';
import { LeadTimes } from './lead-times.ts';
import { scalingPolicy } from './scaling-policies.ts';
import { SloHistory } from './slo-history.ts';
import { SlotCounter } from './slot-counter.ts';
import { StartTrouble } from './start-trouble.ts';

describe('slots', () => {
  test('are counted from the wall clock, and only where they were seen from beginning to end', () => {
    const slots = new SlotCounter(10_000);
    assert.equal(slots.look(105_000, 7), null, 'the first is seen from its middle');
    assert.deepEqual(slots.look(110_000, 20), { slot: 10, count: null });
    assert.equal(slots.look(119_999, 25), null);
    assert.deepEqual(slots.look(120_010, 50), { slot: 11, count: 30 });
    assert.deepEqual(slots.look(150_000, 90), { slot: 14, count: null }, 'two were not seen at all');
    assert.deepEqual(slots.look(164_000, 99), { slot: 15, count: null }, 'looked at too late');
    assert.deepEqual(slots.look(170_000, 100), { slot: 16, count: null }, 'nobody knows what had come when it began');
    assert.deepEqual(slots.look(180_000, 105), { slot: 17, count: 5 });
  });

  test('are not counted twice where the clock was set back a little, and go on when it has caught up', () => {
    const slots = new SlotCounter(10_000);
    slots.look(100_000, 0);
    assert.deepEqual(slots.look(110_000, 7), { slot: 10, count: 7 });
    assert.equal(slots.look(109_500, 8), null);
    assert.equal(slots.look(110_000, 9), null, 'slot 10 again');
    assert.deepEqual(slots.look(120_000, 20), { slot: 11, count: 11 });
  });

  test('in which what was counted is no number have no count', () => {
    const slots = new SlotCounter(10_000);
    slots.look(100_000, 0);
    for (const [atMs, arrived] of [
      [110_000, Number.NaN],
      [120_000, 5],
      [130_000, Number.POSITIVE_INFINITY],
    ] as const)
      assert.equal(slots.look(atMs, arrived)?.count, null);
    assert.equal(slots.look(140_000, 7)?.count, null);
    assert.equal(slots.look(150_000, 9)?.count, 2);
  });

  test('begin anew where the clock was set back far', () => {
    const slots = new SlotCounter(10_000);
    slots.look(100_000, 0);
    assert.equal(slots.look(50_000, 3), null);
    assert.deepEqual(slots.look(60_000, 8), { slot: 5, count: 5 });
  });
});

test('what cannot be started is tried again ever later, and at once again after all have started', () => {
  const trouble = new StartTrouble();
  assert.equal(trouble.seen(null, true, 0), false);
  assert.equal(trouble.seen('no memory', false, 1000), true);
  assert.deepEqual(trouble.at(11_000), { reason: 'no memory', retryInMs: 20_000 });
  assert.equal(trouble.seen('no memory', false, 20_000), false);
  assert.equal(trouble.at(31_000), null);
  assert.equal(trouble.seen(null, false, 31_000), false, 'it is being tried');
  assert.equal(trouble.seen('no memory', false, 32_000), true);
  assert.equal(trouble.at(32_000)?.retryInMs, 60_000);
  assert.equal(trouble.seen(null, true, 100_000), false);
  assert.equal(trouble.seen('no memory', false, 101_000), true);
  assert.equal(trouble.at(101_000)?.retryInMs, 30_000);
});

test('money is counted by the hour of the clock, across a restart', () => {
  const hour = 3_600_000;
  const first = new HourlyBudget(null);
  first.seen(5, 10 * hour); // what was spent before anybody looked is not of this hour
  first.seen(5.25, 10 * hour + 1);
  assert.deepEqual(first.at(1, 10.5 * hour), { usdMax: 1, spentUsd: 0.25, remainingMs: hour / 2 });
  const next = new HourlyBudget(first.snapshot());
  next.seen(0, 10.5 * hour);
  next.seen(0.5, 10.75 * hour);
  assert.equal(next.at(1, 10.75 * hour)?.spentUsd, 0.75);
  next.seen(0.6, 11 * hour);
  assert.ok(Math.abs((next.at(1, 11 * hour)?.spentUsd ?? 0) - 0.1) < 1e-12);
  assert.equal(next.at(null, 11 * hour), null);
  next.seen(Number.NaN, 11 * hour);
  next.seen(0.7, 10.5 * hour); // the clock was set back
  assert.ok(Math.abs((next.at(1, 10.5 * hour)?.spentUsd ?? 0) - 0.2) < 1e-12);
});

test('that the money is spent is news once, and that there is some again', () => {
  const money = new HourlyBudget(null);
  money.seen(0, 0);
  assert.equal(money.news(1), null);
  money.seen(1, 1000);
  assert.deepEqual([money.news(1), money.news(1), new HourlyBudget(money.snapshot()).news(1)], ['spent', null, null]);
  money.seen(1, 3_600_000);
  assert.deepEqual([money.news(1), money.news(1)], ['renewed', null]);
  money.seen(3, 3_601_000);
  assert.deepEqual([money.news(2), money.news(null)], ['spent', 'renewed'], 'no limit any more');
});

test('the time to start is the median of those seen, each once, and no less than was asked for', () => {
  const instance = { id: 'a', state: 'active' as const, startedAtMs: 0, readyAtMs: 3000, restarts: 0, reason: null, idleSinceMs: null };
  const leads = new LeadTimes(0, []);
  assert.equal(leads.medianMs, 2000);
  leads.seen([instance]);
  leads.seen([instance, { ...instance, id: 'b', readyAtMs: 5000 }, { ...instance, id: 'c', readyAtMs: null }]);
  leads.seen([instance, { ...instance, id: 'd', readyAtMs: 100_000, restarts: 1 }]);
  assert.deepEqual([leads.snapshot(), leads.medianMs], [[3000, 5000], 5000]);
  leads.seen([{ ...instance, startedAtMs: 10_000, readyAtMs: 11_000 }]); // another under a name that was free again
  assert.deepEqual([leads.snapshot(), leads.medianMs], [[3000, 5000, 1000], 3000]);
  const before = leads.snapshot();
  leads.seen([
    { ...instance, id: 'e', readyAtMs: 4_000_000 },
    { ...instance, id: 'f', readyAtMs: -1 },
  ]); // the clock was set meanwhile
  assert.deepEqual(leads.snapshot(), before);
  assert.equal(new LeadTimes(60_000, leads.snapshot()).medianMs, 60_000);
});

test('what became of requests is known for a minute, five and an hour, and of how much of it', () => {
  const history = new SloHistory([[1000, 10, 1]]);
  const traffic = { requests: 0, violations: 0 };
  const over = (requests: number, violations: number, wallMs: number) =>
    history.slotOver({ ...traffic, requestsArrived: 0, rowsArrived: 0, rowMs: 0, overflowed: 0, requests, violations }, wallMs);
  over(100, 0, 60_000); // since when is not known
  over(150, 5, 120_000);
  assert.deepEqual(history.windows(120_000), {
    minute: { requests: 50, violations: 5 },
    fiveMinutes: { requests: 60, violations: 6 },
    hour: { requests: 60, violations: 6 },
    watchedMs: 119_000,
  });
  over(150, 5, 3_601_000);
  const nothing = { requests: 0, violations: 0 };
  assert.deepEqual(history.windows(3_601_000), {
    minute: nothing,
    fiveMinutes: nothing,
    hour: { requests: 50, violations: 5 },
    watchedMs: 3_541_000,
  });
  assert.equal(new SloHistory([]).windows(60_000).watchedMs, 0);
});

test('policies that only a simulation can follow are refused with what to take', () => {
  for (const [text, message] of [
    ['oracle', /only a simulation/],
    ['batch', /deploy the endpoint serverless/],
    ['static', /static:2/],
    ['hpb:70', /unknown policy 'hpb'/],
  ] as const) {
    assert.throws(() => scalingPolicy(text), { code: 'invalid_request', message });
  }
  assert.equal(scalingPolicy('static:2').kind, 'static');
  const limits = { instancesMin: 1, instancesMax: 3 };
  assert.throws(() => scalingPolicy('static:9', limits), { code: 'invalid_request', message: /more instances than the most \(3\): raise/ });
  assert.throws(() => scalingPolicy('static:0', limits), {
    code: 'invalid_request',
    message: /fewer instances than the least \(1\): lower/,
  });
  for (const text of ['static:1', 'static:3', 'economic']) scalingPolicy(text, limits);
});
