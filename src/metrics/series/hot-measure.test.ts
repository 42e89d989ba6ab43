import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { HotMeasure } from './hot-measure.ts';
import { logged } from './logged-values.ts';
import { Measure } from './measured.ts';

const value = fc.oneof(fc.constant(0), fc.constant(1), fc.double({ noNaN: true, min: -1e15, max: 1e15 })).map((x) => x + 0);

test('drains what a measure of the same values holds, and is empty afterwards', () => {
  const hot = new HotMeasure();
  fc.assert(
    fc.property(fc.array(value, { maxLength: 100 }), fc.boolean(), fc.constantFrom(1, 1000, 0.001), (provided, isAtOnce, factor) => {
      const values = provided.map((each) => each * factor);
      const plain = new Measure();
      for (const each of values) plain.add(each);
      if (isAtOnce) hot.addAll(logged(Float64Array.from([...provided, 7]), provided.length), factor);
      else for (const each of values) hot.add(each);
      const taken = hot.drain();
      assert.equal(taken === null, values.length === 0);
      if (taken === null) return;
      const { count, min, max, sum, sketch } = taken;
      assert.deepEqual([count, min, max], [plain.count, plain.min, plain.max]);
      assert(Math.abs(sum - plain.sum) <= 1e-9 * values.reduce((total, each) => total + Math.abs(each), 0));
      assert.deepEqual(sketch.buckets(), plain.sketch.buckets());
      assert.equal(hot.drain(), null);
    }),
  );
});

test('ignores non-finite values', () => {
  const hot = new HotMeasure();
  hot.add(Number.NaN);
  hot.add(Number.POSITIVE_INFINITY);
  hot.addAll(logged(Float64Array.of(Number.NaN, Number.NEGATIVE_INFINITY)), 1);
  assert.equal(hot.drain(), null);
});
