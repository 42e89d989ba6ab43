import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { loadFrom, loadOf, specOf } from '../../test/simulations.ts';
import { affineService } from '../profiling/index.ts';
import type { SimulationResult } from './report/result.ts';
import type { SimulatedProfile } from './simulated/profile.ts';
import { pointsOf } from './simulated/service-law.ts';
import { Simulation } from './simulation.ts';
import type { SimulationSpec } from './simulation-spec.ts';

const simulate = (spec: SimulationSpec): Promise<SimulationResult> => new Simulation(spec).run();
const near = (value: number, wanted: number, tolerance: number): void => {
  assert(Math.abs(value - wanted) <= tolerance, `${value} is not ${wanted} ± ${tolerance}`);
};
const sum = (values: readonly number[]): number => values.reduce((total, value) => total + value, 0);

/** An instance type that runs one row at a time. */
function oneAtATime(ms: number, usdPerHour = 3.6): Pick<SimulationSpec, 'profile' | 'types' | 'jitter'> {
  const service = pointsOf(affineService({ aMs: 0, eachMs: ms, batchMax: 1 }));
  const profile: SimulatedProfile = {
    name: 'one',
    overheadMs: 0,
    types: [{ name: 'one', usdPerHour, usdPerHourSpot: null, leadMs: null, service }],
    functions: [],
    memoryMiB: null,
    functionPrices: specOf(loadOf('poisson:1', 1), 'ray').profile.functionPrices,
  };
  return { profile, types: ['one'], jitter: 0 };
}

/** A daily pattern compressed to an hour: quiet, busy, quiet. */
const waves = Array.from({ length: 180 }, (_, i) => Math.round(1500 + 1200 * Math.sin((2 * Math.PI * i) / 60)));

const rules = ['static', 'static:3', 'target-tracking', 'hpa:70', 'kpa', 'ray', 'instances-only', 'oracle', 'batch'];
const withFunctions = [
  'economic',
  'hybrid',
  'mark-greedy',
  'running-max',
  'hpa:105,window=120s+overflow',
  'oracle+overflow',
  'static:2+overflow',
];

describe('a simulation', () => {
  test('of one server with constant service time matches the mean wait: s rho / 2 (1 - rho) = 93.3 ms', async () => {
    const { meanMs, requests } = await simulate(specOf(loadOf('poisson:8.75', 600), 'static:1', oneAtATime(80)));
    near(requests, 315_000, 2500);
    near((meanMs as number) - 80, 93.33, 0.02 * 93.33);
  });

  test('bills an instance by the second from its launch', async () => {
    const result = await simulate(specOf(loadOf('poisson:1', 30), 'static:2', oneAtATime(80)));
    near(result.instanceUsd, 2 * 1800 * 0.001, 1e-9);
    assert.deepEqual([result.instanceSeconds, result.overflowUsd], [{ one: 3600 }, 0]);
  });

  test('adds the gateway to every latency', async () => {
    const { p50Ms } = await simulate(specOf(loadOf('poisson:0.1', 60), 'static:1'));
    near(p50Ms as number, 85, 2.5);
  });

  for (const policy of [...rules, ...withFunctions]) {
    test(`under ${policy} loses no request, has consistent totals, and is byte-identical when repeated`, async () => {
      const spec = specOf(loadFrom(waves, 30), policy);
      const result = await simulate(spec);
      const { requests, fulfilled, late, dropped, rejected, timeline } = result;
      assert.equal(requests, sum(waves.slice(150)));
      assert.equal(fulfilled + late + dropped + rejected, requests);
      near(result.attainment, fulfilled / requests, 1e-12);
      near(result.costUsd, result.instanceUsd + result.overflowUsd, 1e-12);
      near(result.costUsd, sum(timeline.map(({ costUsd }) => costUsd)), 1e-9);
      assert.equal(timeline.length, 30);
      assert.deepEqual(
        timeline.map(({ arrivals }) => arrivals),
        waves.slice(150),
      );
      assert.equal(sum(timeline.map(({ violations }) => violations)), requests - fulfilled);
      assert.equal(sum(timeline.map(({ overflow }) => overflow)), Math.round(result.overflowShare * requests));
      assert.equal(JSON.stringify(await simulate(spec)), JSON.stringify(result));
      const other = await simulate({ ...spec, serviceSeed: 12 });
      assert.notEqual(JSON.stringify(other), JSON.stringify(result));
    });
  }

  test('reports the forecast of each minute', async () => {
    const { timeline } = await simulate(specOf(loadFrom(waves, 30), 'instances-only'));
    for (const { forecastMean, forecastP10, forecastP90 } of timeline)
      assert((forecastMean as number) > 0 && (forecastP10 as number) <= (forecastP90 as number));
    const { timeline: blind } = await simulate(specOf(loadFrom(waves, 30), 'hpa'));
    assert(blind.every(({ forecastMean }) => forecastMean === null));
  });

  test('starts an instance after its lead time, and records the reason', async () => {
    const { decisions, timeline } = await simulate(specOf(loadOf('steps:5@0,60@600', 20), 'hpa:70', { leadMs: 120_000 }));
    const [first] = decisions.filter(({ atS }) => atS > 600);
    assert(first !== undefined && first.atS < 660 && first.reason === 'rule');
    assert.match(first.explanation, /requests\/s need/);
    assert((timeline[10]?.launching as number) > 0);
    const readyMinute = Math.floor((first.atS + 120) / 60);
    assert((timeline[readyMinute]?.active as number) > (timeline[readyMinute - 1]?.active as number));
  });

  test('rejects what would wait for ten seconds, and answers others in time as fast as it can', async () => {
    const { requests, dropped, rejected, attainment, p99Ms } = await simulate(specOf(loadOf('poisson:20', 5), 'static:1', oneAtATime(80)));
    assert(rejected > 1000 && dropped < rejected / 10);
    // An instance can serve 12.5 of 20 requests per second. 5 % of its time is for those that are late.
    assert(Math.abs(attainment - (0.95 * 12.5) / 20) < 0.05, `${attainment} of ${requests} are in time`);
    assert((p99Ms as number) < 10_200);
  });

  test('of a load without requests costs only the minimum instances', async () => {
    const result = await simulate(specOf(loadFrom([0, 0, 0], 3), 'hpa:70'));
    assert.deepEqual([result.requests, result.attainment, result.costUsdPerMillion, result.p50Ms], [0, 1, null, null]);
    near(result.instanceUsd, (0.085 / 3600) * 180, 1e-9);
  });

  for (const policy of withFunctions) {
    test(`under ${policy} meets the objective with functions alongside instances`, async () => {
      const result = await simulate(specOf(loadFrom(waves, 30), policy));
      assert(result.attainment > 0.995, `${result.attainment}`);
      assert(result.overflowUsd > 0 && result.instanceUsd > 0);
    });
  }

  test('without instances sends all requests to functions and keeps functions warm', async () => {
    const result = await simulate(specOf(loadOf('poisson:5', 10), 'static:0+overflow'));
    assert.deepEqual([result.overflowShare, result.instanceUsd, result.coldStarts], [1, 0, 0]);
    assert(result.attainment > 0.99);
    const pingsUsd = (12 * 10 * ((3538 / 1024) * 0.02 * 1.66667e-5 + 2e-7)) / 5;
    const startsUsd = 12 * ((3538 / 1024) * 2 * 1.66667e-5 + 2e-7);
    near(result.overflowUsd, result.requests * 5.007e-6 + pingsUsd + startsUsd, result.overflowUsd * 0.01);
  });

  test('of functions alone bills them by the millisecond, including the cold start', async () => {
    const result = await simulate(specOf(loadFrom([1], 1), 'batch', { jitter: 0 }));
    assert.deepEqual([result.coldStarts, result.overflowShare, result.instanceUsd, result.late], [1, 1, 0, 1]);
    const usd = (ms: number): number => (3538 / 1024) * (ms / 1000) * 1.66667e-5 + 2e-7;
    near(result.overflowUsd, usd(2083.5), usd(3));
  });

  test('still serves, late, if no type can meet the objective and there are no functions', async () => {
    const objective = { percentile: 99, latencyMs: 100 };
    const [fixed, ruled] = await Promise.all(
      ['static:2', 'hpa:70'].map((policy) => simulate(specOf(loadOf('poisson:5', 10), policy, { objective }))),
    );
    assert(fixed !== undefined && ruled !== undefined);
    assert.deepEqual([fixed.dropped, fixed.instanceSeconds, ruled.instanceSeconds], [0, { 'c5.large': 1200 }, { 'c5.large': 600 }]);
    assert(fixed.attainment > 0.5 && fixed.attainment < 0.99, `${fixed.attainment}`);
  });

  test('survives failed launches and reclaimed instances', async () => {
    const faults = { launchFailureShare: 0.3, interruptionsPerHour: 6 };
    const calm = await simulate(specOf(loadFrom(waves, 30), 'hpa:70'));
    const result = await simulate(specOf(loadFrom(waves, 30), 'hpa:70', { faults }));
    assert.equal(result.fulfilled + result.late + result.dropped + result.rejected, result.requests);
    assert(result.decisions.some(({ trigger }) => trigger === 'spot'));
    assert(result.attainment < calm.attainment);
    assert.equal(JSON.stringify(await simulate(specOf(loadFrom(waves, 30), 'hpa:70', { faults }))), JSON.stringify(result));
  });

  for (const [what, order, wanted] of [
    ['an unknown type', { types: ['m1.small'] }, /unknown instance type m1\.small: expected one of c5\.large, c5\.xlarge/],
    ['a memory size without a profile', { policy: 'batch', memoryMiB: 1 }, /no function of 1 MiB: expected one of 1769, 2654, 3538, 5307/],
    ['an unknown policy', { policy: 'magic' }, /unknown policy 'magic'/],
  ] as const) {
    test(`with ${what} is rejected`, () => {
      assert.throws(() => new Simulation({ ...specOf(loadOf('poisson:1', 1), 'ray'), ...order }), {
        code: 'invalid_request',
        message: wanted,
      });
    });
  }
});
