import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { decideHalving, decideMedian, rungsOf } from './stopping-rules.ts';

const resources = { min: 1, max: 27 };

describe('asynchronous successive halving', () => {
  test('has rungs at min, 3 min, 9 min, below max', () => {
    assert.deepEqual(rungsOf({ min: 1, max: 27 }), [1, 3, 9]);
    assert.deepEqual(rungsOf({ min: 2, max: 10 }), [2, 6]);
    assert.deepEqual(rungsOf({ min: 5, max: 5 }), []);
  });

  test('lets the first two of a rung go on, then only the best third', () => {
    assert.equal(decideHalving([5], [], 'Minimize', resources), false);
    assert.equal(decideHalving([5], [[1]], 'Minimize', resources), false);
    assert.equal(decideHalving([5], [[1], [2]], 'Minimize', resources), true);
    assert.equal(decideHalving([0.5], [[1], [2]], 'Minimize', resources), false);
    assert.equal(decideHalving([0.5], [[1], [2]], 'Maximize', resources), true);
  });

  test('compares at a rung only, with the values that others had there', () => {
    const others = [
      [9, 9, 1],
      [9, 9, 2],
    ];
    assert.equal(decideHalving([1, 1], others, 'Minimize', resources), false, 'between rungs nothing is compared');
    assert.equal(decideHalving([1, 1, 3], others, 'Minimize', resources), true);
  });

  test('never stops the best of all that reached its rungs', () => {
    fc.assert(
      fc.property(fc.array(fc.array(fc.double({ min: 1, max: 9, noNaN: true }), { maxLength: 30 }), { maxLength: 20 }), (others) => {
        assert.equal(decideHalving(new Array<number>(30).fill(0), others, 'Minimize', resources), false);
      }),
    );
  });
});

describe('the median rule', () => {
  const completed = [
    [4, 2, 1],
    [5, 3, 2],
    [9, 9, 9],
  ];
  test('stops what is worse than the median of the running averages', () => {
    // After two reports the averages are 3, 4 and 9.
    assert.equal(decideMedian([7, 4.5], completed, 'Minimize'), true);
    assert.equal(decideMedian([7, 3.5], completed, 'Minimize'), false);
    assert.equal(decideMedian([7, 3.5], completed, 'Maximize'), true);
  });

  test('needs three completed trials, and a report', () => {
    assert.equal(decideMedian([99], completed.slice(1), 'Minimize'), false);
    assert.equal(decideMedian([], completed, 'Minimize'), false);
  });
});
