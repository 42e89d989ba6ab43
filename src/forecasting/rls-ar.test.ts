import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { poissonCount } from '../../test/load-generators.ts';
import { SeededRandom } from '../random.ts';
import { createForecaster } from './create-forecaster.ts';
import type { Forecaster } from './forecaster.ts';
import { forecasterContract } from './forecaster-contract.test.ts';

forecasterContract('rls-ar');

/** A day of 1440 slots plus a sawtooth with a period of eleven slots. */
function toothedCount(slot: number): number {
  return Math.round(1000 + 500 * Math.sin((2 * Math.PI * slot) / 1440) + (100 * ((37 * slot) % 11)) / 11);
}

function taught(slots: number): Forecaster {
  const forecaster = createForecaster('rls-ar', { horizons: [1, 3] });
  for (let slot = 0; slot < slots; slot++) forecaster.observe(slot, toothedCount(slot));
  return forecaster;
}

describe('the autoregression', () => {
  for (const { slot, means } of [
    { slot: 60, means: ['1211.0000', '1211.0000'] },
    { slot: 100, means: ['1287.1415', '1262.9548'] },
    { slot: 1500, means: ['1200.5565', '1186.5805'] },
    { slot: 2999, means: ['1349.0920', '1316.8208'] },
  ]) {
    test(`matches the reference means after slot ${slot} of the sawtooth day`, () => {
      const forecaster = taught(slot + 1);
      assert.deepEqual(
        [1, 3].map((h) => forecaster.predict(h).mean.toFixed(4)),
        means,
      );
    });
  }

  test('matches the reference quantiles after slot 2999 of the sawtooth day', () => {
    const forecaster = taught(3000);
    const quantiles = [1, 3].map((h) => [0.05, 0.5, 0.9, 0.99].map((tau) => forecaster.predict(h).quantile(tau).toFixed(2)));
    assert.deepEqual(quantiles, [
      ['1341.03', '1352.31', '1359.96', '1375.16'],
      ['1267.72', '1318.31', '1320.61', '1387.32'],
    ]);
  });

  test('forecasts the last count for the first hour, then uses the trained model', () => {
    const forecaster = createForecaster('rls-ar', { horizons: [1] });
    const bases = Array.from({ length: 62 }, (_, i) => {
      forecaster.observe(700 + i, 100);
      return forecaster.predict(1).basis;
    });
    assert.deepEqual([bases.indexOf('model'), bases.lastIndexOf('persistence')], [60, 59]);
  });

  test('bridges gaps of up to five slots, then forecasts the last count; after more than ten slots needs three counts', () => {
    const forecaster = taught(200);
    const basisAt = (slot: number, count: number | null): string => {
      forecaster.observe(slot, count);
      return forecaster.predict(1).basis;
    };
    const inGap = Array.from({ length: 7 }, (_, i) => basisAt(200 + i, null));
    assert.deepEqual(inGap, ['model', 'model', 'model', 'model', 'model', 'persistence', 'persistence']);
    assert.equal(basisAt(207, toothedCount(207)), 'model'); // after a gap of 7
    assert.deepEqual(
      [219, 220, 221, 222].map((slot) => basisAt(slot, toothedCount(slot))), // after a gap of 11
      ['persistence', 'persistence', 'model', 'model'],
    );
  });

  test('learns nothing from slots with missing history until the longest lag is past the gap', () => {
    const forecaster = taught(500);
    const weights = (): string => JSON.stringify(forecaster.snapshot().state['model']);
    const before = weights();
    // Counts resume at slot 600. The lag of 40 is missing up to slot 639; learning resumes at 640, from the forecast by 1 slot.
    const changes: number[] = [];
    let last = before;
    for (let slot = 600; slot < 645; slot++) {
      forecaster.observe(slot, toothedCount(slot));
      if (weights() !== last) changes.push(slot);
      last = weights();
    }
    assert.deepEqual(changes, [641, 642, 643, 644]);
  });

  for (const { what, rateAt } of [
    { what: 'jumps tenfold after an even hour and a half', rateAt: (slot: number) => (slot < 92 ? 57 : 580) },
    { what: 'jumps up and down each three quarters of an hour', rateAt: (slot: number) => (Math.floor(slot / 45) % 2 === 0 ? 57 : 580) },
    {
      what: 'jumps from a wave',
      rateAt: (slot: number) => (slot < 92 ? 57 - 20 * Math.cos((2 * Math.PI * slot) / 60) : 580),
    },
  ]) {
    test(`a load that ${what} is never forecast above twice its maximum`, () => {
      for (let seed = 1; seed <= 20; seed++) {
        const random = new SeededRandom(seed);
        const forecaster = createForecaster('rls-ar', { horizons: [1, 3, 10] });
        let countMost = 0;
        for (let slot = 0; slot < 200; slot++) {
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

  test('learns daily patterns: forecasts a peak at the same time each day', () => {
    const forecaster = createForecaster('rls-ar', { horizons: [5], slotsPerDay: 96 });
    const countAt = (slot: number): number => (slot % 96 >= 40 && slot % 96 < 50 ? 2500 : 100 + (slot % 3));
    for (let slot = 0; slot < 96 * 10 + 36; slot++) forecaster.observe(slot, countAt(slot));
    assert(forecaster.predict(5).mean > 2000, `${forecaster.predict(5).mean}`); // the current count is 100; the peak begins in 5 slots
  });
});
