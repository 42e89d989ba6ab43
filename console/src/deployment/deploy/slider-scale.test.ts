import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { niceUpMs, rateScale, scaleStepOf, sliderScale } from './slider-scale.ts';

test('has ascending steps with two significant digits', () => {
  fc.assert(
    fc.property(fc.double({ min: 0.1, max: 50, noNaN: true }), fc.double({ min: 3, max: 5000, noNaN: true }), (from, ratio) => {
      const { steps } = sliderScale(from, from * ratio);
      for (const [i, step] of steps.entries()) {
        assert.equal(step, Number(step.toPrecision(2)));
        assert(i === 0 || step > (steps[i - 1] as number));
      }
    }),
  );
});

test('maps a value to the closest step by ratio and clamps it to the ends', () => {
  const scale = sliderScale(1, 1000);
  assert.equal(scale.steps[scaleStepOf(scale, 50)], 50);
  assert.equal(scaleStepOf(scale, 0.001), 0);
  assert.equal(scaleStepOf(scale, 1e9), scale.steps.length - 1);
  assert.equal(rateScale.steps[scaleStepOf(rateScale, 10)], 10);
});

test('rounds up by at most 11 %, never down', () => {
  assert.deepEqual([1.008, 1, 12.1, 99.2, 0.31].map(niceUpMs), [1.1, 1, 13, 100, 0.31]);
  fc.assert(
    fc.property(fc.double({ min: 0.001, max: 1e6, noNaN: true }), (ms) =>
      assert(niceUpMs(ms) >= ms * (1 - 1e-9) && niceUpMs(ms) <= ms * 1.11),
    ),
  );
});
