import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { defaultPrices } from '../../costs/index.ts';
import type { FunctionProfile, Profile, ServicePoint } from '../../profiling/index.ts';
import { generateLoad, stretchRates } from './generated-load.ts';
import { planDeployment } from './plan-deployment.ts';
import type { DeploymentPlanRequest, PlannedMixture } from './plan-types.ts';
import { serviceDraws } from './service-draws.ts';
import { simulateMixture } from './simulate-mixture.ts';

/** Service time: 9 ms plus 0.8 ms per row, times `slower`. */
function profileOf(executor: string, slower = 1): Profile {
  const service = [1, 2, 4, 8, 16, 32].map((b): ServicePoint => {
    const samples = Array.from({ length: 200 }, (_, i) => slower * (9 + 0.8 * b) * (0.95 + (0.1 * i) / 200));
    const [p50Ms, p95Ms, p99Ms] = [samples[99], samples[189], samples[197]] as [number, number, number];
    return { b, p50Ms, p95Ms, p99Ms, samples, rssMiB: 80 };
  });
  return { executor, service, measuredAtMs: 0, loadMs: 20, batchMax: 32, notes: [] };
}

const functions = defaultPrices.functions.memoryMiB.map((memoryMiB): FunctionProfile => {
  const profile = profileOf(`function:${memoryMiB}`, Math.max(1, 1769 / memoryMiB));
  return { memoryMiB, profile, basis: 'derived', peakMemoryMiB: 80, fits: memoryMiB >= 256, coldMs: 150 };
});
const request: DeploymentPlanRequest = {
  objective: { percentile: 95, latencyMs: 50 },
  traffic: { ratePerSecond: 1236, peakFactor: 1.5 },
  instance: { name: 'local.1', usdPerHour: 0.0425, profile: profileOf('instance:local.1') },
  functions,
  functionPrices: defaultPrices.functions,
  keepOne: false,
  usdPerHourMax: null,
  wantsCurve: false,
};
const usdOf = ({ instanceUsdPerHour, functionUsdPerHour }: PlannedMixture): number => instanceUsdPerHour + functionUsdPerHour;

describe('a plan', () => {
  test('is the cheapest mixture that meets the objective: instances for the base load, functions for peaks', () => {
    const { chosen, mixtures } = planDeployment(request);
    assert(chosen !== null && chosen.instances === 2 && chosen.functions !== null, JSON.stringify(chosen));
    assert(chosen.inTime >= 0.95 && chosen.overflowShare > 0.02 && chosen.overflowShare < 0.3);
    for (const other of mixtures) assert(other.rejectedBecause !== null || usdOf(other) >= usdOf(chosen) / 1.01);
  });

  test('uses functions alone for little traffic, unless they start too slowly for the objective', () => {
    const few = { ...request, traffic: { ratePerSecond: 5, peakFactor: 1 } };
    const { chosen } = planDeployment(few);
    assert.deepEqual([chosen?.instances, chosen?.functions === null], [0, false]);
    const rare = planDeployment({ ...request, traffic: { ratePerSecond: 0.01, peakFactor: 1 } });
    assert.deepEqual([rare.chosen?.instances, rare.chosen?.functions], [1, null], 'half of the requests would wait for a start');
    const retained = planDeployment({ ...request, traffic: { ratePerSecond: 0.01, peakFactor: 1 }, keepOne: true });
    assert.deepEqual([retained.chosen?.instances, retained.chosen?.coldStartShare], [0, 0]);
  });

  test('uses only what is allowed', () => {
    assert.equal(planDeployment({ ...request, functions: [] }).chosen?.functions, null);
    assert.equal(planDeployment({ ...request, instance: null }).chosen?.instances, 0);
  });

  test('if no mixture meets the objective, gives the reason and the nearest reachable objective', () => {
    const tight = planDeployment({ ...request, objective: { percentile: 95, latencyMs: 8 }, wantsCurve: true });
    assert.equal(tight.chosen, null);
    assert.match(tight.reason ?? '', /^one request alone takes 10\.\d+ ms$/);
    assert(tight.nearestMs !== null && tight.nearestMs > 10.5 && tight.nearestMs < 14, String(tight.nearestMs));
    const instance = request.instance === null ? null : { ...request.instance, profile: { ...request.instance.profile, slowdown: 4 } };
    const busy = planDeployment({ ...request, instance, objective: { percentile: 95, latencyMs: 8 } });
    assert.match(busy.reason ?? '', /^one request alone takes 10\.\d+ ms, measured on a busy machine: profile it again/);
    const dear = planDeployment({ ...request, usdPerHourMax: 0.01 });
    assert.match(dear.reason ?? '', /^p95<=50ms costs at least \$0\.\d+ per hour, above the limit of \$0\.01/);
  });

  test('one slow run among few does not make an objective unreachable: the same service times count as everywhere else', () => {
    const busy = (executor: string, slower: number): Profile => {
      const service = profileOf(executor, slower).service.map((point) => ({
        ...point,
        samples: [...point.samples.slice(0, 39), 5 * point.p50Ms],
      }));
      return { ...profileOf(executor, slower), service };
    };
    const traffic = { ratePerSecond: 50, peakFactor: 1 };
    const small = { ...request, traffic, functions: functions.map((size) => ({ ...size, profile: busy('function', 1) })), instance: null };
    const onFunctions = planDeployment(small);
    assert(onFunctions.chosen !== null, onFunctions.reason ?? '');
    const onInstances = planDeployment({
      ...small,
      instance: { name: 'local.1', usdPerHour: 0.0425, profile: busy('i', 1) },
      functions: [],
    });
    assert(onInstances.chosen !== null, onInstances.reason ?? '');
  });

  test('is deterministic', () => {
    assert.deepEqual(planDeployment(request), planDeployment(request));
  });

  test('reports the latency distribution: the shares add up, and only late requests exceed the objective', () => {
    const { chosen } = planDeployment(request);
    assert(chosen !== null);
    const { stepMs, shares } = chosen.distribution;
    const within = shares.slice(0, Math.round(50 / stepMs)).reduce((sum, share) => sum + share, 0);
    assert(Math.abs(shares.reduce((sum, share) => sum + share, 0) - 1) < 1e-9);
    assert(Math.abs(within - chosen.inTime) < 0.02);
  });
});

test('a looser objective never costs more; one that is too tight for a single request has no price', () => {
  const { curve } = planDeployment({ ...request, wantsCurve: true });
  assert(curve !== null);
  const first = curve.findIndex(({ usdPerHour }) => usdPerHour !== null);
  assert(first > 0 && (curve[first]?.latencyMs ?? 0) > 10);
  for (let i = first + 1; i < curve.length; i++) assert((curve[i]?.usdPerHour ?? 9) <= (curve[i - 1]?.usdPerHour ?? 0));
});

test('the load has the requested mean and peak', () => {
  fc.assert(
    fc.property(
      fc.double({ min: 0.01, max: 1e4, noNaN: true }),
      fc.double({ min: 1, max: 20, noNaN: true }),
      (ratePerSecond, peakFactor) => {
        const rates = stretchRates({ ratePerSecond, peakFactor });
        const mean = rates.reduce((sum, rate) => sum + rate, 0) / rates.length;
        assert(Math.abs(mean / ratePerSecond - 1) < 1e-6);
        assert(rates.every((rate, i) => i === 0 || rate >= (rates[i - 1] as number)));
        assert((rates.at(-1) as number) <= ratePerSecond * peakFactor * 1.2);
      },
    ),
  );
  const { arrivalsMs, durationMs } = generateLoad({ ratePerSecond: 100, peakFactor: 2 }, 6000);
  assert(Math.abs(arrivalsMs.length - 6000) < 300 && Math.abs(durationMs - 60_000) < 1);
});

test('each simulated request is answered once, and never earlier than a run can end', () => {
  const service = serviceDraws(profileOf('instance:local.1'), 0.95);
  assert(service !== null);
  const prices = defaultPrices.functions;
  const overflowUse = {
    memoryMiB: 1769,
    batchSizeMax: 16,
    service,
    coldMs: 150,
    maxConcurrency: 64,
    keepAliveMs: 60_000,
    provisioned: 0,
    prices,
  };
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 6 }),
      fc.double({ min: 1, max: 3000, noNaN: true }),
      fc.boolean(),
      (count, rate, hasFunctions) => {
        const load = generateLoad({ ratePerSecond: rate, peakFactor: 1.5 }, 500);
        const instances = { count, batchSize: 14, service };
        const played = simulateMixture(load, { instances, functions: hasFunctions ? overflowUse : null, latencyMs: 50, overheadMs: 0.5 });
        assert.equal(played.latenciesMs.length, load.arrivalsMs.length);
        assert(played.latenciesMs.every((ms) => Number.isFinite(ms) && ms >= 9.8 * 0.95 + 0.5 - 1e-9));
        assert.equal(played.overflowShare > 0, played.functionUsdPerHour > 0);
      },
    ),
    { numRuns: 60 },
  );
});
