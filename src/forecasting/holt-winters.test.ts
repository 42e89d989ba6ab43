import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createForecaster } from './create-forecaster.ts';
import { forecasterContract } from './forecaster-contract.test.ts';

forecasterContract('holt-winters');

const near = (value: number, wanted: number): void =>
  assert(Math.abs(value - wanted) < 1e-6 * Math.max(1, wanted), `${value} is not ${wanted}`);

test('Holt-Winters without seasons follows level and damped trend', () => {
  const forecaster = createForecaster('holt-winters', { horizons: [1, 2], isSeasonal: false });
  forecaster.observe(0, 100); // level 10, trend 0
  near(forecaster.predict(2).mean, 100);
  forecaster.observe(1, 144); // level .4*12 + .6*10 = 10.8, trend .1*.8 = .08
  near(forecaster.predict(1).mean, (10.8 + 0.08 * 0.9) ** 2);
  near(forecaster.predict(2).mean, (10.8 + 0.08 * (0.9 + 0.81)) ** 2);
  forecaster.observe(2, 144); // level .4*12 + .6*(10.8+.072) = 11.3232, trend .1*.5232 + .81*.08 = .11712
  near(forecaster.predict(1).mean, (11.3232 + 0.11712 * 0.9) ** 2);
});

test('Holt-Winters adds a daily profile, smoothed over neighbours, to a fading level', () => {
  const forecaster = createForecaster('holt-winters', { horizons: [1, 3], slotsPerDay: 24 });
  forecaster.observe(0, 100); // first visit at this time of day: profile 10, level 0
  near(forecaster.predict(1).mean, 100);
  // At slot 1 the profile so far predicts 10: e = 2, level 0.4*2 = .8, trend .08. Then slot 1 is visited: profile 12.
  forecaster.observe(1, 144);
  const ahead = (10 / 3 + 12 / 2) / (1 / 3 + 1 / 2); // S(2), averaged over slots 0 and 1
  near(forecaster.predict(1).mean, (0.97 * 0.8 + 0.08 * 0.9 + ahead) ** 2);
  // S(4) averages slots 0 and 1, at distances 4 and 3.
  near(forecaster.predict(3).mean, (0.97 ** 3 * 0.8 + 0.08 * (0.9 + 0.81 + 0.729) + (10 / 5 + 12 / 4) / (1 / 5 + 1 / 4)) ** 2);
});

test('Holt-Winters forecasts the last count after a long gap until three counts have arrived', () => {
  const forecaster = createForecaster('holt-winters', { horizons: [1], slotsPerDay: 24 });
  for (let slot = 0; slot < 100; slot++) forecaster.observe(slot, 100 + slot);
  assert.equal(forecaster.predict(1).basis, 'model');
  const bases = [115, 116, 117, 118].map((slot) => {
    forecaster.observe(slot, 10);
    return forecaster.predict(1).basis;
  });
  assert.deepEqual(bases, ['persistence', 'persistence', 'model', 'model']);
});
