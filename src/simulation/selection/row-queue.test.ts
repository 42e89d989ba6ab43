import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { RowQueue } from './row-queue.ts';

test('rows leave in the order of their arrival, however many wait', () => {
  const step = fc.oneof(fc.record({ push: fc.integer({ min: 1, max: 3000 }) }), fc.record({ remove: fc.integer({ min: 0, max: 3000 }) }));
  fc.assert(
    fc.property(fc.array(step, { maxLength: 12 }), (steps) => {
      const queue = new RowQueue();
      let [next, first] = [0, 0];
      for (const each of steps) {
        if ('push' in each) for (let i = 0; i < each.push; i++, next++) queue.push(next / 2, next);
        else {
          const count = Math.min(each.remove, queue.length);
          queue.remove(count);
          first += count;
        }
        assert.equal(queue.length, next - first);
        if (queue.length === 0) continue;
        assert.deepEqual([queue.row(0), queue.row(queue.length - 1)], [first, next - 1]);
        assert.deepEqual([queue.arrivedAtMs(0), queue.arrivedAtMs(queue.length - 1)], [first / 2, (next - 1) / 2]);
      }
    }),
    { numRuns: 50 },
  );
});
