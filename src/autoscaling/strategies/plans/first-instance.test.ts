import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { flat, forecast, large, minuteMs, observed } from '../../../../test/scaling-observations.ts';
import { decideScaling } from '../../scaling/decide-scaling.ts';
import type { Observation } from '../observation.ts';
import { parsePolicy } from '../policy.ts';
import { initialScalingState, type ScalingState } from '../scaling-state.ts';
import { hasFewResiduals, savedAfter, wastedStartUsd } from './first-instance.ts';
import type { PricedType } from './plan-cost.ts';

const type: PricedType = { name: 'c5.large', capacity: 800, usdPerSlot: 0.0014, have: 0, leadMs: 120_000 };

describe('the hypothetical saving of a first instance', () => {
  test('increases over slots in which an instance pays off, and decreases in the others, down to zero', () => {
    let saved = 0;
    const seen = [500, 500, 0, 1000, 0, 0, 0].map((count) => Number((saved = savedAfter(saved, count, [type], 5e-6)).toFixed(6)));
    // 500 requests cost 0.0025 on functions. Of 1000 requests an instance serves 800.
    assert.deepEqual(seen, [0.0011, 0.0022, 0.0008, 0.0034, 0.002, 0.0006, 0]);
    assert.equal(savedAfter(0.001, null, [type], 5e-6), 0.001);
  });

  test('is compared with the cost of a wasted start: start time plus hold time', () => {
    assert(Math.abs(wastedStartUsd([type], 2, 60_000) - 4 * 0.0014) < 1e-12);
    assert(
      Math.abs(wastedStartUsd([{ ...type, leadMs: 0, usdPerSlot: 0.0002 }], 2, 10_000) - 6 * 0.0002) < 1e-12,
      'at least a minute is billed',
    );
  });

  test('no longer counts once the forecast has enough residuals', () => {
    assert.deepEqual(
      [0, 59, 60].map((residuals) => hasFewResiduals(residuals, 60_000)),
      [true, true, false],
    );
    assert.deepEqual([hasFewResiduals(359, 10_000), hasFewResiduals(360, 10_000), hasFewResiduals(59, 600_000)], [true, false, true]);
  });
});

describe('a first instance alongside functions', () => {
  const young = { ...flat(700), residualsSeen: 5 };

  /** Decides minute by minute, with the given arrivals per minute. */
  function plansOver(counts: readonly number[], changes: Partial<Observation>): { counts: (number | undefined)[]; explanation: string } {
    let state: ScalingState = initialScalingState;
    let explanation = '';
    const plans = counts.map((lastCount, minute) => {
      const { state: next, decision } = decideScaling(
        parsePolicy('economic'),
        state,
        observed({ types: [large], ...changes, lastCount }),
        minute * minuteMs,
      );
      state = JSON.parse(JSON.stringify(next)) as ScalingState;
      if (decision.chosen.plan['c5.large'] === 0) explanation = decision.explanation;
      return decision.chosen.plan['c5.large'];
    });
    return { counts: plans, explanation };
  }

  test('with few residuals waits until it would have paid off, and says so', () => {
    const { counts, explanation } = plansOver([700, 700, 700, 700], { forecast: young });
    assert.deepEqual(counts, [0, 0, 1, 1]);
    assert.match(explanation, /a first instance has not paid off long enough yet while the forecast is young/);
  });

  test('is never started for short bursts', () => {
    assert.deepEqual(plansOver([700, 0, 0, 700, 0, 0], { forecast: young }).counts, [0, 0, 0, 0, 0, 0]);
  });

  test('starts at once with enough residuals, without functions, if one is running, or if one is required', () => {
    assert.deepEqual(plansOver([700], { forecast: flat(700) }).counts, [1]);
    assert.deepEqual(plansOver([700], { forecast: young, overflow: null }).counts, [2]);
    assert.deepEqual(plansOver([700], { forecast: { ...flat(1500), residualsSeen: 5 }, types: [{ ...large, active: 1 }] }).counts, [2]);
    assert.deepEqual(plansOver([700], { forecast: young, limits: { min: 1, max: 10 } }).counts, [1]);
  });

  test('is not started because of cold starts: if none pays off, a missed objective warms functions instead', () => {
    const slo = {
      minute: { requests: 200, violations: 20 },
      fiveMinutes: { requests: 1000, violations: 100 },
      hour: { requests: 10_000, violations: 500 },
      watchedMs: 3_600_000,
    };
    const seldom = forecast([5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5]);
    let state: ScalingState = initialScalingState;
    for (let minute = 0; minute < 30; minute++) {
      const { state: next, decision } = decideScaling(
        parsePolicy('economic'),
        state,
        observed({ types: [large], forecast: seldom, slo, lastCount: 5 }),
        minute * minuteMs,
      );
      state = next;
      const { plan, warmFunctions } = decision.chosen;
      assert.equal(plan['c5.large'], 0);
      assert(decision.inputs.level > 0 && warmFunctions > 0, `minute ${minute}`);
    }
  });
});
