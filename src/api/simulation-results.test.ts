import assert from 'node:assert/strict';
import { test } from 'node:test';
import { resultsOf } from './simulation-results.ts';

test('a last minute that is not full has the rate of the seconds that it has', () => {
  const minute = { arrivals: 600, active: 1, overflow: 0, queueMax: 0, costUsd: 0, violations: 0, p95Ms: 1 };
  const timeline = [minute, minute, { ...minute, arrivals: 150 }];
  const result = { timeline, decisions: [], instanceSeconds: {} };
  const run = { results: [result], orders: [{}], facts: { load: { duration_s: 135 } } };
  assert.deepEqual(resultsOf(run as never).requests, [10, 10, 10]);
});
