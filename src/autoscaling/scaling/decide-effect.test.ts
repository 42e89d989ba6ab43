import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { flat, observed, running } from '../../../test/scaling-observations.ts';
import { parsePolicy } from '../strategies/policy.ts';
import { initialScalingState } from '../strategies/scaling-state.ts';
import { scalingEffectOf } from './decide-effect.ts';
import { decideScaling } from './decide-scaling.ts';

const { decision } = decideScaling(
  parsePolicy('economic'),
  initialScalingState,
  observed({ forecast: flat(1600), types: [running(2)] }),
  0,
);
const measured = { windowMs: 300_000, arrivals: [1500, 1550, 800], requests: 4000, violations: 8, overflowed: 400, spentUsd: 0.01 };

describe('the effect of a decision', () => {
  test('compares the arrivals of the planned slot with the forecast', () => {
    const effect = scalingEffectOf(decision, measured);
    assert.deepEqual([effect.attainment, effect.overflowShare, effect.forecastError, effect.windowS], [0.998, 0.1, 800, 300]);
  });

  test('reports the amount that one instance fewer would have saved as regret', () => {
    assert.equal(scalingEffectOf(decision, measured).regretUsd?.toFixed(6), (0.085 / 60).toFixed(6));
  });

  test('reports no regret if the forecast was right, and null if nothing was counted', () => {
    assert.equal(scalingEffectOf(decision, { ...measured, arrivals: [0, 0, 1600] }).regretUsd, 0);
    const unknown = scalingEffectOf(decision, { ...measured, arrivals: [1500, null], requests: 0 });
    assert.deepEqual([unknown.regretUsd, unknown.forecastError, unknown.attainment], [null, null, null]);
  });
});
