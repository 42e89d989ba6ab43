import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { VirtualClock } from '../clock.ts';
import { defaultPrices } from '../costs/index.ts';
import type { FunctionProfile } from '../profiling/index.ts';
import type { ModelVersion } from '../registry/index.ts';
import { chooseBatching } from './choose-batching.ts';
import { Planner, type PlannerOptions, type PlanWish } from './planner.ts';

const version = { name: 'digits/1', group: 'digits', version: 1 } as ModelVersion;
const profiles = [512, 1024].map((memoryMiB): FunctionProfile => {
  const service = [1, 2, 4, 8].map((b) => ({ b, p50Ms: 9 + b, p95Ms: 9 + b, p99Ms: 9 + b, samples: [9 + b], rssMiB: 80 }));
  const profile = { executor: `function:${memoryMiB}`, service, measuredAtMs: 7, loadMs: 20, batchMax: 8, notes: [] };
  return { memoryMiB, profile, basis: 'derived', peakMemoryMiB: 80, fits: true, coldMs: 100 };
});
const wish: PlanWish = {
  objective: { percentile: 95, latencyMs: 100 },
  memoryMiB: 'auto',
  policy: { kind: 'slack' },
  arrivals: { kind: 'poisson', ratePerSecond: 50 },
};

function planner(changes: Partial<PlannerOptions> = {}): Planner {
  return new Planner({
    clock: new VirtualClock(),
    chooser: { choose: async (order) => ({ ...chooseBatching(order), computeMs: 1 }) },
    prices: defaultPrices.functions,
    profilesOf: async () => profiles,
    measure: async () => undefined,
    ...changes,
  });
}

test('a plan is the choice for the model, and where its service times come from', async () => {
  const plan = await planner().plan(version, wish);
  assert.deepEqual([plan.model, plan.feasible, plan.setting.memoryMiB], ['digits/1', true, 512]);
  assert(plan.setting.batchSizeMax > 1);
  assert.deepEqual(plan.profiles, [
    { memoryMiB: 512, basis: 'derived', measuredAtMs: 7 },
    { memoryMiB: 1024, basis: 'derived', measuredAtMs: 7 },
  ]);
  const one = await planner().plan(version, { ...wish, memoryMiB: 1024 });
  assert.deepEqual([one.setting.memoryMiB, one.profiles.length], [1024, 1]);
});

test('an objective beyond the timeout that an endpoint has by itself is planned for by that', async () => {
  const { reason } = await planner().plan(version, { ...wish, objective: { percentile: 95, latencyMs: 90_000 } });
  assert.match(reason, /p95<=60s/);
});

test('recorded arrivals and bursts are planned for as they are', async () => {
  const recorded = await planner().plan(version, { ...wish, arrivals: { kind: 'times', timesMs: [0, 10, 10, 35] } });
  assert.equal(recorded.arrivals.sampleCount, 4);
  const switching = { rate1PerSecond: 20, rate2PerSecond: 400, switch12PerSecond: 1, switch21PerSecond: 4 };
  const bursts = await planner().plan(version, { ...wish, arrivals: { kind: 'mmpp', ...switching } });
  assert((bursts.arrivals.scv ?? 0) > 1.5);
});

describe('a model that nobody measured yet', () => {
  test('is measured first', async () => {
    let known: readonly FunctionProfile[] = [];
    const measured: string[] = [];
    const measure = async ({ name }: ModelVersion): Promise<void> => {
      measured.push(name);
      known = profiles;
    };
    const plan = await planner({ profilesOf: async () => known, measure }).plan(version, wish);
    assert.deepEqual([measured, plan.feasible], [['digits/1'], true]);
  });

  test('keeps nobody waiting for ever', async () => {
    const clock = new VirtualClock();
    const asked = Promise.withResolvers<void>();
    const measure = (): Promise<never> => {
      asked.resolve();
      return new Promise(() => undefined);
    };
    const waiting = planner({ clock, profilesOf: async () => [], measure, measureTimeoutMs: 5000 }).plan(version, wish);
    await asked.promise;
    clock.advance(5000);
    await assert.rejects(waiting, { code: 'unavailable', message: /digits\/1 is being measured, and that is not done after 5 s/ });
  });

  test('fails as its measurement fails', async () => {
    const measure = (): Promise<never> => Promise.reject(new Error('it cannot be run'));
    await assert.rejects(planner({ profilesOf: async () => [], measure }).plan(version, wish), /it cannot be run/);
  });
});

for (const { what, changes, code, says } of [
  { what: 'no rate', changes: { arrivals: { kind: 'poisson', ratePerSecond: 0 } }, code: 'invalid_request', says: /above 0/ },
  {
    what: 'times that are none',
    changes: { arrivals: { kind: 'times', timesMs: [Number.NaN] } },
    code: 'invalid_request',
    says: /numbers/,
  },
  { what: 'a broken promise', changes: { objective: { percentile: 10, latencyMs: 5 } }, code: 'invalid_request', says: /at least 50/ },
  { what: 'batching by no promise', changes: { objective: null, policy: { kind: 'batch' } }, code: 'invalid_request', says: /objective/ },
  { what: 'a size without profile', changes: { memoryMiB: 2048 }, code: 'wrong_state', says: /no profile for 2048 MiB: .* 512, 1024/ },
] as const) {
  test(`${what} is refused, and says what was expected`, async () => {
    await assert.rejects(planner().plan(version, { ...wish, ...changes }), { code, message: says });
  });
}
