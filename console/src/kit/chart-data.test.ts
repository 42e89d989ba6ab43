import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { dots, lastOf, stacked, steadyTop, tableRows, topFor } from './chart-data.ts';

test('puts each column on top of those before it, and leaves gaps as gaps', () => {
  const [instances, functions] = stacked([
    [1, 2, null, null],
    [1, null, 3, null],
  ]);
  assert.deepEqual(instances, [1, 2, 0, null]);
  assert.deepEqual(functions, [2, 2, 3, null]);
});

test('a value between two gaps is a dot, but not where nothing of it was added to a stack', () => {
  const alone = [null, 0, null, 4, 4, null, 5];
  assert.deepEqual(dots(alone, null), [1, 6]);
  const [instances = [], functions = []] = stacked([
    [50, null, 20, null, 0],
    [0, null, 5, null, 3],
  ]);
  assert.deepEqual(dots(instances, []), [0, 2]);
  assert.deepEqual(dots(functions, instances), [2, 4]);
});

test('the top of an axis is above all values and not far above', () => {
  fc.assert(
    fc.property(fc.double({ min: 1e-6, max: 1e9, noNaN: true }), (max) => {
      const top = topFor(max);
      assert(top >= max && top <= max * 2.2, `${top} for ${max}`);
    }),
  );
  assert.equal(topFor(0), 1);
  assert(topFor(10, 50) > 60, 'what is promised is seen');
});

test('live data does not make an axis jump', () => {
  assert.equal(steadyTop(100, 80), 100);
  assert.equal(steadyTop(100, 150), 150);
  assert.equal(steadyTop(1000, 10), 10);
});

test('knows the last value, and says the table in few rows', () => {
  assert.equal(lastOf([1, 2, null]), 2);
  assert.equal(lastOf([null]), null);
  assert.equal(tableRows(new Array(720).fill(0)).length, 60);
  assert.deepEqual(tableRows([1, 2, 3]), [2, 1, 0]);
});
