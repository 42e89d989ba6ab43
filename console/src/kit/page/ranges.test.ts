import assert from 'node:assert/strict';
import { test } from 'node:test';
import { compare } from '../format/compare.ts';
import { periodFor, rangeForAge, ranges } from './ranges.ts';

const hourMs = 3_600_000;

test('no range has more than 720 points', () => {
  for (const { spanS, periodS } of ranges) assert(spanS / periodS <= 720);
});

test('a young endpoint starts with the shortest range', () => {
  assert.deepEqual(
    [0, 20 * 60_000, hourMs / 2, 24 * hourMs].map((age) => rangeForAge(age)),
    ['15m', '15m', '1h', '1h'],
  );
});

test('zooming in uses finer periods, but none whose data has expired', () => {
  const nowMs = 100 * 24 * hourMs;
  assert.equal(periodFor(nowMs - hourMs / 2, nowMs - hourMs / 2 + 300_000, nowMs), 1);
  assert.equal(periodFor(nowMs - 5 * hourMs, nowMs - 5 * hourMs + 300_000, nowMs), 10);
  assert.equal(periodFor(nowMs - 50 * hourMs, nowMs - 50 * hourMs + 300_000, nowMs), 60);
  assert.equal(periodFor(nowMs - 12 * hourMs, nowMs, nowMs), 60);
});

test('sorts rows without a value last in both directions', () => {
  assert.deepEqual(
    [3, null, 1].toSorted((a, b) => compare(a, b, true)),
    [3, 1, null],
  );
  assert.deepEqual(
    ['v10', null, 'v9'].toSorted((a, b) => compare(a, b, false)),
    ['v9', 'v10', null],
  );
});
