import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { OrderedIds } from './ordered-ids.ts';

test('each id sorts after all earlier ones, even within a millisecond or if the clock is set back', () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 0, max: Date.UTC(2100) }), { minLength: 2, maxLength: 50 }), (times) => {
      const ids = new OrderedIds();
      const made = times.flatMap((ms) => [ids.next(ms), ids.next(ms + 0.5)]);
      assert.deepEqual(made, made.toSorted());
      assert.equal(new Set(made).size, made.length);
    }),
  );
});
