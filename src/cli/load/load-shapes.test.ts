import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SeededRandom } from '../../random.ts';
import { arrivalsOf, loadShapes } from './load-shapes.ts';

const phase = { ratePerSecond: 200, forMs: 10_000 };

for (const [shape, expected] of [
  ['poisson', 2000],
  ['even', 2000],
  ['ramp', 1050],
] as const) {
  test(`${shape} arrivals come in order, within their time, as many as were asked for`, () => {
    const arrivals = arrivalsOf(shape, phase, new SeededRandom(1));
    assert(Math.abs(arrivals.length / expected - 1) < 0.1, `${arrivals.length}`);
    assert(arrivals.every((atMs, i) => atMs >= (arrivals[i - 1] ?? 0) && atMs < phase.forMs));
  });
}

test('there are no other shapes, and the same seed gives the same times', () => {
  assert.deepEqual(loadShapes, ['poisson', 'even', 'ramp']);
  assert.deepEqual(arrivalsOf('ramp', phase, new SeededRandom(7)), arrivalsOf('ramp', phase, new SeededRandom(7)));
});
