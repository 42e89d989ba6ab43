import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { OverviewEndpointBody } from '../../../src/api/index.ts';
import { byTrouble, capacityWords, endpointState, isBelowPromise } from './endpoint-state.ts';

const usual: OverviewEndpointBody = {
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
  instances_wanted: 2,
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
  { when: 'less is in time than was promised', change: { in_time_last_hour: 0.94 }, word: 'Over objective' },
  {
    when: 'one call was slow, and the promise is kept all the same',
    change: { latency_ms: 113, in_time_last_hour: 0.998 },
    word: 'In service',
  },
  { when: 'it was slow a day ago, within what is shown', change: { in_time: 0.5 }, word: 'In service' },
  { when: 'it was slow, and nobody comes now', change: { in_time_last_hour: 0.94, rate: 0 }, word: 'In service' },
  { when: 'its workers crash', change: { status: 'Failed', in_time_last_hour: 0.94 }, word: 'Failed' },
  { when: 'it starts', change: { status: 'Creating', instances_ready: 1 }, word: 'Starting, 1 of 2' },
  {
    when: 'functions have gone to zero',
    change: { instances_ready: 0, instances_wanted: 0, has_functions: true, rate: 0 },
    word: 'At zero',
  },
  { when: 'an alarm rings', change: { alarms: 2 }, word: '2 alarms ring' },
] as const) {
  test(`says '${word}' when ${when}`, () => assert.equal(endpointState({ ...usual, ...change }).word, word));
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
  test(`a share in time of ${inTime} is ${isBelow ? '' : 'not '}below ${objective}`, () => {
    assert.equal(isBelowPromise(inTime, objective), isBelow);
  });
}

test('sorts by trouble, then by traffic', () => {
  const rows = [
    usual,
    { ...usual, name: 'busy', rate: 99 },
    { ...usual, name: 'failed', status: 'Failed' as const },
    { ...usual, name: 'late', in_time_last_hour: 0.8 },
  ];
  assert.deepEqual(
    rows.toSorted(byTrouble).map(({ name }) => name),
    ['failed', 'late', 'busy', 'digits'],
  );
});

test('says who serves', () => {
  assert.equal(
    capacityWords({ instances_ready: 2, instances_wanted: 2, has_functions: true, overflow_share: 0.041 }),
    '2 instances, functions 4.1 %',
  );
  assert.equal(capacityWords({ instances_ready: 0, instances_wanted: 0, has_functions: true, overflow_share: null }), 'functions only');
  assert.equal(capacityWords({ instances_ready: 0, instances_wanted: 1, has_functions: false, overflow_share: null }), '0 of 1 instances');
});
