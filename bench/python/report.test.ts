import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { RateCell, Round } from './rates.ts';
import { figuresOf } from './report.ts';

const cell = (server: string, concurrency: number, ratePerSecond: number, p50Ms: number): RateCell => {
  return { model: 'forest', server, concurrency, ratePerSecond, p50Ms, p99Ms: p50Ms, cpuUsPerRequest: 100 };
};

test('servers are compared within each round, because the speed of the machine differs from round to round', () => {
  const round = (speed: number): Round => ({
    direct: { model: 'forest', oneRowMs: 4 / speed, rows32Ms: 4 / speed },
    cells: [
      cell('Penstock', 1, 200 * speed, 5 / speed),
      cell('Penstock', 32, 3000 * speed, 10 / speed),
      cell('mosec', 1, 100 * speed, 12 / speed),
      cell('mosec', 32, 4000 * speed, 8 / speed),
    ],
  });
  const [ours, theirs] = figuresOf([round(1), round(2), round(0.5)]);
  assert.deepEqual([ours?.rate, ours?.ratio, ours?.addedMs], [3000, 1, 1]);
  assert.deepEqual([theirs?.server, theirs?.ratio, theirs?.addedMs, theirs?.addedRatio], ['mosec', 0.75, 8, 0.125]);
});

test('a server that could not be measured in a round counts in the others', () => {
  const cells = [cell('Penstock', 32, 3000, 10)];
  const direct = { model: 'forest', oneRowMs: 4, rows32Ms: 4 };
  const figures = figuresOf([
    { direct, cells },
    { direct, cells: [...cells, cell('mosec', 32, 1000, 8)] },
  ]);
  assert.deepEqual([figures[1]?.rates, figures[1]?.ratio], [[1000], 3]);
});

test('what a server adds is what was measured in turn with calls in Python, if it was', () => {
  const direct = { model: 'forest', oneRowMs: 4, rows32Ms: 4 };
  const cells = [{ ...cell('Penstock', 1, 100, 9), addedMs: 0.5 }, cell('mosec', 1, 50, 20)];
  const [ours, theirs] = figuresOf([{ direct, cells }]);
  assert.deepEqual([ours?.addedMs, ours?.addedRatio, theirs?.addedMs], [0.5, 1, 16]);
});
