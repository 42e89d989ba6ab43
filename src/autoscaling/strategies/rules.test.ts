import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { flat, large, minuteMs, observed, running } from '../../../test/scaling-observations.ts';
import type { ScalingDecision } from '../decide-record.ts';
import { decideScaling } from '../decide-scaling.ts';
import { chooseBatch, durationMs } from './batch.ts';
import type { FunctionsObservation, Observation } from './observation.ts';
import { fluidExcess } from './oracle.ts';
import { parsePolicy } from './policy.ts';
import { initialCount, periodsOf } from './policy-facts.ts';
import { type ScalingState, scalingBegin } from './scaling-state.ts';

/** A variant under a policy: time passes in its periods, what is wanted runs at once (or stays launching, if so told). */
class Driven {
  readonly policy;
  state: ScalingState = scalingBegin;
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

  /** Under a steady load for so many seconds; how many there are then. */
  pass(seconds: number, load: { ratePerSecond?: number; concurrency?: number }, changes: Partial<Observation> = {}): number {
    const { planMs } = periodsOf(this.policy, minuteMs);
    for (const endMs = this.nowMs + seconds * 1000; this.nowMs < endMs; ) {
      this.nowMs += planMs;
      this.arrivals += ((load.ratePerSecond ?? 0) * planMs) / 1000;
      this.concurrencyMs += (load.concurrency ?? 0) * planMs;
      this.decide(changes);
    }
    return this.have;
  }

  decide(changes: Partial<Observation> = {}): ScalingDecision {
    const { arrivals, concurrencyMs, policy } = this;
    const lastCount = arrivals - this.#countedAt;
    this.#countedAt = arrivals;
    const types = [running(this.have)];
    const { state, decision } = decideScaling(
      policy,
      this.state,
      observed({ types, arrivals, concurrencyMs, lastCount, ...changes }),
      this.nowMs,
    );
    this.state = JSON.parse(JSON.stringify(state)) as ScalingState;
    this.have = decision.chosen.plan['c5.large'] ?? -1;
    this.last = decision;
    return decision;
  }
}

describe('hpa', () => {
  test('wants rate / (mu target), and stays where it is within a tenth of that', () => {
    const hpa = new Driven('hpa:70', 2);
    hpa.decide();
    assert.equal(hpa.pass(60, { ratePerSecond: 40 }), 5); // 40 / 9.545 = 4.19
    assert.equal(hpa.last?.explanation, 'kept 5 × c5.large: 40 requests/s need 5 of 9.55/s');
    assert.equal(hpa.pass(120, { ratePerSecond: 52 }), 5, '52 / 47.7 is 1.09');
    assert.equal(hpa.pass(120, { ratePerSecond: 54 }), 6);
  });

  test('gives up only what nobody wanted for five minutes, and never the last', () => {
    const hpa = new Driven('hpa:70', 4);
    hpa.decide();
    hpa.pass(60, { ratePerSecond: 38 });
    assert.equal(hpa.pass(285, { ratePerSecond: 5 }), 4);
    assert.equal(hpa.last?.chosen.reason, 'hold');
    assert.equal(hpa.pass(75, { ratePerSecond: 0 }), 1);
    assert.equal(hpa.pass(600, { ratePerSecond: 0 }), 1);
  });

  test('with functions goes down to none, and comes back', () => {
    const hpa = new Driven('hpa:105,window=120+overflow', 2);
    hpa.decide();
    assert.equal(hpa.pass(300, { ratePerSecond: 0 }), 0);
    assert.equal(hpa.pass(60, { ratePerSecond: 20 }), 2);
  });
});

describe('target tracking', () => {
  test('starts more after three minutes above its target, not after two', () => {
    const tracking = new Driven('target-tracking:70', 2);
    assert.equal(tracking.pass(120, { ratePerSecond: 40 }), 2);
    assert.equal(tracking.pass(60, { ratePerSecond: 40 }), 5);
    assert.match(tracking.last?.explanation ?? '', /1200 requests per instance and minute, target 573, above for 3 minutes/);
  });

  test('cools down for five minutes after it changed anything', () => {
    const tracking = new Driven('target-tracking:70', 2);
    tracking.pass(180, { ratePerSecond: 40 });
    assert.equal(tracking.pass(240, { ratePerSecond: 90 }), 5);
    assert.equal(tracking.pass(60, { ratePerSecond: 90 }), 10);
  });

  test('gives some up after fifteen minutes below nine tenths, and never the last', () => {
    const tracking = new Driven('target-tracking:70', 5);
    assert.equal(tracking.pass(14 * 60, { ratePerSecond: 12 }), 5);
    assert.equal(tracking.pass(60, { ratePerSecond: 12 }), 2);
    assert.equal(tracking.pass(3600, { ratePerSecond: 0 }), 1);
  });

  test('its instances cost a fifth more than the list says', () => {
    const tracking = new Driven('target-tracking', 2);
    tracking.pass(60, { ratePerSecond: 1 });
    assert.equal(tracking.last?.inputs.types['c5.large']?.usdPerHour, 0.085 * 1.2);
  });
});

describe('kpa', () => {
  // Target: .7 of twice a batch of 3 is 4.2 at once.
  test('wants the mean concurrency over 60 s / target', () => {
    const kpa = new Driven('kpa', 3);
    kpa.decide();
    assert.equal(kpa.pass(60, { concurrency: 16 }), 4);
  });

  test('panics when six seconds want twice what is ready, and gives nothing up for a minute then', () => {
    const kpa = new Driven('kpa', 2);
    kpa.decide();
    kpa.pass(60, { concurrency: 8 });
    assert.equal(kpa.pass(6, { concurrency: 42 }), 10);
    assert.match(kpa.last?.explanation ?? '', /panic$|panic;/);
    assert.equal(kpa.pass(50, { concurrency: 8 }), 10);
    kpa.pass(80, { concurrency: 8 });
    assert.equal(kpa.have, 2);
  });

  test('is gone after a minute without anybody and thirty seconds of grace, and back at once', () => {
    const kpa = new Driven('kpa', 1);
    kpa.decide();
    kpa.pass(10, { concurrency: 1 });
    assert.equal(kpa.pass(86, {}), 1);
    assert.equal(kpa.pass(10, {}), 0);
    assert.equal(kpa.pass(2, { concurrency: 1 }), 1);
  });

  test('may be told what one instance is for', () => {
    const kpa = new Driven('kpa,concurrency=100', 1);
    kpa.decide();
    assert.equal(kpa.pass(60, { concurrency: 69 }), 1);
    assert.equal(kpa.pass(60, { concurrency: 139 }), 2);
  });
});

describe('ray', () => {
  test('grows after half a minute of wanting more, two requests each', () => {
    const ray = new Driven('ray', 1);
    ray.decide();
    assert.equal(ray.pass(29, { concurrency: 9 }), 1);
    assert.equal(ray.pass(3, { concurrency: 9 }), 5);
  });

  test('shrinks after ten minutes of wanting less, and never to none without functions', () => {
    const ray = new Driven('ray', 5);
    ray.decide();
    assert.equal(ray.pass(598, { concurrency: 2 }), 5);
    assert.equal(ray.pass(5, { concurrency: 2 }), 1);
    assert.equal(ray.pass(700, {}), 1);
  });

  test('starts the first at once', () => {
    const ray = new Driven('ray+overflow', 0);
    ray.decide();
    assert.equal(ray.pass(0.5, { concurrency: 1 }), 1);
  });
});

describe('rules for the whole run', () => {
  test('static carries the busiest minute at 85 %, or is the number it was given', () => {
    assert.equal(new Driven('static', 0).decide({ peakRatePerSecond: 110 }).chosen.plan['c5.large'], 10);
    assert.equal(new Driven('static:3', 0).decide().chosen.plan['c5.large'], 3);
    const unknown = new Driven('static', 2).decide();
    assert.deepEqual([unknown.chosen.plan['c5.large'], unknown.chosen.reason], [2, 'no-measurement']);
    assert.match(unknown.explanation, /give the number itself, such as static:4/);
  });

  test('running-max never forgets', () => {
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
    test(`${text} wants ${count}`, () => {
      assert.equal(new Driven(text, 0).decide({ forecast }).chosen.plan['c5.large'], count);
    });
  }

  test('keep them for five slots', () => {
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
  // 140 vCPU-ms of work: dur = 10 + 140 b / e ms, e = v up to one vCPU, v^0.93 above.
  const sizes = [1769, 2654, 3538, 5307].map((memoryMiB) => {
    const vcpu = memoryMiB / 1769;
    const ms = (b: number): number => 10 + (140 * b) / (vcpu <= 1 ? vcpu : vcpu ** 0.93);
    return { memoryMiB, service: [1, 16].map((b) => ({ b, ms: ms(b) })) };
  });
  const functions: FunctionsObservation = { sizes, usdPerGbSecond: 1.66667e-5, usdPerInvocation: 2e-7 };

  test('the price of one request is what is known of these sizes', () => {
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

  test('alone and rarely, a request goes at once from the size that costs least; in company it waits', () => {
    const rare = chooseBatch(functions, 0, 500);
    assert.deepEqual([rare.choice.memoryMiB, rare.choice.batchSizeMax, rare.choice.waitMsMax, rare.isFeasible], [1769, 1, 0, true]);
    const busy = chooseBatch(functions, 30, 500);
    assert(
      busy.choice.batchSizeMax > 1 && busy.choice.waitMsMax > 0 && busy.choice.expectedUsdPerRequest < rare.choice.expectedUsdPerRequest,
    );
  });

  test('what waits longest still keeps the objective', () => {
    for (const rate of [0.1, 1, 5, 20, 100, 1000]) {
      const { choice } = chooseBatch(functions, rate, 500);
      const size = sizes.find(({ memoryMiB }) => memoryMiB === choice.memoryMiB) as (typeof sizes)[number];
      assert(choice.waitMsMax + 60 + 1.05 * durationMs(size, choice.batchSizeMax) <= 500 + 1e-9);
    }
  });

  test('where none keeps it the fastest is taken, and the decision says so', () => {
    const decision = new Driven('batch', 0).decide({ functions, objective: { percentile: 95, latencyMs: 50 } });
    assert.deepEqual([decision.feasible, decision.chosen.reason, decision.chosen.functions?.memoryMiB], [false, 'infeasible', 5307]);
  });

  test('follows the rate half-way each minute, and keeps no instance', () => {
    const batch = new Driven('batch', 3);
    batch.decide({ functions });
    batch.pass(60, { ratePerSecond: 10 }, { functions });
    assert.equal(batch.state.memories.batch?.ratePerSecond, 10);
    batch.pass(60, { ratePerSecond: 30 }, { functions });
    assert.equal(batch.state.memories.batch?.ratePerSecond, 20);
    assert.deepEqual([batch.have, batch.last?.inputs.regime], [0, 'serverless-only']);
  });

  test('without any size measured it says what is missing', () => {
    const decision = new Driven('batch', 0).decide();
    assert.deepEqual([decision.feasible, decision.explanation], [false, 'kept no instance: no memory size of a function is measured']);
  });
});

describe('oracle', () => {
  const second = (count: number): number[] => new Array<number>(60).fill(count);

  test('leaves to functions what one more instance would cost more for', () => {
    const oracle = new Driven('oracle+overflow', 0);
    assert.equal(oracle.decide({ future: second(12) }).chosen.plan['c5.large'], 1);
    assert.equal(oracle.decide({ future: second(16) }).chosen.plan['c5.large'], 1);
    assert.equal(oracle.decide({ future: second(22) }).chosen.plan['c5.large'], 2);
    assert.equal(oracle.decide({ future: second(1) }).chosen.plan['c5.large'], 0);
  });

  test('without functions leaves nothing over', () => {
    const oracle = new Driven('oracle', 0);
    const future = [...second(5), 30];
    const count = oracle.decide({ future }).chosen.plan['c5.large'] ?? 0;
    assert.equal(fluidExcess(future, count, large.ratePerSecond * 0.85), 0);
    assert(fluidExcess(future, count - 1, large.ratePerSecond * 0.85) > 0);
  });
});

describe('what a driver knows beforehand', () => {
  test('reactive rules begin at 70 % utilisation, with twice that where their target is low', () => {
    const begins = (text: string): number => initialCount(parsePolicy(text), 30, large.ratePerSecond);
    assert.deepEqual(['hpa', 'hpa:45', 'hpa:35', 'hpa:22', 'target-tracking:40', 'kpa'].map(begins), [4, 4, 8, 8, 8, 4]);
  });
});
