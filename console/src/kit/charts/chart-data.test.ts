import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { dots, lastOf, stacked, steadyTop, tableRows, topFor } from './chart-data.ts';

test('stacks each column on those before it and preserves gaps', () => {
  const [instances, functions] = stacked([
    [1, 2, null, null],
    [1, null, 3, null],
  ]);
  assert.deepEqual(instances, [1, 2, 0, null]);
  assert.deepEqual(functions, [2, 2, 3, null]);
});

test('draws a value between two gaps as a dot, unless it adds nothing to its stack', () => {
  const alone = [null, 0, null, 4, 4, null, 5];
  assert.deepEqual(dots(alone, null), [1, 6]);
  const [instances = [], functions = []] = stacked([
    [50, null, 20, null, 0],
    [0, null, 5, null, 3],
  ]);
  assert.deepEqual(dots(instances, []), [0, 2]);
  assert.deepEqual(dots(functions, instances), [2, 4]);
});

test('places the top of an axis above all values, but not far above', () => {
  fc.assert(
    fc.property(fc.double({ min: 1e-6, max: 1e9, noNaN: true }), (max) => {
      const top = topFor(max);
      assert(top >= max && top <= max * 2.2, `${top} for ${max}`);
    }),
  );
  assert.equal(topFor(0), 1);
  assert(topFor(10, 50) > 60, 'the objective line is visible');
});

test('keeps the axis steady while live data arrives', () => {
  assert.equal(steadyTop(100, 80), 100);
  assert.equal(steadyTop(100, 150), 150);
  assert.equal(steadyTop(1000, 10), 10);
});

test('finds the last value and limits the table to 60 rows', () => {
  assert.equal(lastOf([1, 2, null]), 2);
  assert.equal(lastOf([null]), null);
  assert.equal(tableRows(new Array(720).fill(0)).length, 60);
  assert.deepEqual(tableRows([1, 2, 3]), [2, 1, 0]);
});
