import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { flat, forecast, large, minuteMs, observed } from '../../../test/scaling-observations.ts';
import { decideScaling } from '../decide-scaling.ts';
import { isYoung, savedAfter, startInVainUsd } from './first-instance.ts';
import type { Observation } from './observation.ts';
import type { PricedType } from './plan-cost.ts';
import { parsePolicy } from './policy.ts';
import { type ScalingState, scalingBegin } from './scaling-state.ts';

const type: PricedType = { name: 'c5.large', capacity: 800, usdPerSlot: 0.0014, have: 0, leadMs: 120_000 };

describe('what a first instance would have saved', () => {
  test('adds up over slots that it is worth its price in, and is used up in the others, down to nothing', () => {
    let saved = 0;
    const seen = [500, 500, 0, 1000, 0, 0, 0].map((count) => Number((saved = savedAfter(saved, count, [type], 5e-6)).toFixed(6)));
    // 500 would have cost 0.0025 in functions; of 1000 it carries 800.
    assert.deepEqual(seen, [0.0011, 0.0022, 0.0008, 0.0034, 0.002, 0.0006, 0]);
    assert.equal(savedAfter(0.001, null, [type], 5e-6), 0.001);
  });

  test('is weighed against what a start in vain costs: until it is ready, and as long as it is kept then', () => {
    assert(Math.abs(startInVainUsd([type], 2, 60_000) - 4 * 0.0014) < 1e-12);
    assert(
      Math.abs(startInVainUsd([{ ...type, leadMs: 0, usdPerSlot: 0.0002 }], 2, 10_000) - 6 * 0.0002) < 1e-12,
      'a minute is paid at least',
    );
  });

  test('no longer counts once the forecast has seen enough of its own errors', () => {
    assert.deepEqual([isYoung(0), isYoung(59), isYoung(60)], [true, true, false]);
  });
});

describe('a first instance beside functions', () => {
  const young = { ...flat(700), residualsSeen: 5 };

  /** So many are wanted in each of the minutes, in which so many came. */
  function plansOver(counts: readonly number[], changes: Partial<Observation>): { counts: (number | undefined)[]; explanation: string } {
    let state: ScalingState = scalingBegin;
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

  test('waits, while the forecast is young, until it would have paid, and says so', () => {
    const { counts, explanation } = plansOver([700, 700, 700, 700], { forecast: young });
    assert.deepEqual(counts, [0, 0, 1, 1]);
    assert.match(explanation, /a first instance has not been worth it long enough for so young a forecast/);
  });

  test('never comes for bursts that are over as soon', () => {
    assert.deepEqual(plansOver([700, 0, 0, 700, 0, 0], { forecast: young }).counts, [0, 0, 0, 0, 0, 0]);
  });

  test('comes at once for a forecast that knows its errors, without functions, where one is running, and where one is asked for', () => {
    assert.deepEqual(plansOver([700], { forecast: flat(700) }).counts, [1]);
    assert.deepEqual(plansOver([700], { forecast: young, overflow: null }).counts, [2]);
    assert.deepEqual(plansOver([700], { forecast: { ...flat(1500), residualsSeen: 5 }, types: [{ ...large, active: 1 }] }).counts, [2]);
    assert.deepEqual(plansOver([700], { forecast: young, limits: { min: 1, max: 10 } }).counts, [1]);
  });

  test('is not what cures cold starts: where none is worth it, a missed objective keeps functions warm instead', () => {
    const slo = {
      minute: { requests: 200, violations: 20 },
      fiveMinutes: { requests: 1000, violations: 100 },
      hour: { requests: 10_000, violations: 500 },
      watchedMs: 3_600_000,
    };
    const seldom = forecast([5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5]);
    let state: ScalingState = scalingBegin;
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
