import assert from 'node:assert/strict';
import { test } from 'node:test';
import { RowRate } from './in-time-batches.ts';

test('counts the rows of the last ten seconds, and forgets older ones', () => {
  const rate = new RowRate();
  assert.equal(rate.perMs(5000), 0);
  for (let ms = 10_500; ms < 40_500; ms += 10) rate.add(ms, 2);
  assert(Math.abs(rate.perMs(40_499) - 0.2) < 0.002, `${rate.perMs(40_499)}`);
  assert(Math.abs(rate.perMs(45_000) - 0.1) < 0.02, `${rate.perMs(45_000)}`);
  assert.equal(rate.perMs(60_000), 0);
});

test('a first burst counts for a second, not for an instant', () => {
  const rate = new RowRate();
  rate.add(123, 500);
  assert.equal(rate.perMs(123), 0.5);
});

test('counts fewer seconds if asked to', () => {
  const rate = new RowRate(2);
  for (let ms = 0; ms < 10_000; ms += 10) rate.add(ms, 2);
  for (let ms = 10_000; ms < 12_500; ms += 10) rate.add(ms, 8);
  assert(Math.abs(rate.perMs(12_499) - 0.8) < 0.01, `${rate.perMs(12_499)}`);
});
