import assert from 'node:assert/strict';
import { test } from 'node:test';
import { compare } from './compare.ts';
import { periodFor, ranges } from './ranges.ts';

const hourMs = 3_600_000;

test('no range has more than 720 points', () => {
  for (const { spanS, periodS } of ranges) assert(spanS / periodS <= 720);
});

test('a closer look has finer points, and none that the platform has forgotten', () => {
  const nowMs = 100 * 24 * hourMs;
  assert.equal(periodFor(nowMs - hourMs / 2, nowMs - hourMs / 2 + 300_000, nowMs), 1);
  assert.equal(periodFor(nowMs - 5 * hourMs, nowMs - 5 * hourMs + 300_000, nowMs), 10);
  assert.equal(periodFor(nowMs - 50 * hourMs, nowMs - 50 * hourMs + 300_000, nowMs), 60);
  assert.equal(periodFor(nowMs - 12 * hourMs, nowMs, nowMs), 60);
});

test('rows without a value come last, up or down', () => {
  assert.deepEqual(
    [3, null, 1].toSorted((a, b) => compare(a, b, true)),
    [3, 1, null],
  );
  assert.deepEqual(
    ['v10', null, 'v9'].toSorted((a, b) => compare(a, b, false)),
    ['v9', 'v10', null],
  );
});
