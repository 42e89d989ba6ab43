import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createForecaster } from './create-forecaster.ts';
import { forecasterContract } from './forecaster-contract.test.ts';

forecasterContract('persistence');

test('persistence forecasts the last count, also after a gap', () => {
  const forecaster = createForecaster('persistence', { horizons: [1, 10] });
  for (const [slot, count] of [4, 900, 25].entries()) forecaster.observe(slot, count);
  assert.deepEqual([forecaster.predict(1).mean, forecaster.predict(10).mean], [25, 25]);
  forecaster.observe(50, null);
  assert.equal(forecaster.predict(1).mean, 25);
});

forecasterContract('seasonal-naive');

test('seasonal naive forecasts the count of the same time a day ago, or the last count if there is none', () => {
  const forecaster = createForecaster('seasonal-naive', { horizons: [1, 2], slotsPerDay: 4 });
  const forecasts = [1, 4, null, 16, 25, 36, 49].map((count, slot) => {
    forecaster.observe(slot, count);
    return [forecaster.predict(1).mean, forecaster.predict(2).mean];
  });
  assert.deepEqual(forecasts, [
    [1, 1],
    [4, 4],
    [4, 1], // a day before slot 4 is slot 0
    [1, 4],
    [4, 25], // slot 2 was a gap: the last count
    [36, 16],
    [16, 25],
  ]);
});
