import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { SeededRandom } from '../random.ts';
import { RecursiveLeastSquares } from './recursive-least-squares.ts';

const forgetting = 0.9997;

/**
 * The weights w that minimise Σ λ^(n-i) (z_i - wᵀx_i)² + λ^n |w|²/10. Computed independently, by Gaussian elimination of the
 * normal equations.
 */
function weightsAtOnce(pairs: readonly { readonly x: Float64Array; readonly z: number }[], size: number): number[] {
  const rows = Array.from({ length: size }, (_, i) =>
    Array.from({ length: size + 1 }, (_unused, j) => (i === j ? forgetting ** pairs.length / 10 : 0)),
  );
  for (const [n, { x, z }] of pairs.entries()) {
    const weight = forgetting ** (pairs.length - 1 - n);
    for (const [i, row] of rows.entries()) {
      for (let j = 0; j < size; j++) row[j] = (row[j] as number) + weight * (x[i] as number) * (x[j] as number);
      row[size] = (row[size] as number) + weight * (x[i] as number) * z;
    }
  }
  for (const [i, pivotRow] of rows.entries()) {
    for (const [k, row] of rows.entries()) {
      if (k === i) continue;
      const factor = (row[i] as number) / (pivotRow[i] as number);
      for (let j = 0; j <= size; j++) row[j] = (row[j] as number) - factor * (pivotRow[j] as number);
    }
  }
  return rows.map((row, i) => (row[size] as number) / (row[i] as number));
}

/** The weights of a regression, read by predicting for unit vectors. */
function weightsOf(regression: RecursiveLeastSquares, size: number): number[] {
  return Array.from({ length: size }, (_, i) => regression.answer(new Float64Array(size).fill(1, i, i + 1)));
}

describe('recursive least squares', () => {
  test('has the same weights as solving for the whole history at once', () => {
    const random = new SeededRandom(4);
    const regression = new RecursiveLeastSquares(3);
    const pairs = Array.from({ length: 500 }, () => {
      const x = Float64Array.of(1, 10 * random.next(), random.next() - 0.5);
      return { x, z: 2 - 3 * (x[1] as number) + (x[2] as number) + random.next() };
    });
    for (const { x, z } of pairs) regression.train(x, z);
    for (const [i, weight] of weightsAtOnce(pairs, 3).entries()) {
      assert(Math.abs((weightsOf(regression, 3)[i] as number) / weight - 1) < 1e-8, `${weightsOf(regression, 3).join(' ')}`);
    }
  });

  test('leverage is 10 |x|² at first, small for frequent inputs and large for unfamiliar ones', () => {
    const regression = new RecursiveLeastSquares(2);
    assert.equal(regression.leverage(Float64Array.of(1, 3)), 100);
    const random = new SeededRandom(7);
    for (let n = 0; n < 100; n++) regression.train(Float64Array.of(1, 3 + 0.1 * random.next()), 2);
    assert(regression.leverage(Float64Array.of(1, 3.05)) < 0.03);
    assert(regression.leverage(Float64Array.of(1, 30)) > 10);
  });

  test('follows a changed load', () => {
    const random = new SeededRandom(5);
    const regression = new RecursiveLeastSquares(2);
    for (let n = 0; n < 30_000; n++) {
      const x = Float64Array.of(1, random.next());
      regression.train(x, (n < 10_000 ? 5 : -1) * (x[1] as number));
    }
    assert(Math.abs((weightsOf(regression, 2)[1] as number) + 1) < 0.05);
  });

  test('stays finite if a feature is 0 for years', () => {
    const regression = new RecursiveLeastSquares(2);
    for (let n = 0; n < 2_000_000; n++) regression.train(Float64Array.of(1, 0), 3);
    regression.train(Float64Array.of(1, 1), 4);
    assert(Math.abs(regression.answer(Float64Array.of(1, 1)) - 4) < 0.01);
    assert(weightsOf(regression, 2).every(Number.isFinite));
  });

  test('stays finite for inputs of any size', () => {
    const random = new SeededRandom(6);
    const regression = new RecursiveLeastSquares(4);
    for (let n = 0; n < 20_000; n++) {
      const size = 10 ** Math.floor(12 * random.next() - 6);
      regression.train(Float64Array.of(1, size, size * random.next(), size), size * random.next());
      assert(weightsOf(regression, 4).every(Number.isFinite));
    }
  });
});
