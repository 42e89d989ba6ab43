import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { quantileGrid } from './forecaster.ts';
import { QuantileTracker } from './quantile-tracker.ts';

const place = (tau: number): number => quantileGrid.indexOf(tau);

describe('the quantile tracker', () => {
  test('updates the scale before it derives the step from it', () => {
    const tracker = new QuantileTracker();
    for (let n = 0; n < 60; n++) tracker.record(0); // s = .98^60, each q starts at 0 and first falls by η(1-τ)
    const scale = 0.98 ** 60;
    const before = tracker.around(100).map((count) => Math.sqrt(count) - 100);
    tracker.record(50);
    const after = tracker.around(100).map((count) => Math.sqrt(count) - 100);
    const step = 0.15 * (0.98 * scale + 0.02 * 50) + 1e-6;
    for (const [k, tau] of quantileGrid.entries()) {
      assert(Math.abs((after[k] as number) - (before[k] as number) - step * tau) < 1e-9, `${tau}`);
    }
  });

  test('is no narrower than a prior until 60 residuals: half a root, or a quarter of the mean root', () => {
    const tracker = new QuantileTracker();
    for (let n = 0; n < 59; n++) tracker.record(0.001 * (n % 2));
    assert(Math.abs((tracker.around(1)[place(0.99)] as number) - (1 + 0.5 * 2.3263478740408408) ** 2) < 1e-9);
    assert(Math.abs((tracker.around(20)[place(0.1)] as number) - (20 - 5 * 1.2815515655446004) ** 2) < 1e-9);
    tracker.record(0);
    assert((tracker.around(20)[place(0.99)] as number) < 21.5 ** 2);
  });

  test('is as wide as the residuals if they are wider than the prior', () => {
    const tracker = new QuantileTracker();
    for (let n = 0; n < 59; n++) tracker.record(100);
    assert((tracker.around(1)[place(0.99)] as number) > 90 ** 2);
  });

  test('for any residuals, the share of those at or below q approaches tau', () => {
    fc.assert(
      fc.property(fc.array(fc.double({ min: -50, max: 50, noNaN: true }), { minLength: 5, maxLength: 40 }), (pattern) => {
        const tracker = new QuantileTracker();
        const below = quantileGrid.map(() => 0);
        const rounds = Math.ceil(6000 / pattern.length);
        for (let n = 0; n < rounds * pattern.length; n++) {
          const residual = pattern[n % pattern.length] as number;
          // `around` sorts the quantiles; a mean over the whole grid is not affected.
          const counts = n > 60 ? tracker.around(1000) : [];
          for (const [k, count] of counts.entries()) if (residual <= Math.sqrt(count) - 1000) below[k] = (below[k] as number) + 1;
          tracker.record(residual);
        }
        const share = below.reduce((sum, count) => sum + count / (rounds * pattern.length), 0) / quantileGrid.length;
        const wanted = quantileGrid.reduce((sum, tau) => sum + tau, 0) / quantileGrid.length;
        assert(Math.abs(share - wanted) < 0.04, `${share} for ${wanted}`);
      }),
      { numRuns: 30 },
    );
  });
});
