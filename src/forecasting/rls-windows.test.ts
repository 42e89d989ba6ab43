import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { poissonCount } from '../../test/load-generators.ts';
import { SeededRandom } from '../random.ts';
import { createForecaster } from './create-forecaster.ts';
import type { Forecaster } from './forecaster.ts';
import { forecasterContract } from './forecaster-contract.test.ts';

forecasterContract('rls-windows', 25);

const day = 5760;
const hour = day / 24;

/** Mean absolute error of the mean, relative to the counts, over the last `slots` of a load. */
function errorOf(forecaster: Forecaster, h: number, total: number, slots: number, countAt: (slot: number) => number): number {
  const made = new Map<number, number>();
  let [error, sum] = [0, 0];
  for (let slot = 0; slot < total; slot++) {
    const count = countAt(slot);
    const mean = made.get(slot);
    if (slot >= total - slots && mean !== undefined) {
      error += Math.abs(mean - count);
      sum += count;
    }
    made.delete(slot);
    forecaster.observe(slot, count);
    made.set(slot + h, forecaster.predict(h).mean);
  }
  return error / sum;
}

describe('the autoregression over windows', () => {
  test('forecasts the last count for the first sixty slots, then uses the trained model', () => {
    const forecaster = createForecaster('rls-windows', { horizons: [1], slotsPerDay: day });
    const bases = Array.from({ length: 62 }, (_, i) => {
      forecaster.observe(700 + i, 100);
      return forecaster.predict(1).basis;
    });
    assert.deepEqual([bases.indexOf('model'), bases.lastIndexOf('persistence')], [60, 59]);
  });

  test('averages the noise of short slots: it errs hardly more than the counts themselves vary', () => {
    const random = new SeededRandom(5);
    const forecaster = createForecaster('rls-windows', { horizons: [9], slotsPerDay: day });
    const error = errorOf(forecaster, 9, 4000, 2000, () => poissonCount(random, 100));
    // The mean deviation of a Poisson count of 100 is 8 %.
    assert(error < 0.088, `${error}`);
  });

  test('learns what recurs every hour, before it has seen two days', () => {
    const random = new SeededRandom(6);
    const rateAt = (slot: number): number => (slot % hour >= 100 && slot % hour < 120 ? 900 : 100);
    const forecaster = createForecaster('rls-windows', { horizons: [9], slotsPerDay: day });
    const error = errorOf(forecaster, 9, day + 8 * hour, 6 * hour, (slot) => poissonCount(random, rateAt(slot)));
    const last = createForecaster('persistence', { horizons: [9], slotsPerDay: day });
    const errorOfLast = errorOf(last, 9, day + 8 * hour, 6 * hour, (slot) => poissonCount(random, rateAt(slot)));
    assert(error < 0.6 * errorOfLast, `${error} against ${errorOfLast}`);
  });

  test('learns daily patterns: forecasts a peak at the same time each day', () => {
    const forecaster = createForecaster('rls-windows', { horizons: [5], slotsPerDay: 96 });
    const countAt = (slot: number): number => (slot % 96 >= 40 && slot % 96 < 50 ? 2500 : 100 + (slot % 3));
    for (let slot = 0; slot < 96 * 10 + 36; slot++) forecaster.observe(slot, countAt(slot));
    assert(forecaster.predict(5).mean > 2000, `${forecaster.predict(5).mean}`); // the current count is 100; the peak begins in 5 slots
  });

  test('goes on learning after a gap, from the slots of the windows that are known', () => {
    const forecaster = createForecaster('rls-windows', { horizons: [1], slotsPerDay: day });
    for (let slot = 0; slot < 500; slot++) forecaster.observe(slot, 100 + (slot % 7));
    for (let slot = 600; slot < 603; slot++) forecaster.observe(slot, 100 + (slot % 7));
    const { mean, basis } = forecaster.predict(1);
    assert.equal(basis, 'model');
    assert(mean > 90 && mean < 120, `${mean}`);
  });

  for (const { what, rateAt } of [
    { what: 'jumps tenfold after an even hour', rateAt: (slot: number) => (slot < 240 ? 57 : 580) },
    { what: 'jumps up and down each three quarters of an hour', rateAt: (slot: number) => (Math.floor(slot / 180) % 2 === 0 ? 57 : 580) },
  ]) {
    test(`a load that ${what} is never forecast above twice its maximum`, () => {
      for (let seed = 1; seed <= 10; seed++) {
        const random = new SeededRandom(seed);
        const forecaster = createForecaster('rls-windows', { horizons: [1, 9], slotsPerDay: day });
        let countMost = 0;
        for (let slot = 0; slot < 700; slot++) {
          const count = poissonCount(random, rateAt(slot));
          countMost = Math.max(countMost, count);
          forecaster.observe(slot, count);
          for (const h of forecaster.horizons) {
            const { mean } = forecaster.predict(h);
            assert(mean < 2 * countMost, `seed ${seed}, slot ${slot}: ${mean} in ${h}, although the maximum was ${countMost}`);
          }
        }
      }
    });
  }
});
