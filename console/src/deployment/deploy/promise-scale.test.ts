import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { niceUpMs, promiseScale, rateScale, stepOf } from './promise-scale.ts';

test('each step is a number that one would say, and they rise', () => {
  fc.assert(
    fc.property(fc.double({ min: 0.1, max: 50, noNaN: true }), fc.double({ min: 3, max: 5000, noNaN: true }), (from, ratio) => {
      const { steps } = promiseScale(from, from * ratio);
      for (const [i, step] of steps.entries()) {
        assert.equal(step, Number(step.toPrecision(2)));
        assert(i === 0 || step > (steps[i - 1] as number));
      }
    }),
  );
});

test('a value is at the step that is closest by ratio, and beyond the ends at these', () => {
  const scale = promiseScale(1, 1000);
  assert.equal(scale.steps[stepOf(scale, 50)], 50);
  assert.equal(stepOf(scale, 0.001), 0);
  assert.equal(stepOf(scale, 1e9), scale.steps.length - 1);
  assert.equal(rateScale.steps[stepOf(rateScale, 10)], 10);
});

test('what is offered as possible is never below what is', () => {
  assert.deepEqual([1.008, 1, 12.1, 99.2, 0.31].map(niceUpMs), [1.1, 1, 13, 100, 0.31]);
  fc.assert(
    fc.property(fc.double({ min: 0.001, max: 1e6, noNaN: true }), (ms) =>
      assert(niceUpMs(ms) >= ms * (1 - 1e-9) && niceUpMs(ms) <= ms * 1.11),
    ),
  );
});
