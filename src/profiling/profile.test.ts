import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { nearestRank } from '../quantiles.ts';

test('the nearest rank equals the one computed with integer arithmetic', () => {
  const ascending = Array.from({ length: 4000 }, (_, i) => i + 1);
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 99_999 }), fc.integer({ min: 1, max: 4000 }), (share, count) => {
      const rank = Math.max(1, Number((BigInt(share) * BigInt(count) + 99_999n) / 100_000n));
      assert.equal(nearestRank(ascending.slice(0, count), share / 100_000), rank);
    }),
    {
      examples: [
        [55_000, 100],
        [7_000, 100],
        [99_900, 1000],
      ],
    },
  );
});
