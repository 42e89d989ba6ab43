import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { scalingPolicy } from '../scaling-policies.ts';
import { HourlyBudget } from './hourly-budget.ts';
import { LeadTimes } from './lead-times.ts';
import { SloHistory } from './slo-history.ts';
import { SlotCounter } from './slot-counter.ts';
import { StartBackOffState } from './start-trouble.ts';

describe('slots', () => {
  test('are aligned to the wall clock and counted only if observed from beginning to end', () => {
    const slots = new SlotCounter(10_000);
    assert.equal(slots.poll(105_000, 7), null, 'the first is observed from its middle');
    assert.deepEqual(slots.poll(110_000, 20), { slot: 10, count: null });
    assert.equal(slots.poll(119_999, 25), null);
    assert.deepEqual(slots.poll(120_010, 50), { slot: 11, count: 30 });
    assert.deepEqual(slots.poll(150_000, 90), { slot: 14, count: null }, 'two were not observed at all');
    assert.deepEqual(slots.poll(164_000, 99), { slot: 15, count: null }, 'polled too late');
    assert.deepEqual(slots.poll(170_000, 100), { slot: 16, count: null }, 'the count at its beginning is unknown');
    assert.deepEqual(slots.poll(180_000, 105), { slot: 17, count: 5 });
  });

  test('are not counted twice if the clock was set back a little; counting continues when it has caught up', () => {
    const slots = new SlotCounter(10_000);
    slots.poll(100_000, 0);
    assert.deepEqual(slots.poll(110_000, 7), { slot: 10, count: 7 });
    assert.equal(slots.poll(109_500, 8), null);
    assert.equal(slots.poll(110_000, 9), null, 'slot 10 again');
    assert.deepEqual(slots.poll(120_000, 20), { slot: 11, count: 11 });
  });

  test('have no count if the counter is NaN', () => {
    const slots = new SlotCounter(10_000);
    slots.poll(100_000, 0);
    for (const [atMs, arrived] of [
      [110_000, Number.NaN],
      [120_000, 5],
      [130_000, Number.POSITIVE_INFINITY],
    ] as const)
      assert.equal(slots.poll(atMs, arrived)?.count, null);
    assert.equal(slots.poll(140_000, 7)?.count, null);
    assert.equal(slots.poll(150_000, 9)?.count, 2);
  });

  test('restart if the clock was set back far', () => {
    const slots = new SlotCounter(10_000);
    slots.poll(100_000, 0);
    assert.equal(slots.poll(50_000, 3), null);
    assert.deepEqual(slots.poll(60_000, 8), { slot: 5, count: 5 });
  });
});

test('failed starts are retried with increasing delays, which reset when all instances have started', () => {
  const startBackOff = new StartBackOffState();
  assert.equal(startBackOff.observe(null, true, 0), false);
  assert.equal(startBackOff.observe('no memory', false, 1000), true);
  assert.deepEqual(startBackOff.at(11_000), { reason: 'no memory', retryInMs: 20_000 });
  assert.equal(startBackOff.observe('no memory', false, 20_000), false);
  assert.equal(startBackOff.at(31_000), null);
  assert.equal(startBackOff.observe(null, false, 31_000), false, 'a retry is running');
  assert.equal(startBackOff.observe('no memory', false, 32_000), true);
  assert.equal(startBackOff.at(32_000)?.retryInMs, 60_000);
  assert.equal(startBackOff.observe(null, true, 100_000), false);
  assert.equal(startBackOff.observe('no memory', false, 101_000), true);
  assert.equal(startBackOff.at(101_000)?.retryInMs, 30_000);
});

test('spending is counted by clock hour and across restarts', () => {
  const hour = 3_600_000;
  const first = new HourlyBudget(null);
  first.observe(5, 10 * hour); // spending before the first observation does not count for this hour
  first.observe(5.25, 10 * hour + 1);
  assert.deepEqual(first.at(1, 10.5 * hour), { usdMax: 1, spentUsd: 0.25, remainingMs: hour / 2 });
  const next = new HourlyBudget(first.snapshot());
  next.observe(0, 10.5 * hour);
  next.observe(0.5, 10.75 * hour);
  assert.equal(next.at(1, 10.75 * hour)?.spentUsd, 0.75);
  next.observe(0.6, 11 * hour);
  assert.ok(Math.abs((next.at(1, 11 * hour)?.spentUsd ?? 0) - 0.1) < 1e-12);
  assert.equal(next.at(null, 11 * hour), null);
  next.observe(Number.NaN, 11 * hour);
  next.observe(0.7, 10.5 * hour); // the clock was set back
  assert.ok(Math.abs((next.at(1, 10.5 * hour)?.spentUsd ?? 0) - 0.2) < 1e-12);
});

test('budget exhaustion and renewal are each reported once', () => {
  const money = new HourlyBudget(null);
  money.observe(0, 0);
  assert.equal(money.takeChange(1), null);
  money.observe(1, 1000);
  assert.deepEqual([money.takeChange(1), money.takeChange(1), new HourlyBudget(money.snapshot()).takeChange(1)], ['exhausted', null, null]);
  money.observe(1, 3_600_000);
  assert.deepEqual([money.takeChange(1), money.takeChange(1)], ['reset', null]);
  money.observe(3, 3_601_000);
  assert.deepEqual([money.takeChange(2), money.takeChange(null)], ['exhausted', 'reset'], 'the limit was removed');
});

test('the start time is the median of observed starts, but at least the configured minimum', () => {
  const instance = { id: 'a', state: 'active' as const, startedAtMs: 0, readyAtMs: 3000, restarts: 0, reason: null, idleSinceMs: null };
  const leads = new LeadTimes(0, []);
  assert.equal(leads.medianMs, 2000);
  leads.observe([instance]);
  leads.observe([instance, { ...instance, id: 'b', readyAtMs: 5000 }, { ...instance, id: 'c', readyAtMs: null }]);
  leads.observe([instance, { ...instance, id: 'd', readyAtMs: 100_000, restarts: 1 }]);
  assert.deepEqual([leads.snapshot(), leads.medianMs], [[3000, 5000], 5000]);
  leads.observe([{ ...instance, startedAtMs: 10_000, readyAtMs: 11_000 }]); // another instance with the same id
  assert.deepEqual([leads.snapshot(), leads.medianMs], [[3000, 5000, 1000], 3000]);
  const before = leads.snapshot();
  leads.observe([
    { ...instance, id: 'e', readyAtMs: 4_000_000 },
    { ...instance, id: 'f', readyAtMs: -1 },
  ]); // the clock was changed during this start
  assert.deepEqual(leads.snapshot(), before);
  assert.equal(new LeadTimes(60_000, leads.snapshot()).medianMs, 60_000);
});

test('request outcomes are known for one minute, five minutes and an hour, with the covered time', () => {
  const history = new SloHistory([[1000, 10, 1]]);
  const traffic = { requests: 0, violations: 0 };
  const over = (requests: number, violations: number, wallMs: number) =>
    history.slotOver({ ...traffic, requestsArrived: 0, rowsArrived: 0, rowMs: 0, overflowed: 0, requests, violations }, wallMs);
  over(100, 0, 60_000); // the beginning of this interval was not observed
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

test('simulation-only policies are rejected, and the error suggests an alternative', () => {
  for (const [text, message] of [
    ['oracle', /only exists in a simulation/],
    ['batch', /deploy the endpoint as serverless/],
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
