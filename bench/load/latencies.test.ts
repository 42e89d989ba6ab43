import assert from 'node:assert/strict';
import { test } from 'node:test';
import { median, percentileOf, summarize } from './latencies.ts';

test('a percentile is the smallest value that the given share of values does not exceed', () => {
  const hundred = Array.from({ length: 100 }, (_, i) => i + 1);
  assert.equal(percentileOf(hundred, 50), 50);
  assert.equal(percentileOf(hundred, 99), 99);
  assert.equal(percentileOf(hundred, 99.1), 100);
  assert.equal(percentileOf([7], 1), 7);
  assert.equal(percentileOf([], 50), Number.NaN);
});

test('a summary covers all values in any order', () => {
  assert.deepEqual(summarize([30, 10, 20, 40]), { mean: 25, p50: 20, p95: 40, p99: 40, max: 40 });
});

test('the median of an even number of values is the mean of the middle two', () => {
  assert.equal(median([9, 1, 5]), 5);
  assert.equal(median([9, 1, 5, 7]), 6);
});
