import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { nearestRank, upperMedian } from './quantiles.ts';

test('at least the share q of the values is at most the quantile, and fewer are at most any smaller value', () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: -50, max: 50 }), { minLength: 1 }), fc.integer({ min: 1, max: 100 }), (values, percent) => {
      const at = nearestRank(Float64Array.from(values).sort(), percent / 100);
      const share = (limit: number): number => (100 * values.filter((value) => value <= limit).length) / values.length;
      assert(share(at) >= percent - 1e-6);
      assert(share(at - 1) < percent);
    }),
  );
});

test('rounding does not move a quantile to the next value', () => {
  const hundred = Array.from({ length: 100 }, (_, i) => i + 1);
  assert.equal(nearestRank(hundred, 0.55), 55);
  assert.equal(nearestRank(hundred, 0), 1);
});

test('the median of an even number of values is the upper one, and there is none without values', () => {
  assert.deepEqual([upperMedian([3, 1, 2, 4]), upperMedian([5]), upperMedian([])], [3, 5, null]);
});
