import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { OverviewEndpointBody } from '../../../src/api/index.ts';
import { bySeverity, endpointState, formatCapacity, isBelowObjective, requiresAttention } from './endpoint-state.ts';

const healthy: OverviewEndpointBody = {
  name: 'digits',
  status: 'InService',
  reason: null,
  objective: 'p95<=50ms',
  models: ['digits/3'],
  rate: 10,
  requests: 1000,
  latency_ms: 42,
  spark: [],
  in_time: 0.99,
  in_time_last_hour: 0.99,
  instances_ready: 2,
  instances_desired: 2,
  instance_type: 'local.1',
  has_functions: false,
  overflow_share: null,
  usd_per_hour: 0.1,
  usd_per_million: 1,
  last_request_at: null,
  alarms: 0,
};

for (const { when, change, word } of [
  { when: 'all is well', change: {}, word: 'In service' },
  { when: 'the in-time share is below the objective', change: { in_time_last_hour: 0.94 }, word: 'In service, missing its objective' },
  {
    when: 'one call was slow, but the objective is met',
    change: { latency_ms: 113, in_time_last_hour: 0.998 },
    word: 'In service',
  },
  { when: 'it was slow a day ago, within the visible range', change: { in_time: 0.5 }, word: 'In service' },
  {
    when: 'it was slow, but has no traffic now',
    change: { in_time_last_hour: 0.94, rate: 0 },
    word: 'In service, missing its objective',
  },
  {
    when: 'its functions were slow and have scaled to zero',
    change: { in_time_last_hour: 0, rate: 0, instances_ready: 0, instances_desired: 0, has_functions: true },
    word: 'In service, missing its objective',
  },
  { when: 'it is slow and updated', change: { in_time_last_hour: 0.94, status: 'Updating' }, word: 'Updating, missing its objective' },
  { when: 'it was slow and is stopped', change: { in_time_last_hour: 0.94, status: 'Unloaded' }, word: 'Stopped' },
  { when: 'its workers crash', change: { status: 'Failed', in_time_last_hour: 0.94 }, word: 'Failed' },
  { when: 'it starts', change: { status: 'Creating', instances_ready: 1 }, word: 'Starting, 1 of 2' },
  {
    when: 'functions have scaled to zero',
    change: { instances_ready: 0, instances_desired: 0, has_functions: true, rate: 0 },
    word: 'At zero',
  },
  { when: 'alarms are firing', change: { alarms: 2 }, word: '2 alarms firing' },
] as const) {
  test(`says '${word}' when ${when}`, () => assert.equal(endpointState({ ...healthy, ...change }).word, word));
}

for (const { inTime, objective, isBelow } of [
  { inTime: 0.74, objective: 'p95<=50ms', isBelow: true },
  { inTime: 0.9499, objective: 'p95<=50ms', isBelow: true },
  { inTime: 0.95, objective: 'p95<=50ms', isBelow: false },
  { inTime: 0.95 - 1e-12, objective: 'p95<=50ms', isBelow: false },
  { inTime: 0.99, objective: 'p99.9<=50ms', isBelow: true },
  { inTime: 0.1, objective: null, isBelow: false },
  { inTime: null, objective: 'p95<=50ms', isBelow: false },
]) {
  test(`an in-time share of ${inTime} is ${isBelow ? '' : 'not '}below ${objective}`, () => {
    assert.equal(isBelowObjective(inTime, objective), isBelow);
  });
}

test('counts what misses its objective as a problem, whether it has traffic this second or not', () => {
  const late = { ...healthy, in_time_last_hour: 0.749, rate: 0 };
  assert.equal(endpointState(late).kind, 'bad');
  assert.deepEqual([healthy, late, { ...healthy, alarms: 1 }].map(requiresAttention), [false, true, true]);
});

test('sorts by severity, then by traffic', () => {
  const rows = [
    healthy,
    { ...healthy, name: 'busy', rate: 99 },
    { ...healthy, name: 'failed', status: 'Failed' as const },
    { ...healthy, name: 'ringing', rate: 50, alarms: 1 },
    { ...healthy, name: 'late', in_time_last_hour: 0.8, rate: 0 },
  ];
  assert.deepEqual(
    rows.toSorted(bySeverity).map(({ name }) => name),
    ['failed', 'late', 'ringing', 'busy', 'digits'],
  );
});

test('formats the capacity', () => {
  assert.equal(
    formatCapacity({ instances_ready: 2, instances_desired: 2, has_functions: true, overflow_share: 0.041 }),
    '2 instances, functions 4.1 %',
  );
  assert.equal(formatCapacity({ instances_ready: 0, instances_desired: 0, has_functions: true, overflow_share: null }), 'functions only');
  assert.equal(
    formatCapacity({ instances_ready: 0, instances_desired: 1, has_functions: false, overflow_share: null }),
    '0 of 1 instances',
  );
});
