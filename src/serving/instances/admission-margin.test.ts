import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { AdmissionMargin, minimumMarginMs } from './admission-margin.ts';

/** Records requests a millisecond apart, each completed with the given prediction error. */
function margins(errorsMs: readonly number[], latencyMs = 500): { margin: AdmissionMargin; nowMs: number } {
  const margin = new AdmissionMargin(latencyMs);
  let nowMs = 0;
  for (const errorMs of errorsMs) margin.observe(++nowMs - errorMs, nowMs);
  return { margin, nowMs };
}
const marginOf = (errorsMs: readonly number[], latencyMs = 500): number => {
  const { margin, nowMs } = margins(errorsMs, latencyMs);
  return margin.marginMs(nowMs);
};
const times = (count: number, errorMs: number): number[] => Array.from({ length: count }, () => errorMs);

describe('the admission margin', () => {
  test('is 8 ms, or a tenth of a short objective, before any measurement', () => {
    assert.deepEqual([marginOf([]), marginOf([], 50)], [8, 5]);
  });

  test('is the 99th percentile of the errors, and at most a fifth of the objective', () => {
    assert.equal(marginOf([...times(989, -20), ...times(11, 30)]), 30);
    assert.equal(marginOf([...times(990, -20), ...times(10, 30)]), 8, '1 % may be later');
    assert.equal(marginOf(times(1000, 4000)), 100);
    assert.equal(marginOf(times(1000, -50)), 8);
  });

  test('ignores a few samples', () => {
    assert.equal(marginOf(times(99, 50)), 8);
    assert.equal(marginOf(times(100, 50)), 50);
  });

  test('drops errors older than a thousand requests, or older than a minute without traffic', () => {
    assert.equal(marginOf([...times(500, 50), ...times(989, 0)]), 50);
    assert.equal(marginOf([...times(500, 50), ...times(990, 0)]), 8);
    const { margin, nowMs } = margins(times(500, 50));
    assert.equal(margin.marginMs(nowMs + 60_000), 50);
    assert.equal(margin.marginMs(nowMs + 60_001), 8);
    margin.observe(nowMs + 90_000, nowMs + 90_050);
    assert.equal(margin.marginMs(nowMs + 90_050), 8);
  });

  const error = fc.oneof(fc.double({ min: -300, max: 300, noNaN: true }), fc.double(), fc.constantFrom(0, 8, -0));

  test('equals the quantile of the last thousand errors, for any input', () => {
    fc.assert(
      fc.property(fc.array(error, { maxLength: 1500, size: 'max' }), fc.integer({ min: 1, max: 5000 }), (errorsMs, latencyMs) => {
        const { margin, nowMs } = margins(errorsMs, latencyMs);
        const known = errorsMs.map((errorMs, i) => i + 1 - (i + 1 - errorMs)).filter(Number.isFinite);
        const last = known.slice(-1000).sort((a, b) => a - b);
        const p99 = last.length < 100 ? Number.NEGATIVE_INFINITY : (last[Math.ceil(0.99 * last.length) - 1] as number);
        const least = minimumMarginMs(latencyMs);
        const wanted = Math.max(least, Math.min(p99, 0.2 * latencyMs));
        assert(Math.abs(margin.marginMs(nowMs) - wanted) < 1e-9, `${margin.marginMs(nowMs)} is not ${wanted}`);
      }),
      { numRuns: 60 },
    );
  });

  test('stays within its bounds, and does not shrink if errors grow', () => {
    fc.assert(
      fc.property(fc.array(error, { minLength: 100, maxLength: 400 }), fc.double({ min: 0, max: 200, noNaN: true }), (errorsMs, moreMs) => {
        const [before, after] = [marginOf(errorsMs), marginOf(errorsMs.map((errorMs) => errorMs + moreMs))];
        assert(before >= 8 && before <= 100 && after <= 100);
        assert(after >= before - 1e-9);
      }),
    );
  });
});
