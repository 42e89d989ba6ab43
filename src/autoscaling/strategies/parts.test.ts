import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { flat, gpu, large, noLimits, running } from '../../../test/scaling-observations.ts';
import { createForecaster } from '../../forecasting/index.ts';
import { replaceSpot, spotRate } from '../rivals/spot.ts';
import { risePerMs, withSample } from './counter-window.ts';
import { fastPlan, isFastWorth } from './fast-path.ts';
import { atHorizon, forecastFault, forecastViewOf, horizonFor } from './forecast-view.ts';
import { type Plan, planTotal } from './observation.ts';
import { affordableUsdPerHour, clampPlan, floorAt, limitsAt, remainingForFunctionsUsd } from './plans/limits.ts';
import { heldPlan } from './plans/recent-plans.ts';
import { actionsFor, drainLimitMs, formatPlan, type ScalingInstance, scaleInOrder } from './plans/scale-in.ts';
import { usableTypes } from './plans/usable-types.ts';
import { parsePolicy } from './policy.ts';
import { slotMsFor } from './policy-facts.ts';
import { burnOf, burnRate, correctSlo, initialSloState, isMostlyLaunched, type SloState } from './slo-correction.ts';
import { functionsNeeded, warmFunctions, warmUsdPerDay } from './warm-functions.ts';

const objective = { percentile: 95, latencyMs: 50 };
const minute = 60_000;
const types = (...observed: Parameters<typeof usableTypes>[0]['types']) => usableTypes({ types: observed, slotMs: minute }).types;

describe('the fast path', () => {
  const question = { ratePerSecond: 40, trigger: 1.3, types: types(running(1)), hasOverflow: true };

  for (const { when, changes, plan } of [
    { when: 'the rate exceeds two instances by 1.3', changes: {}, plan: { 'c5.large': 3 } },
    { when: 'the instances carry it', changes: { types: types(running(3)) }, plan: null },
    { when: 'none runs and functions take everything', changes: { types: types(large) }, plan: null },
    {
      when: 'none runs and there are no functions',
      changes: { types: types(large), hasOverflow: false, trigger: 0.85 },
      plan: { 'c5.large': 4 },
    },
    { when: 'launching instances count', changes: { types: types({ ...large, active: 1, launching: 2 }) }, plan: null },
    {
      when: 'much is missing: the cheapest type is added',
      changes: { ratePerSecond: 300, types: types(running(1), gpu) },
      plan: { 'c5.large': 1, 'g4dn.xlarge': 1 },
    },
  ]) {
    test(`${when}: ${plan === null ? 'nothing' : formatPlan(plan)}`, () => {
      assert.deepEqual(fastPlan({ ...question, ...changes }), plan);
    });
  }

  test('pays off if instances start within a minute, or without functions', () => {
    assert.deepEqual([isFastWorth(60_000, true), isFastWorth(60_001, true), isFastWorth(300_000, false)], [true, false, true]);
  });
});

describe('scale-in', () => {
  const instance = (id: string, changes: Partial<ScalingInstance>): ScalingInstance => ({
    id,
    type: 'c5.large',
    state: 'active',
    launchedAtMs: 0,
    idleSinceMs: null,
    ...changes,
  });
  const instances = [
    instance('new-busy', { launchedAtMs: 290_000 }),
    instance('busy', {}),
    instance('idle', { idleSinceMs: 200_000 }),
    instance('long-idle', { idleSinceMs: 100_000 }),
    instance('new-idle', { launchedAtMs: 280_000, idleSinceMs: 285_000 }),
    instance('launching', { state: 'launching', launchedAtMs: 200_000 }),
    instance('warming', { state: 'warming', launchedAtMs: 250_000 }),
    instance('draining', { state: 'draining' }),
  ];

  test('removes launching instances first, then idle and busy ones past their minimum charge, then the others', () => {
    assert.deepEqual(
      scaleInOrder(instances, 300_000).map(({ id }) => id),
      ['warming', 'launching', 'long-idle', 'idle', 'busy', 'new-idle', 'new-busy'],
    );
  });

  test('stops launching instances, drains active ones and launches missing ones', () => {
    assert.deepEqual(actionsFor({ 'c5.large': 4, 'g4dn.xlarge': 1 }, instances, 300_000), [
      { op: 'stop', type: 'c5.large', instance: 'warming' },
      { op: 'stop', type: 'c5.large', instance: 'launching' },
      { op: 'drain', type: 'c5.large', instance: 'long-idle' },
      { op: 'launch', type: 'g4dn.xlarge', instance: null },
    ]);
    assert.deepEqual(actionsFor({ 'c5.large': 7 }, instances, 300_000), []);
  });

  test('gives a draining instance ten seconds or three full batches', () => {
    assert.deepEqual([drainLimitMs(100), drainLimitMs(5000)], [10_000, 15_000]);
  });
});

describe('the correction by the objective', () => {
  test('has a burn rate of 1 at the allowed share of misses, and no burn rate below 200 requests', () => {
    assert.equal(burnRate({ requests: 1000, violations: 50 }, objective), 1);
    assert.equal(burnRate({ requests: 1000, violations: 1 }, { percentile: 99.9, latencyMs: 50 }), 1);
    assert.equal(burnRate({ requests: 199, violations: 199 }, objective), null);
    assert.equal(burnRate({ requests: Number.NaN, violations: 0 }, objective), null);
  });

  test('compares a partial hour with the error budget of a full one, and the last minute regardless of its traffic', () => {
    const start = { requests: 600, violations: 60 };
    const windows = { minute: { requests: 10, violations: 1 }, fiveMinutes: start, hour: start, watchedMs: minute };
    const { goesOn, fiveMinutes, hour } = burnOf(windows, objective);
    assert.deepEqual([goesOn, fiveMinutes, hour?.toFixed(3)], [true, 2, '0.033']);
    assert.equal(burnOf({ ...windows, minute: { requests: 100, violations: 5 } }, objective).goesOn, false);
    assert.equal(burnOf({ ...windows, watchedMs: 30 * minute }, objective).hour?.toFixed(3), '1.000');
    assert.equal(burnOf({ ...windows, minute: { requests: 0, violations: 0 } }, objective).goesOn, false);
  });

  test('counts a fleet as complete if at most a fifth of it is launching', () => {
    for (const [active, launching, whole] of [
      [0, 0, true],
      [0, 1, false],
      [3, 1, false],
      [4, 1, true],
    ] as const) {
      assert.equal(isMostlyLaunched([{ active, launching }]), whole);
    }
  });

  type Step = readonly [atMinute: number, fiveMinutes: number | null, hour: number | null, now?: 'over' | 'short'];

  /** The level after each minute with the given burn. By default nothing burns and all instances are launched. */
  function levels(steps: readonly Step[]): number[] {
    let state: SloState = initialSloState;
    return steps.map(([at, fiveMinutes, hour, now]) => {
      state = correctSlo(state, { goesOn: now !== 'over', fiveMinutes, hour }, now !== 'short', at * minute);
      return state.level;
    });
  }

  for (const { when, steps, expected } of [
    {
      when: 'both windows burn',
      steps: [
        [0, 2, 1],
        [1, 9, 9],
        [4, 9, 9],
        [5, 9, 9],
        [10, 9, 9],
      ],
      expected: [1, 1, 1, 2, 2],
    },
    {
      when: 'only the short window burns',
      steps: [
        [0, 9, 0.9],
        [9, 9, null],
      ],
      expected: [0, 0],
    },
    { when: 'only the long window burns', steps: [[0, 1.9, 9]], expected: [0] },
    {
      when: 'there was no miss in the last minute',
      steps: [
        [0, 9, 9, 'over'],
        [4, 9, 9, 'over'],
        [5, 9, 9],
      ],
      expected: [0, 0, 1],
    },
    {
      when: 'instances are launching, and until the backlog is gone',
      steps: [
        [0, 9, 9, 'short'],
        [1, 9, 9, 'short'],
        [2, 9, 9],
        [3, 9, 9],
      ],
      expected: [0, 0, 0, 1],
    },
    {
      when: 'the burn is low again',
      steps: [
        [0, 2, 1],
        [5, 2, 1],
        [6, 0.5, 1],
        [35, 0.5, 1],
        [36, 0.5, 1],
        [65, 0.5, 1],
        [66, 0.5, 1],
      ],
      expected: [1, 2, 2, 2, 1, 1, 0],
    },
    {
      when: 'it burns again in between',
      steps: [
        [0, 2, 1],
        [10, 0.5, 1],
        [30, 1.5, 1],
        [41, 0.5, 1],
        [70, 0.5, 1],
        [71, 0.5, 1],
      ],
      expected: [1, 1, 1, 1, 1, 0],
    },
    {
      when: 'there are too few requests',
      steps: [
        [0, 2, 1],
        [6, null, null],
        [36, null, null],
      ],
      expected: [1, 1, 0],
    },
  ] as const) {
    test(`${when}: levels ${expected.join(', ')}`, () => {
      assert.deepEqual(levels(steps), expected);
    });
  }
});

describe('warm functions', () => {
  test('are kept alongside instances only', () => {
    assert.deepEqual(
      [warmFunctions('hybrid'), warmFunctions('hybrid', 5), warmFunctions('serverless-only'), warmFunctions('instances-only')],
      [12, 5, 0, 0],
    );
  });

  test('match the number that the forecast keeps busy, if known, plus one in reserve', () => {
    assert.deepEqual(
      [warmFunctions('hybrid', 9, 3), warmFunctions('hybrid', 2, 3), warmFunctions('hybrid', 9, 0), warmFunctions('hybrid', 0, 0)],
      [3, 2, 1, 0],
    );
    assert.equal(functionsNeeded(1100, 500, 100, 10_000), 6, '60 a second of 100 ms each');
    assert.equal(functionsNeeded(500, 600, 100, 10_000), 0);
  });

  test('twelve of 3538 MiB cost half a cent a day, or $2.7 per million requests at 0.02 per second', () => {
    const usd = warmUsdPerDay(12, (3538 / 1024) * 0.02 * 1.66667e-5 + 2e-7);
    assert.equal(usd.toFixed(4), '0.0047');
    assert.equal(((usd / (0.02 * 86_400)) * 1e6).toFixed(1), '2.7');
  });
});

describe('spot instances', () => {
  test('have less capacity in proportion to the time they are missing', () => {
    assert.equal(spotRate(100, 0.5, 360_000), 95);
    assert.equal(spotRate(100, 60, 360_000), 0);
  });

  test('are replaced on demand at once when they will be reclaimed', () => {
    const spot = { spot: { interruptionsPerHour: 1, recoveryMs: 1, onDemand: 'c5.large' } };
    assert.deepEqual(replaceSpot({ spot: 3, 'c5.large': 1 }, { spot: 2 }, spot), { spot: 1, 'c5.large': 3 });
    assert.deepEqual(replaceSpot({ spot: 1, 'c5.large': 0 }, { spot: 2, 'c5.large': 4 }, spot), { spot: 0, 'c5.large': 1 });
  });
});

describe('limits', () => {
  const floor = { days: [], fromMinute: 8 * 60, untilMinute: 18 * 60, instances: 4 };
  const at = (text: string): number => Date.parse(`${text}:00Z`);

  for (const { when, floors, time, expected } of [
    { when: 'during its hours', floors: [floor], time: '2026-11-24T08:00', expected: 4 },
    { when: 'after its end', floors: [floor], time: '2026-11-24T18:00', expected: 0 },
    { when: 'of two, the higher', floors: [floor, { ...floor, instances: 7 }], time: '2026-11-24T12:00', expected: 7 },
    { when: 'on another day', floors: [{ ...floor, days: [1] }], time: '2026-11-24T12:00', expected: 0 }, // a Tuesday
    { when: 'on its day', floors: [{ ...floor, days: [2] }], time: '2026-11-24T12:00', expected: 4 },
    {
      when: 'past midnight of its day',
      floors: [{ ...floor, days: [1], fromMinute: 1320, untilMinute: 360 }],
      time: '2026-11-24T03:00',
      expected: 4,
    },
    {
      when: 'before it begins in the evening',
      floors: [{ ...floor, days: [2], fromMinute: 1320, untilMinute: 360 }],
      time: '2026-11-24T03:00',
      expected: 0,
    },
  ]) {
    test(`a floor ${when}: ${expected}`, () => {
      assert.equal(floorAt(floors, at(time)), expected);
    });
  }

  test('a floor is reached by the time it begins, within the maximum', () => {
    const limits = { min: 1, max: 3, floors: [floor] };
    assert.deepEqual(limitsAt(limits, at('2026-11-24T07:58'), 120_000).min, 3);
    assert.deepEqual(limitsAt(limits, at('2026-11-24T07:57'), 120_000).min, 1);
  });

  test('the remaining budget is spread over the remaining time', () => {
    assert.equal(affordableUsdPerHour(null), Number.POSITIVE_INFINITY);
    assert.equal(affordableUsdPerHour({ usdMax: 10, spentUsd: 4, remainingMs: 7_200_000 }), 3);
    assert.equal(affordableUsdPerHour({ usdMax: 10, spentUsd: 14, remainingMs: 7_200_000 }), 0);
    assert.equal(affordableUsdPerHour({ usdMax: 0, spentUsd: 0, remainingMs: 0 }), 0);
  });

  test('functions can spend the budget minus the cost of instances until its end', () => {
    assert.equal(remainingForFunctionsUsd({ usdMax: 10, spentUsd: 4, remainingMs: 1_800_000 }, 2), 5);
    assert.equal(remainingForFunctionsUsd({ usdMax: 10, spentUsd: 4, remainingMs: 1_800_000 }, 13), 0);
    assert.equal(remainingForFunctionsUsd({ usdMax: 10, spentUsd: 14, remainingMs: 0 }, 0), 0);
  });

  test('any plan is clamped to the limits', () => {
    const usable = types(large, gpu);
    fc.assert(
      fc.property(fc.nat(9), fc.nat(9), fc.nat(6), fc.nat(6), (small, big, min, more) => {
        const plan: Plan = { 'c5.large': small, 'g4dn.xlarge': big };
        const limits = { min, minBecause: 'min', max: min + more, usdPerHourMax: 2 } as const;
        const { plan: clamped, by } = clampPlan(plan, usable, limits);
        const total = planTotal(clamped);
        assert(total >= min && total <= min + more);
        assert.equal(by === null, JSON.stringify(clamped) === JSON.stringify(plan));
      }),
    );
  });
});

describe('recent plans', () => {
  test('retain running instances, but start none', () => {
    assert.deepEqual(heldPlan({ a: 1 }, { a: 5 }, { a: 3 }), { a: 3 });
    assert.deepEqual(heldPlan({ a: 1 }, { a: 2 }, { a: 9 }), { a: 2 });
    assert.deepEqual(heldPlan({ a: 4 }, { a: 2 }, { a: 1 }), { a: 4 });
  });
});

describe('a window on a counter', () => {
  test('gives the rate over the window from a few samples', () => {
    let samples: { atMs: number; value: number }[] = [];
    for (let second = 0; second <= 200; second++) {
      const value = second <= 100 ? second * 10 : 1000 + (second - 100) * 40;
      samples = withSample(samples, { atMs: second * 1000, value }, 60_000, 5000);
      assert(samples.length <= 15);
      if (second === 100) assert.equal(risePerMs(samples, 60_000), 0.01);
      if (second === 130) assert.equal(risePerMs(samples, 30_000), 0.04);
    }
    assert.equal(risePerMs(samples, 60_000), 0.04);
  });

  test('restarts with the counter, and has no rate after a single sample', () => {
    const samples = withSample([{ atMs: 0, value: 500 }], { atMs: 1000, value: 3 }, 60_000, 1000);
    assert.deepEqual([samples, risePerMs(samples, 60_000), risePerMs([], 60_000)], [[{ atMs: 1000, value: 3 }], null, null]);
  });
});

describe('a forecast', () => {
  test('is used for the first slot that a new instance serves completely', () => {
    assert.deepEqual(
      [horizonFor(0, minute), horizonFor(1, minute), horizonFor(60_000, minute), horizonFor(120_000, minute), horizonFor(30_000, 10_000)],
      [1, 2, 2, 3, 4],
    );
  });

  test('is made for slots of a minute, or of ten seconds if instances start sooner', () => {
    for (const policy of [null, parsePolicy('hybrid'), parsePolicy('economic,forecaster=rls-ar')]) {
      assert.deepEqual([slotMsFor(59_999, policy), slotMsFor(60_000, policy)], [10_000, 60_000]);
    }
  });

  test('is made for slots of a twelfth of the start time under `economic`, which change only if it is wrong by a factor of two', () => {
    const economic = parsePolicy('economic');
    const lengths = [0, 60_000, 120_000, 180_000, 300_000, 600_000, 3_600_000].map((leadMs) => slotMsFor(leadMs, economic));
    assert.deepEqual(lengths, [10_000, 10_000, 10_000, 15_000, 20_000, 30_000, 60_000]);
    assert.deepEqual(
      [60_000, 119_000, 360_000, 361_000].map((leadMs) => slotMsFor(leadMs, economic, 15_000)),
      [15_000, 15_000, 15_000, 30_000],
    );
    assert.equal(slotMsFor(59_000, economic, 60_000), 10_000);
  });

  test('for a missing horizon uses the next one', () => {
    assert.deepEqual(
      [1, 2, 3, 99].map((h) => atHorizon(flat(1), h)?.h),
      [1, 3, 3, 10],
    );
  });

  test('is converted to plain numbers', () => {
    const forecaster = createForecaster('rls-ar', { horizons: [1, 3] });
    for (let slot = 0; slot < 200; slot++) {
      forecaster.observe(slot, 1000);
      forecaster.predict(1);
      forecaster.predict(3);
    }
    const seen = forecastViewOf(forecaster);
    assert.deepEqual(
      seen.horizons.map(({ h, quantiles }) => [h, quantiles]),
      [1, 3].map((h) => [h, forecaster.predict(h).quantiles]),
    );

    const view = forecastViewOf({
      name: 'n',
      horizons: [3, 1],
      predict: (h) => ({ mean: h, residualsSeen: 7 + h, quantile: (tau) => h * tau }),
    });
    assert.deepEqual(
      [view.model, view.horizons.map(({ h }) => h), view.horizons[1]?.quantiles[11], view.residualsSeen],
      ['n', [1, 3], 2.9699999999999998, 8],
    );
    assert.equal(forecastFault(view), null);
  });

  test('that is invalid is reported with the reason', () => {
    const view = flat(5);
    const broken = { ...view, horizons: [{ h: 1, mean: 5, quantiles: [1, Number.NaN, ...new Array<number>(10).fill(3)] }] };
    assert.equal(forecastFault(broken), 'its quantile 0.1 1 slots ahead is NaN');
    assert.equal(forecastFault({ ...view, horizons: [] }), 'it has no horizon');
    assert.equal(noLimits.max, 1000);
  });
});
