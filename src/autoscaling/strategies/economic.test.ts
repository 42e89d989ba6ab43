import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { flat, forecast, gpu, large, minuteMs, noLimits, observed, overflow, running } from '../../../test/scaling-observations.ts';
import type { ScalingDecision } from '../scaling/decide-record.ts';
import { decideScaling } from '../scaling/decide-scaling.ts';
import type { Observation } from './observation.ts';
import { parsePolicy } from './policy.ts';
import { initialScalingState, type ScalingState } from './scaling-state.ts';

const demand = [1000, 1100, 1250, 1350, 1450, 1550, 1650, 1800, 2000, 2400, 2800, 3600];
const economic = parsePolicy('economic');

/** Advances minute by minute; desired instances are running in the next minute. */
class Minutes {
  state: ScalingState = initialScalingState;
  minute = 0;
  have: Record<string, number> = {};
  readonly policy;

  constructor(text = 'economic') {
    this.policy = parsePolicy(text);
  }

  next(changes: Partial<Observation>): ScalingDecision {
    const types = (changes.types ?? [large]).map((type) => ({ ...type, active: this.have[type.name] ?? 0 }));
    const { state, decision } = decideScaling(this.policy, this.state, observed({ ...changes, types }), this.minute * minuteMs);
    this.state = JSON.parse(JSON.stringify(state)) as ScalingState;
    this.minute++;
    this.have = { ...decision.chosen.plan };
    return decision;
  }

  plans(count: number, changes: Partial<Observation>): (number | undefined)[] {
    return Array.from({ length: count }, () => this.next(changes).chosen.plan['c5.large']);
  }
}

const decide = (changes: Partial<Observation>, text = 'economic'): ScalingDecision =>
  decideScaling(parsePolicy(text), initialScalingState, observed(changes), 0).decision;
const countOf = (decision: ScalingDecision): number | undefined => decision.chosen.plan['c5.large'];

describe('an instance that runs', () => {
  for (const { text, requests, plans } of [
    { text: 'economic', requests: 230, plans: [1, 1, 1, 1] },
    { text: 'economic', requests: 190, plans: [1, 0, 0, 0] },
    { text: 'economic,forecaster=rls-ar', requests: 230, plans: [1, 0, 0, 0] },
  ]) {
    // An instance costs as much as 283 calls. It is held for two slots after it last paid off.
    test(`under ${text} and ${requests} requests a slot ${plans[3] === 1 ? 'stays, because it saves 70 % of its price' : 'is removed'}`, () => {
      const minutes = new Minutes(text);
      minutes.next({ forecast: flat(700) });
      assert.deepEqual(minutes.plans(4, { forecast: flat(requests) }), plans);
      assert.equal(countOf(decide({ forecast: flat(requests) }, text)), 0, 'none is started for so few');
    });
  }
});

describe('the cheapest plan', () => {
  test('keeps two instances and reports the cost of one more and one fewer', () => {
    const decision = decide({ forecast: forecast(demand), types: [running(2)] });
    assert.equal(decision.explanation, 'kept 2 × c5.large: expected $0.00395/min; 1 would cost 0.00571, 3 0.00478');
    assert.deepEqual(
      [decision.chosen.reason, decision.changes, decision.inputs.regime, decision.chosen.warmFunctions],
      ['argmin', false, 'hybrid', 12],
    );
    assert.deepEqual(
      decision.alternatives.map(({ plan, totalUsd }) => [plan['c5.large'], Math.round(totalUsd * 1e7) / 10]),
      [
        [2, 3948.1],
        [1, 5714.4],
        [3, 4783.2],
        [0, 8394.5],
      ],
    );
  });

  for (const { when, changes, count, reason } of [
    { when: 'there is no limit', changes: {}, count: 2, reason: 'argmin' },
    { when: 'the minimum is higher', changes: { limits: { min: 4, max: 9 } }, count: 4, reason: 'min' },
    { when: 'the maximum is lower', changes: { limits: { min: 0, max: 1 } }, count: 1, reason: 'max' },
    {
      when: 'the hourly budget is nearly exhausted',
      changes: { limits: { ...noLimits, budget: { usdMax: 0.2, spentUsd: 0.15, remainingMs: 1_800_000 } } },
      count: 1,
      reason: 'budget',
    },
    {
      when: 'the budget is exhausted, and the minimum stays',
      changes: { limits: { min: 1, max: 9, budget: { usdMax: 1, spentUsd: 2, remainingMs: 60_000 } } },
      count: 1,
      reason: 'budget',
    },
    {
      when: 'a scheduled floor begins before they could be ready',
      changes: { limits: { ...noLimits, floors: [{ days: [], fromMinute: 2, untilMinute: 60, instances: 5 }] } },
      count: 5,
      reason: 'schedule',
    },
    { when: 'no traffic is forecast', changes: { forecast: flat(0) }, count: 0, reason: 'argmin' },
  ] as const) {
    test(`${when}: ${count}, because ${reason}`, () => {
      const decision = decide({ forecast: forecast(demand), ...changes });
      assert.deepEqual([countOf(decision), decision.chosen.reason], [count, reason]);
    });
  }

  test('functions can spend the rest of the budget', () => {
    const limits = { ...noLimits, budget: { usdMax: 0.2, spentUsd: 0.15, remainingMs: 1_800_000 } };
    const { chosen } = decide({ forecast: forecast(demand), limits });
    assert.equal(chosen.overflowUsdPerHourMax?.toFixed(4), (0.1 - 0.085).toFixed(4));
  });
});

describe('a plan that recently paid off', () => {
  test('is kept for two slots, or three if configured', () => {
    for (const { text, plans } of [
      { text: 'economic', plans: [3, 1, 1, 1] },
      { text: 'economic,hold=3', plans: [3, 3, 1, 1] },
    ]) {
      const minutes = new Minutes(text);
      minutes.plans(1, { forecast: flat(2400) });
      assert.deepEqual(minutes.plans(4, { forecast: flat(800) }), plans, text);
    }
  });

  test('does not expire sooner because of an extra decision', () => {
    const minutes = new Minutes();
    minutes.plans(1, { forecast: flat(2400) });
    minutes.minute = 0.2;
    const decision = minutes.next({ forecast: flat(800), trigger: 'manual' });
    assert.equal(countOf(decision), 1, 'the new plan replaces the one of the same slot');
  });

  test('is kept while the next slot needs it, even if later slots do not', () => {
    const [few, many] = [new Array<number>(12).fill(800), new Array<number>(12).fill(2400)];
    assert.equal(countOf(decide({ forecast: forecast(few, many), types: [running(3)] })), 3);
    assert.equal(countOf(decide({ forecast: forecast(few, many), types: [running(0)] })), 1, 'but nothing is started for it');
  });
});

describe('without functions', () => {
  const alone = { overflow: null };

  for (const { when, quantiles, near, count } of [
    { when: 'the highest quantile', quantiles: demand, near: demand, count: 6 },
    { when: 'that of the next slot if it is higher', quantiles: new Array<number>(12).fill(10), near: demand, count: 6 },
    { when: 'no demand', quantiles: new Array<number>(12).fill(0), near: new Array<number>(12).fill(0), count: 1 },
  ]) {
    test(`instances carry ${when} at 85 % utilisation: ${count}`, () => {
      const decision = decide({ forecast: forecast(quantiles, near), ...alone });
      assert.deepEqual(
        [countOf(decision), decision.inputs.regime, decision.inputs.rho, decision.chosen.warmFunctions],
        [count, 'instances-only', 0.85, 0],
      );
    });
  }

  test('instances are kept for five slots', () => {
    const minutes = new Minutes();
    minutes.plans(1, { forecast: flat(2000), ...alone });
    assert.deepEqual(minutes.plans(6, { forecast: flat(600), ...alone }), [3, 3, 3, 3, 1, 1]);
  });
});

describe('functions alone', () => {
  const twoCosts = { overflow: { usdPerRequest: 5e-6, usdPerRequestAlone: 4.4e-6 } };

  test('serve once no instance has paid off for ten minutes, without pings', () => {
    const minutes = new Minutes();
    const regimes = Array.from({ length: 12 }, () => minutes.next({ forecast: flat(60), ...twoCosts }).inputs.regime);
    assert.deepEqual(regimes, [...new Array<string>(10).fill('hybrid'), 'serverless-only', 'serverless-only']);
    assert.equal(minutes.next({ forecast: flat(60), ...twoCosts }).chosen.warmFunctions, 0);
  });

  test('are replaced once an instance is 5 % cheaper in two consecutive slots, not in alternate ones', () => {
    const minutes = new Minutes();
    minutes.plans(11, { forecast: flat(0), ...twoCosts });
    const busy = { forecast: flat(800), ...twoCosts };
    const plans = [...minutes.plans(1, busy), ...minutes.plans(1, { forecast: flat(0), ...twoCosts }), ...minutes.plans(3, busy)];
    assert.deepEqual(plans, [0, 0, 0, 1, 1]);
  });

  test('are not replaced for a gain below 5 %', () => {
    const minutes = new Minutes();
    minutes.plans(11, { forecast: flat(0), ...twoCosts });
    const breakEven = (0.085 / 60) * 1.2; // including the start
    const barely = { forecast: flat((breakEven * 1.03) / 4.4e-6), ...twoCosts };
    assert.deepEqual(minutes.plans(4, barely), [0, 0, 0, 0]);
  });

  test('are replaced at once if there is a minimum', () => {
    const minutes = new Minutes();
    minutes.plans(11, { forecast: flat(0), ...twoCosts });
    assert.deepEqual(minutes.plans(1, { forecast: flat(0), ...twoCosts, limits: { min: 1, max: 5 } }), [1]);
  });
});

describe('a limited number of functions', () => {
  const upTo = (ratePerSecondMax: number) => ({ overflow: { ...overflow, ratePerSecondMax } });

  for (const { when, quantiles, most, count } of [
    { when: 'take everything that two instances leave', quantiles: demand, most: 60, count: 2 },
    { when: 'take less than the highest quantile leaves', quantiles: demand, most: 20, count: 3 },
    { when: 'cannot serve alone, although no instance pays off', quantiles: new Array<number>(12).fill(60), most: 0.5, count: 1 },
  ]) {
    test(`${when}: ${count}`, () => {
      const { chosen, explanation } = decide({ forecast: forecast(quantiles), ...upTo(most) });
      assert.deepEqual(chosen.plan, { 'c5.large': count });
      assert.equal(explanation.includes(`functions can serve at most ${most}/s`), most !== 60, explanation);
    });
  }

  test('cause a first instance at once if they are too few, even if the forecast has few residuals', () => {
    const minutes = new Minutes();
    minutes.plans(11, { forecast: flat(60) });
    assert.deepEqual(minutes.plans(1, { forecast: flat(60), ...upTo(0.5) }), [1]);
    assert.equal(countOf(decide({ forecast: { ...flat(60), residualsSeen: 1 }, ...upTo(0.5) })), 1);
  });
});

describe('several types', () => {
  const both = [large, gpu];

  test('a GPU instance replaces many small ones, which serve until it is ready', () => {
    const minutes = new Minutes();
    minutes.have = { 'c5.large': 12 };
    const busy = { forecast: flat(170 * 60), types: both };
    const first = minutes.next(busy);
    assert.deepEqual([first.chosen.plan, first.chosen.reason], [{ 'c5.large': 12, 'g4dn.xlarge': 1 }, 'replace']);
    minutes.next(busy);
    assert.deepEqual(minutes.next(busy).chosen.plan, { 'c5.large': 0, 'g4dn.xlarge': 1 });
  });

  test('a type without measurements is unchanged; one that cannot meet the objective is removed', () => {
    const unmeasured = { ...gpu, ratePerSecond: 0, active: 2 };
    const slow = {
      ...gpu,
      name: 'slow',
      isFeasible: false,
      infeasibleBecause: 'type slow cannot meet 500 ms: 2*s(1)+d = 900 ms',
      active: 1,
    };
    const { chosen, inputs } = decide({ forecast: forecast(demand), types: [running(2), unmeasured, slow] });
    assert.deepEqual({ slow: 0, ...chosen.plan }, { 'c5.large': 2, 'g4dn.xlarge': 2, slow: 0 });
    assert.equal(inputs.excluded.length, 2);
  });
});

describe('a missed objective', () => {
  const burning = {
    minute: { requests: 200, violations: 20 },
    fiveMinutes: { requests: 1000, violations: 100 },
    hour: { requests: 10_000, violations: 500 },
    watchedMs: 3_600_000,
  };

  test('adds instances beyond the cheapest plan, level by level', () => {
    const minutes = new Minutes();
    const changes = { forecast: forecast(demand), slo: burning };
    const first = minutes.next(changes);
    assert.deepEqual([countOf(first), first.inputs.level, first.inputs.rho, first.chosen.reason], [3, 1, 0.95, 'slo-floor']);
    minutes.plans(4, changes);
    const second = minutes.next(changes);
    assert.deepEqual([countOf(second), second.inputs.level, second.inputs.rho], [4, 2, 0.9]);
  });
});

describe('between two plans', () => {
  const quick = { ...large, leadMs: 30_000 };

  /** Decides at 0, 15 and 30 s, at a constant request rate. */
  function fastAt(ratePerSecond: number, changes: Partial<Observation>, text = 'economic'): ScalingDecision {
    let state: ScalingState = initialScalingState;
    let decision: ScalingDecision | undefined;
    for (const [i, trigger] of (['period', 'fast', 'fast'] as const).entries()) {
      const seen = observed({ forecast: flat(0), ...changes, trigger, arrivals: i * 15 * ratePerSecond });
      ({ state, decision } = decideScaling(parsePolicy(text), state, seen, i * 15_000));
    }
    return decision as ScalingDecision;
  }

  for (const { when, rate, changes, text, count } of [
    { when: 'the rate far exceeds one instance', rate: 40, changes: { types: [running(1, quick)] }, text: 'economic', count: 3 },
    {
      when: 'the rate slightly exceeds it, and functions take the excess',
      rate: 17,
      changes: { types: [running(1, quick)] },
      text: 'economic',
      count: 1,
    },
    {
      when: 'the rate slightly exceeds it, and there are no functions',
      rate: 17,
      changes: { types: [running(1, quick)], overflow: null },
      text: 'economic',
      count: 2,
    },
    { when: 'none runs and functions take everything', rate: 400, changes: { types: [quick] }, text: 'economic', count: 0 },
    { when: 'instances start too slowly', rate: 40, changes: { types: [running(1)] }, text: 'economic', count: 1 },
    {
      when: 'instances start slowly, and the fast path is forced on',
      rate: 40,
      changes: { types: [running(1)] },
      text: 'economic,fast=on',
      count: 3,
    },
    { when: 'the fast path is off', rate: 40, changes: { types: [running(1, quick)] }, text: 'economic,fast=off', count: 1 },
    {
      when: 'the maximum is lower',
      rate: 400,
      changes: { types: [running(1, quick)], limits: { min: 0, max: 2 } },
      text: 'economic',
      count: 2,
    },
    { when: 'fewer would suffice', rate: 1, changes: { types: [running(4, quick)] }, text: 'economic', count: 4 },
  ] as const) {
    test(`${when}: ${count}`, () => {
      assert.equal(countOf(fastAt(rate, changes, text)), count);
    });
  }
});

test('more demand or more expensive functions never mean fewer instances', () => {
  const counts = fc
    .array(fc.integer({ min: 0, max: 5000 }), { minLength: 12, maxLength: 12 })
    .map((values) => values.sort((a, b) => a - b));
  fc.assert(
    fc.property(counts, fc.double({ min: 1, max: 3, noNaN: true }), fc.nat(5), (quantiles, factor, have) => {
      const types = [running(have)];
      const count = (values: readonly number[], usdPerRequest: number): number =>
        countOf(
          decideScaling(economic, initialScalingState, observed({ forecast: forecast(values), types, overflow: { usdPerRequest } }), 0)
            .decision,
        ) ?? -1;
      const here = count(quantiles, overflow.usdPerRequest);
      assert(
        count(
          quantiles.map((value) => value * factor),
          overflow.usdPerRequest,
        ) >= here,
      );
      assert(count(quantiles, overflow.usdPerRequest * factor) >= here);
    }),
  );
});
