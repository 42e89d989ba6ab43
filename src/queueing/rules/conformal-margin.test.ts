import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { nextMarginMs } from './conformal-margin.ts';

const target = { latencyMs: 100, quantile: 0.9, stepMs: 2 };

test('a late request raises the margin; a request in time lowers it by much less, never below 0', () => {
  assert.equal(nextMarginMs(3, 100.1, target), 3 + 2 * 0.95);
  assert.equal(nextMarginMs(3, 100, target), 3 - 2 * 0.05);
  assert.equal(nextMarginMs(0, 5, target), 0);
  assert.equal(nextMarginMs(0, 200, { latencyMs: 100, quantile: 0.9 }), 0.1 * 0.95);
});

test('if some margin prevents all lateness, at most half the error budget plus a constant are late, for any sequence', () => {
  const cases = { quantile: fc.double({ min: 0.5, max: 0.999, noNaN: true }), stepMs: fc.double({ min: 0.01, max: 20, noNaN: true }) };
  fc.assert(
    fc.property(
      fc.array(fc.boolean(), { maxLength: 2000 }),
      fc.record(cases),
      fc.double({ min: 0, max: 50, noNaN: true }),
      (wishes, rule, cureMs) => {
        let marginMs = 0;
        let late = 0;
        for (const wantsLate of wishes) {
          const isLate = wantsLate && marginMs < cureMs;
          if (isLate) late++;
          marginMs = nextMarginMs(marginMs, isLate ? 101 : 99, { latencyMs: 100, ...rule });
        }
        assert(late <= (wishes.length * (1 - rule.quantile)) / 2 + (cureMs + rule.stepMs) / rule.stepMs + 1e-6);
      },
    ),
  );
});
