import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { flat, forecast, gpu, large, minuteMs, noLimits, observed, overflow, running } from '../../../test/scaling-observations.ts';
import { PlatformError } from '../../errors.ts';
import { type Observation, planTotal, type TypeObservation } from '../strategies/observation.ts';
import { parsePolicy } from '../strategies/policy.ts';
import { initialScalingState, restoreScalingState, type ScalingState } from '../strategies/scaling-state.ts';
import { type ScalingDecision, scalingRecord } from './decide-record.ts';
import { decideScaling } from './decide-scaling.ts';

const policies = [
  'static:2',
  'target-tracking',
  'hpa',
  'hpa:105,window=120+overflow',
  'kpa',
  'ray',
  'batch',
  'instances-only',
  'running-max',
  'hybrid',
  'mark-greedy',
  'economic',
  'oracle+overflow',
];
const demand = [1000, 1100, 1250, 1350, 1450, 1550, 1650, 1800, 2000, 2400, 2800, 3600];

const decide = (text: string, changes: Partial<Observation>, state = initialScalingState, nowMs = 0): ScalingDecision =>
  decideScaling(parsePolicy(text), state, observed(changes), nowMs).decision;

describe('an invalid configuration is rejected with a message that says what to do', () => {
  for (const [changes, expected] of [
    [{ limits: { min: 3, max: 2 } }, /the minimum of instances \(3\) exceeds the maximum \(2\): lower the minimum or raise the maximum/],
    [{ limits: { min: -1, max: 2 } }, /whole numbers from 0, got -1 and 2/],
    [{ limits: { min: 0, max: Number.POSITIVE_INFINITY } }, /whole numbers from 0, got 0 and Infinity/],
    [{ limits: { min: 0, max: 5000 } }, /at most 1000, got 5000/],
    [
      { limits: { ...noLimits, budget: { usdMax: Number.NaN, spentUsd: 0, remainingMs: 1 } } },
      /invalid budget or spending: .* got NaN and 0/,
    ],
    [{ limits: { ...noLimits, floors: [{ days: [7], fromMinute: 0, untilMinute: 1, instances: 1 }] } }, /0 \(Sunday\) to 6, got 7/],
    [{ slotMs: 0 }, /invalid slot length: expected above 0 ms and at most a day, got 0/],
    [{ types: [large, large] }, /instance type c5\.large is listed twice/],
    [{ types: [{ ...large, usdPerHour: -1 }] }, /invalid price: expected 0 or more US dollars per hour, got -1/],
    [{ types: [{ ...large, ratePerSecond: Number.NaN }] }, /invalid rate: expected 0 or more requests per second, got NaN/],
    [{ types: [{ ...large, active: 1.5 }] }, /active instances: expected a whole number from 0, got 1\.5/],
    [{ overflow: { usdPerRequest: Number.NaN } }, /expected 0 or more US dollars, got NaN/],
  ] as const) {
    test(String(expected), () => {
      assert.throws(
        () => decide('economic', changes),
        (error) => error instanceof PlatformError && error.code === 'invalid_request' && expected.test(error.message),
      );
    });
  }

  test('the time of a decision is a number', () => {
    assert.throws(() => decide('economic', {}, initialScalingState, Number.NaN), /epoch milliseconds, got NaN/);
  });
});

describe('unknown or non-numeric input changes nothing', () => {
  const broken = forecast(demand.with(9, Number.NaN));

  for (const { when, text, changes, reason, explanation } of [
    {
      when: 'a forecast contains NaN',
      text: 'economic',
      changes: { forecast: broken },
      reason: 'no-forecast',
      explanation: 'kept 2 × c5.large: the forecast cannot be used: its quantile 0.9 1 slots ahead is NaN',
    },
    {
      when: 'there is none yet',
      text: 'mark-greedy',
      changes: {},
      reason: 'no-forecast',
      explanation: 'kept 2 × c5.large: there is no forecast yet',
    },
    {
      when: 'the count is NaN',
      text: 'target-tracking',
      changes: { lastCount: Number.NaN },
      reason: 'no-measurement',
      explanation: 'kept 2 × c5.large: the last minute has no count',
    },
    {
      when: 'the counter is NaN',
      text: 'hpa',
      changes: { arrivals: Number.NaN },
      reason: 'no-measurement',
      explanation: 'kept 2 × c5.large: the count is not a number',
    },
    {
      when: 'no service time has been measured',
      text: 'economic',
      changes: { types: [{ ...running(2), ratePerSecond: 0 }], forecast: flat(9) },
      reason: 'no-measurement',
      explanation: 'kept 2 × c5.large: type c5.large: its service time is not measured yet',
    },
  ] as const) {
    test(when, () => {
      const decision = decide(text, { types: [running(2)], ...changes });
      assert.deepEqual([decision.chosen.reason, decision.explanation, decision.changes], [reason, explanation, false]);
    });
  }

  test('without history plans the minimum, and at least one instance if there are no functions', () => {
    assert.deepEqual(decide('economic', {}).chosen.plan, { 'c5.large': 0 });
    assert.deepEqual(decide('economic', { limits: { min: 2, max: 3 } }).chosen.plan, { 'c5.large': 2 });
    assert.deepEqual(decide('economic', { overflow: null }).chosen.plan, { 'c5.large': 1 });
  });
});

describe('no type meets the objective', () => {
  const slow: TypeObservation = {
    ...running(2),
    isFeasible: false,
    infeasibleBecause: 'type c5.large cannot meet 50 ms: 2*s(1)+d = 165 ms',
  };

  test('is a valid result: functions serve alone', () => {
    const { feasible, chosen, inputs, explanation } = decide('economic', { types: [slow], forecast: flat(900) });
    assert.deepEqual([feasible, chosen.plan, inputs.regime], [true, { 'c5.large': 0 }, 'serverless-only']);
    assert.match(explanation, /type c5\.large cannot meet 50 ms: 2\*s\(1\)\+d = 165 ms; functions serve alone/);
  });

  test('if functions cannot either, instances are planned for the traffic, and the explanation says what to do', () => {
    for (const { others, because } of [
      { others: null, because: 'there are no functions' },
      { others: { ...overflow, infeasibleBecause: 'a function cannot either' }, because: 'a function cannot either' },
      { others: { ...overflow, ratePerSecondMax: 40 }, because: 'functions can serve at most 40/s, and up to 50/s are expected' },
    ]) {
      const { feasible, chosen, explanation } = decide('economic', { types: [slow], overflow: others, forecast: flat(3000) });
      assert.deepEqual([feasible, chosen.reason], [false, 'infeasible']);
      const count = chosen.plan['c5.large'] ?? 0;
      assert(count >= 4 && count <= 5, `${count} of ${slow.ratePerSecond}/s for 50/s`);
      const advice = 'planned as if it were met; relax the objective or choose a faster type';
      assert(explanation.includes(`2*s(1)+d = 165 ms; ${because}; ${advice}; expected $`), explanation);
    }
  });

  test('still respects every limit', () => {
    const { feasible, chosen, explanation } = decide('economic', {
      types: [slow],
      overflow: null,
      forecast: flat(3000),
      limits: { min: 1, max: 3 },
    });
    assert.deepEqual([feasible, chosen.plan, chosen.reason], [false, { 'c5.large': 3 }, 'max']);
    assert.match(explanation, /relax the objective or choose a faster type; the maximum allows no more/);
  });

  test('without a configured type nothing changes', () => {
    assert.match(decide('hpa', { types: [], overflow: null }).explanation, /no instance type is configured; there are no functions/);
  });
});

describe('a clock that is set back', () => {
  test('extends no period: stored times keep their age', () => {
    const run = (backMs: number): (number | undefined)[] => {
      const policy = parsePolicy('economic,hold=3');
      let state: ScalingState = initialScalingState;
      let have = 0;
      return [2400, 800, 800, 800, 800].map((count, minute) => {
        const nowMs = minute * minuteMs + 1e9 - (minute >= 2 ? backMs : 0);
        const changes = { forecast: flat(count), types: [running(have)] };
        const decided = decideScaling(policy, state, observed(changes), nowMs);
        state = decided.state;
        have = decided.decision.chosen.plan['c5.large'] ?? -1;
        return have;
      });
    };
    assert.deepEqual(run(0), [3, 3, 3, 1, 1]);
    assert.deepEqual(run(3_600_000).at(-1), 1);
    assert.deepEqual(run(60_000 + 1).slice(0, 3), [3, 3, 3]);
  });
});

describe('a spot notice', () => {
  test('starts an on-demand instance for each spot instance that will be reclaimed', () => {
    const spot = { 'c5.large-spot': { interruptionsPerHour: 0.1, recoveryMs: 120_000, onDemand: 'c5.large' } };
    const observation = observed({ trigger: 'spot', types: [{ ...running(3), name: 'c5.large-spot' }, running(1)] });
    const simulated = { spot, notices: { 'c5.large-spot': 2 } };
    const { decision } = decideScaling(parsePolicy('economic'), initialScalingState, observation, 0, simulated);
    assert.deepEqual([decision.chosen.plan, decision.chosen.reason], [{ 'c5.large-spot': 1, 'c5.large': 3 }, 'spot']);
  });
});

describe('state', () => {
  test('is JSON, and a restored state decides like the original', () => {
    for (const text of policies) {
      let [retained, restored]: ScalingState[] = [initialScalingState, initialScalingState] as const;
      for (let step = 0; step < 30; step++) {
        const nowMs = step * 15_000;
        const changes = {
          types: [running(step % 4)],
          arrivals: step * 300,
          concurrencyMs: step * 9000,
          lastCount: 100 * step,
          forecast: flat(50 * step),
        };
        const one = decideScaling(parsePolicy(text), retained, observed(changes), nowMs);
        const other = decideScaling(parsePolicy(text), JSON.parse(JSON.stringify(restored)) as ScalingState, observed(changes), nowMs);
        assert.deepEqual(other, one, text);
        [retained, restored] = [one.state, other.state];
      }
      assert(JSON.stringify(retained).length < 20_000, text);
    }
  });

  test('of an earlier server is restored without its counters; invalid state is discarded', () => {
    const { state } = decideScaling(parsePolicy('economic'), initialScalingState, observed({ forecast: flat(2000), arrivals: 700 }), 0);
    const restored = restoreScalingState(JSON.parse(JSON.stringify(state)));
    assert.deepEqual(restored, { ...state, memories: { economic: { ...state.memories.economic, arrivals: [] } } });
    for (const strange of [null, 7, 'x', {}, { format: 2 }, { format: 1, slo: null, memories: {} }]) {
      assert.deepEqual(restoreScalingState(strange), initialScalingState);
    }
  });

  test('of another policy is discarded', () => {
    const { state } = decideScaling(parsePolicy('hpa'), initialScalingState, observed({ arrivals: 5 }), 0);
    assert.deepEqual(Object.keys(decideScaling(parsePolicy('kpa'), state, observed(), 1000).state.memories), ['kpa']);
  });
});

describe('every policy', () => {
  const anyObservation = fc.record({
    active: fc.nat(8),
    launching: fc.nat(3),
    arrivals: fc.nat(5000),
    concurrencyMs: fc.nat(1_000_000),
    lastCount: fc.option(fc.nat(6000)),
    slot: fc.array(fc.nat(6000), { minLength: 12, maxLength: 12 }).map((values) => values.sort((a, b) => a - b)),
    hasForecast: fc.boolean(),
    hasOverflow: fc.boolean(),
    hasGpu: fc.boolean(),
    min: fc.nat(3),
    more: fc.nat(9),
    future: fc.array(fc.nat(200), { minLength: 60, maxLength: 60 }),
    afterMs: fc.integer({ min: -100_000, max: 200_000 }),
    trigger: fc.constantFrom('period', 'fast', 'manual', 'restore', 'slo', 'spot'),
  });

  test('respects the limits, does not modify its input, and explains itself', () => {
    fc.assert(
      fc.property(fc.constantFrom(...policies), fc.array(anyObservation, { minLength: 1, maxLength: 8 }), (text, steps) => {
        let state: ScalingState = initialScalingState;
        let nowMs = 1e9;
        for (const { min, more, slot, future, ...step } of steps) {
          nowMs += step.afterMs;
          const types = [{ ...large, active: step.active, launching: step.launching }, ...(step.hasGpu ? [gpu] : [])];
          const observation = observed({
            ...step,
            types,
            limits: { min, max: min + more },
            overflow: step.hasOverflow ? overflow : null,
            forecast: step.hasForecast ? forecast(slot) : null,
          });
          const before = structuredClone({ state, observation });
          const decided = decideScaling(parsePolicy(text), state, observation, nowMs, { future });
          assert.deepEqual({ state, observation }, before);
          const { chosen, explanation, alternatives, inputs } = decided.decision;
          const counts = Object.values(chosen.plan);
          assert(counts.every((count) => Number.isInteger(count) && count >= 0));
          const isFastOrSpot = step.trigger === 'fast' || step.trigger === 'spot';
          if (text !== 'batch' && !isFastOrSpot) {
            assert(planTotal(chosen.plan) <= min + more, `${explanation} of ${min + more}`);
            assert(planTotal(chosen.plan) >= min, `${explanation} of ${min}`);
          }
          assert(explanation.length < 400 && !/NaN|undefined|Infinity/.test(explanation), explanation);
          assert(alternatives.every(({ totalUsd }) => Number.isFinite(totalUsd)));
          assert.equal(inputs.strategy, text);
          JSON.stringify(decided);
          state = decided.state;
        }
      }),
      { numRuns: 400 },
    );
  });
});

test('a decision is stored in the common envelope with its actions', () => {
  const decision = decide('economic', { forecast: forecast(demand), types: [running(1)] });
  const actions = [{ op: 'launch', type: 'c5.large', instance: null }] as const;
  const { kind, trigger, reason, chosen, explanation, changes } = scalingRecord(decision, { endpoint: 'e', variant: 'v' }, actions);
  assert.deepEqual([kind, trigger, reason, changes], ['scaling', 'period', 'argmin', true]);
  assert.deepEqual(chosen, {
    plan: { 'c5.large': 2 },
    reason: 'argmin',
    functions: null,
    warmFunctions: 12,
    overflowUsdPerHourMax: null,
    actions,
  });
  assert.match(explanation, /^grew to 2 × c5\.large: expected \$0\.00423\/min; 1 would cost 0\.00571, 3 0\.00507$/);
});
