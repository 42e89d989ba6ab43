import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { vectors } from '../../test/selection/index.ts';
import {
  binomialShares,
  compositeMeanMs,
  compositeQuantileMs,
  type PlanService,
  planBatch,
  type ServiceTime,
} from './composite-service.ts';

/** Linear between measured sizes, 0 for no rows. */
function timesOf(points: Readonly<Record<string, number>>): ServiceTime {
  const known = [[0, 0], ...Object.entries(points).map(([b, ms]) => [Number(b), ms])] as [number, number][];
  return (rows) => {
    const above = known.findIndex(([b]) => b >= rows);
    const [high, highMs] = known[above] as [number, number];
    if (high === rows) return highMs;
    const [low, lowMs] = known[above - 1] as [number, number];
    return lowMs + ((highMs - lowMs) * (rows - low)) / (high - low);
  };
}

function assertClose(actual: number, expected: number): void {
  assert(Math.abs(actual - expected) <= 1e-9 * Math.abs(expected), `expected ${expected}, got ${actual}`);
}

describe('the service time of a cascade', () => {
  const { composite } = vectors;
  const of = (escalated: number): PlanService => ({ first: timesOf(composite.first), second: timesOf(composite.second), escalated });

  test('agrees with the vectors: mean, quantile, batch', () => {
    for (const { e, b, value } of composite.mean) assertClose(compositeMeanMs(of(e), b), value);
    for (const { e, b, q, value } of composite.quantile) assertClose(compositeQuantileMs(of(e), b, q), value);
    for (const { e, q, limitMs, value } of composite.batch) {
      const found = planBatch(of(e), of(e), { batchMax: 32, limitMs, share: q, overheadMs: 0.5 });
      const [batch, rate, isFeasible] = value;
      assert.equal(found.isFeasible, isFeasible, `e = ${e}, L = ${limitMs}`);
      assert.equal(found.batch, batch, `e = ${e}, L = ${limitMs}`);
      assertClose(found.rowsPerSecond, rate);
    }
  });

  test('the shares of rows that go on add up to 1', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 256 }), fc.double({ min: 0, max: 1, noNaN: true }), (rows, share) => {
        assert(Math.abs(binomialShares(rows, share).reduce((sum, each) => sum + each, 0) - 1) < 1e-9);
      }),
    );
  });
});
