import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SeededRandom } from '../../random.ts';
import { loadShapes, shapedArrivals } from '../verbs/endpoints/load-test.ts';

const phase = { ratePerSecond: 200, forMs: 10_000 };

for (const [shape, expected] of [
  ['poisson', 2000],
  ['even', 2000],
  ['ramp', 1050],
] as const) {
  test(`${shape} arrivals are ascending, within the duration, at the requested rate`, () => {
    const arrivals = shapedArrivals(shape, phase, new SeededRandom(1));
    assert(Math.abs(arrivals.length / expected - 1) < 0.1, `${arrivals.length}`);
    assert(arrivals.every((atMs, i) => atMs >= (arrivals[i - 1] ?? 0) && atMs < phase.forMs));
  });
}

test('has exactly three shapes, and the same seed gives the same times', () => {
  assert.deepEqual(loadShapes, ['poisson', 'even', 'ramp']);
  assert.deepEqual(shapedArrivals('ramp', phase, new SeededRandom(7)), shapedArrivals('ramp', phase, new SeededRandom(7)));
});
