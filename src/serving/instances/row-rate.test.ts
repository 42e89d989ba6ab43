import assert from 'node:assert/strict';
import { test } from 'node:test';
import { exponentialMs, SeededRandom } from '../../random.ts';
import { RowRate } from './row-rate.ts';

test('counts the rows of the last ten seconds, and forgets older ones', () => {
  const rate = new RowRate(1000, 10);
  assert.equal(rate.perMs(5000), 0);
  for (let ms = 10_500; ms < 40_500; ms += 10) rate.add(ms, 2);
  assert(Math.abs(rate.perMs(40_499) - 0.2) < 0.002, `${rate.perMs(40_499)}`);
  assert(Math.abs(rate.perMs(45_000) - 0.1) < 0.02, `${rate.perMs(45_000)}`);
  assert.equal(rate.perMs(60_000), 0);
});

test('a first burst counts for a second, not for an instant', () => {
  const rate = new RowRate(1000, 10);
  rate.add(123, 500);
  assert.equal(rate.perMs(123), 0.5);
});

test('counts fewer steps if asked to', () => {
  const rate = new RowRate(1000, 2);
  for (let ms = 0; ms < 10_000; ms += 10) rate.add(ms, 2);
  for (let ms = 10_000; ms < 12_500; ms += 10) rate.add(ms, 8);
  assert(Math.abs(rate.perMs(12_499) - 0.8) < 0.01, `${rate.perMs(12_499)}`);
});

test('is above a rate only if random arrivals at that rate would hardly bring as many', () => {
  const random = new SeededRandom(5);
  const share = (load: number): number => {
    const rate = new RowRate(50, 5);
    let [asked, above] = [0, 0];
    for (let ms = 0; ms < 200_000; ms += exponentialMs(random, 1000 * load)) {
      rate.add(ms, 1);
      asked++;
      if (ms > 1000 && rate.isAbove(1, ms)) above++;
    }
    return above / asked;
  };
  assert(share(1) < 0.02, `${share(1)}`);
  assert(share(1.5) > 0.99, `${share(1.5)}`);
});
