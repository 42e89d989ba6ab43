import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { flat, large, minuteMs, observed, running } from '../../../test/scaling-observations.ts';
import type { ScalingDecision } from '../scaling/decide-record.ts';
import { decideScaling } from '../scaling/decide-scaling.ts';
import type { FunctionsObservation, Observation } from '../strategies/observation.ts';
import { parsePolicy } from '../strategies/policy.ts';
import { initialCount, periodsOf } from '../strategies/policy-facts.ts';
import { initialScalingState, type ScalingState } from '../strategies/scaling-state.ts';
import { chooseBatch, durationMs } from './batch.ts';
import { fluidExcess } from './oracle.ts';
import type { SimulatedFacts } from './simulated-facts.ts';

type Changes = Partial<Observation> & { readonly simulated?: SimulatedFacts };

/**
 * A variant under a policy. Time advances by the policy's interval. Desired instances run at once, or stay launching if the test
 * requests it.
 */
class Driven {
  readonly policy;
  state: ScalingState = initialScalingState;
  nowMs = 0;
  have: number;
  arrivals = 0;
  concurrencyMs = 0;
  last: ScalingDecision | null = null;
  #countedAt = 0;

  constructor(text: string, have: number) {
    this.policy = parsePolicy(text);
    this.have = have;
  }

  /** Applies a constant load for some seconds and returns the resulting number of instances. */
  pass(seconds: number, load: { ratePerSecond?: number; concurrency?: number }, changes: Changes = {}): number {
    const { planMs } = periodsOf(this.policy, minuteMs);
    for (const endMs = this.nowMs + seconds * 1000; this.nowMs < endMs; ) {
      this.nowMs += planMs;
      this.arrivals += ((load.ratePerSecond ?? 0) * planMs) / 1000;
      this.concurrencyMs += (load.concurrency ?? 0) * planMs;
      this.decide(changes);
    }
    return this.have;
  }

  decide({ simulated = {}, ...changes }: Changes = {}): ScalingDecision {
    const { arrivals, concurrencyMs, policy } = this;
    const lastCount = arrivals - this.#countedAt;
    this.#countedAt = arrivals;
    const types = [running(this.have)];
    const { state, decision } = decideScaling(
      policy,
      this.state,
      observed({ types, arrivals, concurrencyMs, lastCount, ...changes }),
      this.nowMs,
      simulated,
    );
    this.state = JSON.parse(JSON.stringify(state)) as ScalingState;
    this.have = decision.chosen.plan['c5.large'] ?? -1;
    this.last = decision;
    return decision;
  }
}

describe('hpa', () => {
  test('needs rate / (mu target) instances, and changes nothing within a tenth of that', () => {
    const hpa = new Driven('hpa:70', 2);
    hpa.decide();
    assert.equal(hpa.pass(60, { ratePerSecond: 40 }), 5); // 40 / 9.545 = 4.19
    assert.equal(hpa.last?.explanation, 'kept 5 × c5.large: 40 requests/s need 5 of 9.55/s');
    assert.equal(hpa.pass(120, { ratePerSecond: 52 }), 5, '52 / 47.7 is 1.09');
    assert.equal(hpa.pass(120, { ratePerSecond: 54 }), 6);
  });

  test('removes only instances not needed for five minutes, and never the last one', () => {
    const hpa = new Driven('hpa:70', 4);
    hpa.decide();
    hpa.pass(60, { ratePerSecond: 38 });
    assert.equal(hpa.pass(285, { ratePerSecond: 5 }), 4);
    assert.equal(hpa.last?.chosen.reason, 'hold');
    assert.equal(hpa.pass(75, { ratePerSecond: 0 }), 1);
    assert.equal(hpa.pass(600, { ratePerSecond: 0 }), 1);
  });

  test('scales to zero with functions, and back', () => {
    const hpa = new Driven('hpa:105,window=120+overflow', 2);
    hpa.decide();
    assert.equal(hpa.pass(300, { ratePerSecond: 0 }), 0);
    assert.equal(hpa.pass(60, { ratePerSecond: 20 }), 2);
  });
});

describe('target tracking', () => {
  test('scales out after three minutes above the target, not after two', () => {
    const tracking = new Driven('target-tracking:70', 2);
    assert.equal(tracking.pass(120, { ratePerSecond: 40 }), 2);
    assert.equal(tracking.pass(60, { ratePerSecond: 40 }), 5);
    assert.match(tracking.last?.explanation ?? '', /1200 requests per instance and minute, target 573, above for 3 minutes/);
  });

  test('has a cooldown of five minutes after each change', () => {
    const tracking = new Driven('target-tracking:70', 2);
    tracking.pass(180, { ratePerSecond: 40 });
    assert.equal(tracking.pass(240, { ratePerSecond: 90 }), 5);
    assert.equal(tracking.pass(60, { ratePerSecond: 90 }), 10);
  });

  test('scales in after fifteen minutes below nine tenths of the target, and never removes the last instance', () => {
    const tracking = new Driven('target-tracking:70', 5);
    assert.equal(tracking.pass(14 * 60, { ratePerSecond: 12 }), 5);
    assert.equal(tracking.pass(60, { ratePerSecond: 12 }), 2);
    assert.equal(tracking.pass(3600, { ratePerSecond: 0 }), 1);
  });

  test('has instances that cost a fifth more than the list price', () => {
    const tracking = new Driven('target-tracking', 2);
    tracking.pass(60, { ratePerSecond: 1 });
    assert.equal(tracking.last?.inputs.types['c5.large']?.usdPerHour, 0.085 * 1.2);
  });
});

describe('kpa', () => {
  // The target is .7 of twice the batch size of 3: 4.2 concurrent requests.
  test('needs the mean concurrency over 60 s divided by the target', () => {
    const kpa = new Driven('kpa', 3);
    kpa.decide();
    assert.equal(kpa.pass(60, { concurrency: 16 }), 4);
  });

  test('panics if the mean over six seconds needs twice the ready instances, then removes nothing for a minute', () => {
    const kpa = new Driven('kpa', 2);
    kpa.decide();
    kpa.pass(60, { concurrency: 8 });
    assert.equal(kpa.pass(6, { concurrency: 42 }), 10);
    assert.match(kpa.last?.explanation ?? '', /panic$|panic;/);
    assert.equal(kpa.pass(50, { concurrency: 8 }), 10);
    kpa.pass(80, { concurrency: 8 });
    assert.equal(kpa.have, 2);
  });

  test('scales to zero after a minute without requests and a grace period of 30 s, and back at once', () => {
    const kpa = new Driven('kpa', 1);
    kpa.decide();
    kpa.pass(10, { concurrency: 1 });
    assert.equal(kpa.pass(86, {}), 1);
    assert.equal(kpa.pass(10, {}), 0);
    assert.equal(kpa.pass(2, { concurrency: 1 }), 1);
  });

  test('accepts a concurrency target', () => {
    const kpa = new Driven('kpa,concurrency=100', 1);
    kpa.decide();
    assert.equal(kpa.pass(60, { concurrency: 69 }), 1);
    assert.equal(kpa.pass(60, { concurrency: 139 }), 2);
  });
});

describe('ray', () => {
  test('scales out to two requests per replica after 30 s', () => {
    const ray = new Driven('ray', 1);
    ray.decide();
    assert.equal(ray.pass(29, { concurrency: 9 }), 1);
    assert.equal(ray.pass(3, { concurrency: 9 }), 5);
  });

  test('scales in after ten minutes, and never to zero without functions', () => {
    const ray = new Driven('ray', 5);
    ray.decide();
    assert.equal(ray.pass(598, { concurrency: 2 }), 5);
    assert.equal(ray.pass(5, { concurrency: 2 }), 1);
    assert.equal(ray.pass(700, {}), 1);
  });

  test('starts the first replica at once', () => {
    const ray = new Driven('ray+overflow', 0);
    ray.decide();
    assert.equal(ray.pass(0.5, { concurrency: 1 }), 1);
  });
});

describe('rules for the whole run', () => {
  test('static has enough for the busiest minute at 85 %, or the configured number', () => {
    assert.equal(new Driven('static', 0).decide({ simulated: { peakRatePerSecond: 110 } }).chosen.plan['c5.large'], 10);
    assert.equal(new Driven('static:3', 0).decide().chosen.plan['c5.large'], 3);
    const unknown = new Driven('static', 2).decide();
    assert.deepEqual([unknown.chosen.plan['c5.large'], unknown.chosen.reason], [2, 'no-measurement']);
    assert.match(unknown.explanation, /set a number, such as static:4/);
  });

  test('running-max never decreases', () => {
    const max = new Driven('running-max', 0);
    assert.equal(max.decide({ lastCount: 2000 }).chosen.plan['c5.large'], 4); // 1.44 * 2000 / 818.2
    assert.equal(max.decide({ lastCount: 10 }).chosen.plan['c5.large'], 4);
    assert.equal(max.decide({ lastCount: null }).chosen.plan['c5.large'], 4);
  });
});

describe('hybrid and instances-only', () => {
  const demand = [1000, 1100, 1250, 1350, 1450, 1550, 1650, 1800, 2000, 2400, 2800, 3600];
  const forecast = { model: 'x', residualsSeen: 0, horizons: [1, 3].map((h) => ({ h, mean: 1500, quantiles: demand })) };

  for (const [text, count] of [
    ['hybrid', 4], // 2400 / 695.5
    ['hybrid:50', 3],
    ['instances-only', 6],
    ['instances-only:95', 5],
  ] as const) {
    test(`${text} needs ${count}`, () => {
      assert.equal(new Driven(text, 0).decide({ forecast }).chosen.plan['c5.large'], count);
    });
  }

  test('keep instances for five slots', () => {
    const hybrid = new Driven('hybrid', 0);
    hybrid.decide({ forecast: flat(2400) });
    const counts = [1, 2, 3, 4, 5].map((minute) => {
      hybrid.nowMs = minute * minuteMs;
      return hybrid.decide({ forecast: flat(0) }).chosen.plan['c5.large'];
    });
    assert.deepEqual(counts, [4, 4, 4, 4, 0]);
  });
});

describe('batch', () => {
  // 140 vCPU-ms of work: dur = 10 + 140 b / e ms, where e = v up to one vCPU and v^0.93 above.
  const sizes = [1769, 2654, 3538, 5307].map((memoryMiB) => {
    const vcpu = memoryMiB / 1769;
    const ms = (b: number): number => 10 + (140 * b) / (vcpu <= 1 ? vcpu : vcpu ** 0.93);
    return { memoryMiB, service: [1, 16].map((b) => ({ b, ms: ms(b) })) };
  });
  const functions: FunctionsObservation = { sizes, usdPerGbSecond: 1.66667e-5, usdPerInvocation: 2e-7 };

  test('the price of one request matches published values for these sizes', () => {
    const usdPerMillion = (memoryMiB: number, b: number): string => {
      const size = sizes.find((other) => other.memoryMiB === memoryMiB) as (typeof sizes)[number];
      const usd = ((memoryMiB / 1024) * durationMs(size, b) * functions.usdPerGbSecond) / 1000 + functions.usdPerInvocation;
      return ((usd / b) * 1e6).toFixed(2);
    };
    assert.deepEqual(
      [usdPerMillion(3538, 1), usdPerMillion(3538, 2), usdPerMillion(3538, 4), usdPerMillion(1769, 1)],
      ['5.01', '4.62', '4.43', '4.52'],
    );
  });

  test('rare requests are dispatched at once on the cheapest size; at higher rates requests wait', () => {
    const rare = chooseBatch(functions, 0, 500);
    assert.deepEqual([rare.choice.memoryMiB, rare.choice.batchSizeMax, rare.choice.waitMsMax, rare.isFeasible], [1769, 1, 0, true]);
    const busy = chooseBatch(functions, 30, 500);
    assert(
      busy.choice.batchSizeMax > 1 && busy.choice.waitMsMax > 0 && busy.choice.expectedUsdPerRequest < rare.choice.expectedUsdPerRequest,
    );
  });

  test('the longest wait still meets the objective', () => {
    for (const rate of [0.1, 1, 5, 20, 100, 1000]) {
      const { choice } = chooseBatch(functions, rate, 500);
      const size = sizes.find(({ memoryMiB }) => memoryMiB === choice.memoryMiB) as (typeof sizes)[number];
      assert(choice.waitMsMax + 60 + 1.05 * durationMs(size, choice.batchSizeMax) <= 500 + 1e-9);
    }
  });

  test('if no setting meets the objective, the fastest is chosen and the decision says so', () => {
    const decision = new Driven('batch', 0).decide({ simulated: { functions }, objective: { percentile: 95, latencyMs: 50 } });
    assert.deepEqual([decision.feasible, decision.chosen.reason, decision.chosen.functions?.memoryMiB], [false, 'infeasible', 5307]);
  });

  test('averages the rate with the smoothed one each minute, and runs no instances', () => {
    const batch = new Driven('batch', 3);
    batch.decide({ simulated: { functions } });
    batch.pass(60, { ratePerSecond: 10 }, { simulated: { functions } });
    assert.equal(batch.state.memories.batch?.ratePerSecond, 10);
    batch.pass(60, { ratePerSecond: 30 }, { simulated: { functions } });
    assert.equal(batch.state.memories.batch?.ratePerSecond, 20);
    assert.deepEqual([batch.have, batch.last?.inputs.regime], [0, 'serverless-only']);
  });

  test('without a measured size the decision says what is missing', () => {
    const decision = new Driven('batch', 0).decide();
    assert.deepEqual(
      [decision.feasible, decision.explanation],
      [false, 'kept no instance: no memory size of a function has been measured'],
    );
  });
});

describe('oracle', () => {
  const second = (count: number): number[] => new Array<number>(60).fill(count);

  test('uses functions for requests that would cost more with another instance', () => {
    const oracle = new Driven('oracle+overflow', 0);
    assert.equal(oracle.decide({ simulated: { future: second(12) } }).chosen.plan['c5.large'], 1);
    assert.equal(oracle.decide({ simulated: { future: second(16) } }).chosen.plan['c5.large'], 1);
    assert.equal(oracle.decide({ simulated: { future: second(22) } }).chosen.plan['c5.large'], 2);
    assert.equal(oracle.decide({ simulated: { future: second(1) } }).chosen.plan['c5.large'], 0);
  });

  test('without functions allows no excess', () => {
    const oracle = new Driven('oracle', 0);
    const future = [...second(5), 30];
    const count = oracle.decide({ simulated: { future } }).chosen.plan['c5.large'] ?? 0;
    assert.equal(fluidExcess(future, count, large.ratePerSecond * 0.85), 0);
    assert(fluidExcess(future, count - 1, large.ratePerSecond * 0.85) > 0);
  });
});

describe('policy properties known in advance', () => {
  test('reactive policies start at 70 % utilisation, with twice that number if their target is low', () => {
    const begins = (text: string): number => initialCount(parsePolicy(text), 30, large.ratePerSecond);
    assert.deepEqual(['hpa', 'hpa:45', 'hpa:35', 'hpa:22', 'target-tracking:40', 'kpa'].map(begins), [4, 4, 8, 8, 8, 4]);
  });
});
