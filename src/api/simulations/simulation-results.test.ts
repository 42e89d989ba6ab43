import assert from 'node:assert/strict';
import { test } from 'node:test';
import { policyResultsOf } from './simulation-results.ts';

test('computes the rate of an incomplete last minute from its own length', () => {
  const minute = { arrivals: 600, active: 1, overflow: 0, queueMax: 0, costUsd: 0, violations: 0, p95Ms: 1 };
  const timeline = [minute, minute, { ...minute, arrivals: 150 }];
  const result = { timeline, decisions: [], instanceSeconds: {} };
  const run = { results: [result], orders: [{}], facts: { load: { duration_s: 135 } } };
  assert.deepEqual(policyResultsOf(run as never).requests, [10, 10, 10]);
});
