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
