import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { flat, observed, running } from '../../test/scaling-observations.ts';
import { scalingEffectOf } from './decide-effect.ts';
import { decideScaling } from './decide-scaling.ts';
import { parsePolicy } from './strategies/policy.ts';
import { scalingBegin } from './strategies/scaling-state.ts';

const { decision } = decideScaling(parsePolicy('economic'), scalingBegin, observed({ forecast: flat(1600), types: [running(2)] }), 0);
const measured = { windowMs: 300_000, arrivals: [1500, 1550, 800], requests: 4000, violations: 8, overflowed: 400, spentUsd: 0.01 };

describe('the effect of a decision', () => {
  test('is what came in the slot that was decided for, against what was forecast', () => {
    const effect = scalingEffectOf(decision, measured);
    assert.deepEqual([effect.attainment, effect.overflowShare, effect.forecastError, effect.windowS], [0.998, 0.1, 800, 300]);
  });

  test('regrets what one instance less would have saved', () => {
    assert.equal(scalingEffectOf(decision, measured).regretUsd?.toFixed(6), (0.085 / 60).toFixed(6));
  });

  test('regrets nothing where the forecast was right, and does not know where nobody counted', () => {
    assert.equal(scalingEffectOf(decision, { ...measured, arrivals: [0, 0, 1600] }).regretUsd, 0);
    const unknown = scalingEffectOf(decision, { ...measured, arrivals: [1500, null], requests: 0 });
    assert.deepEqual([unknown.regretUsd, unknown.forecastError, unknown.attainment], [null, null, null]);
  });
});
