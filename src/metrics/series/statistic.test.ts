import assert from 'node:assert/strict';
import { test } from 'node:test';
import { percentileNamed } from './statistic.ts';

test('parses percentile names', () => {
  assert.deepEqual(['p99', 'p99.9', 'p0.0', 'p100', 'p101', 'p', 'P99', 'p9e1'].map(percentileNamed), [
    99,
    99.9,
    0,
    100,
    null,
    null,
    null,
    null,
  ]);
});
