import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { VirtualClock } from '../../clock.ts';
import { defaultPrices } from '../../costs/index.ts';
import type { FunctionProfile } from '../../profiling/index.ts';
import type { ModelVersion } from '../../registry/index.ts';
import { chooseBatching } from './choose-batching.ts';
import { Planner, type PlannerOptions, type PlanRequest } from './planner.ts';

const version = { name: 'digits/1', group: 'digits', version: 1 } as ModelVersion;
const profiles = [512, 1024].map((memoryMiB): FunctionProfile => {
  const service = [1, 2, 4, 8].map((b) => ({ b, p50Ms: 9 + b, p95Ms: 9 + b, p99Ms: 9 + b, samples: [9 + b], rssMiB: 80 }));
  const profile = { executor: `function:${memoryMiB}`, service, measuredAtMs: 7, loadMs: 20, batchMax: 8, notes: [] };
  return { memoryMiB, profile, basis: 'derived', peakMemoryMiB: 80, fits: true, coldMs: 100 };
});
const planRequest: PlanRequest = {
  objective: { percentile: 95, latencyMs: 100 },
  memoryMiB: 'auto',
  policy: { kind: 'slack' },
  arrivals: { kind: 'poisson', ratePerSecond: 50 },
};

function planner(changes: Partial<PlannerOptions> = {}): Planner {
  return new Planner({
    clock: new VirtualClock(),
    chooser: { choose: async (request) => ({ ...chooseBatching(request), computeMs: 1 }) },
    prices: defaultPrices.functions,
    profilesOf: async () => profiles,
    measure: async () => undefined,
    ...changes,
  });
}

test('a plan contains the chosen setting and the source of the service times', async () => {
  const plan = await planner().plan(version, planRequest);
  assert.deepEqual([plan.model, plan.feasible, plan.setting.memoryMiB], ['digits/1', true, 512]);
  assert(plan.setting.batchSizeMax > 1);
  assert.deepEqual(plan.profiles, [
    { memoryMiB: 512, basis: 'derived', measuredAtMs: 7 },
    { memoryMiB: 1024, basis: 'derived', measuredAtMs: 7 },
  ]);
  const one = await planner().plan(version, { ...planRequest, memoryMiB: 1024 });
  assert.deepEqual([one.setting.memoryMiB, one.profiles.length], [1024, 1]);
});

test('an objective beyond the default timeout of an endpoint extends the planned timeout', async () => {
  const { reason } = await planner().plan(version, { ...planRequest, objective: { percentile: 95, latencyMs: 90_000 } });
  assert.match(reason, /p95<=60s/);
});

describe('the functions that a plan needs', () => {
  const at = (ratePerSecond: number, changes: Partial<PlanRequest> = {}) =>
    planner().plan(version, { ...planRequest, arrivals: { kind: 'poisson', ratePerSecond }, ...changes });

  test('are reported next to the allowed number', async () => {
    const { functions, feasible } = await at(50, { policy: { kind: 'none' } });
    assert(functions !== null && feasible);
    assert(Math.abs(functions.busyMean - 50 * 0.01) < 0.05);
    assert(functions.needed >= 3 && functions.needed <= 8, String(functions.needed));
    assert.deepEqual([functions.maxConcurrency, functions.keepAliveMs, functions.coldStartShare], [10, 60_000, 0]);
  });

  test('exceed the allowed number: the objective is not met', async () => {
    const { functions, feasible, reason, explanation } = await at(1e9);
    assert(functions !== null && functions.needed > 1e6 && !feasible);
    assert.match(reason, /^it needs about \d+ functions at once, but at most 10 are allowed: too many requests would wait for one$/);
    assert.match(explanation, /if a function were always free\.$/);
    assert.equal((await at(200, { policy: { kind: 'none' }, maxConcurrency: 2 })).feasible, false);
  });

  test('are also checked for alternatives, which then report the excess instead of their cost', async () => {
    const { feasible, alternatives } = await at(300, { maxConcurrency: 2 });
    const alone = alternatives.find(({ label }) => label === 'no-batching');
    assert.equal(feasible, true);
    assert.equal(alone?.feasible, false);
    assert.match(alone?.rejectedBecause ?? '', /^needs about \d+ functions at once, at most 2 are allowed$/);
    const all = (await at(1e9)).alternatives;
    assert(all.length > 1 && all.every((one) => !one.feasible), JSON.stringify(all));
    assert.equal((await at(200, { policy: { kind: 'none' }, maxConcurrency: 20 })).feasible, true);
  });

  test('are counted for batches dispatched as in the choice: one slow run does not make batches smaller', async () => {
    const slowOnce = profiles.map(({ profile, ...size }): FunctionProfile => {
      const service = profile.service.map((entry) => ({ ...entry, samples: [...Array<number>(199).fill(entry.p50Ms), 500] }));
      return { ...size, profile: { ...profile, service } };
    });
    const plan = await planner({ profilesOf: async () => slowOnce }).plan(version, {
      ...planRequest,
      arrivals: { kind: 'poisson', ratePerSecond: 300 },
      maxConcurrency: 3,
    });
    assert.deepEqual([plan.feasible, plan.setting.batchSizeMax, plan.setting.waitMsMax], [true, 8, null], plan.reason);
    assert(plan.functions !== null && plan.functions.busyMean < 1.5, JSON.stringify(plan.functions));
  });

  test('have cold starts after the keep-alive, which count against the objective', async () => {
    const rare = await at(0.001);
    assert((rare.functions?.coldStartShare ?? 0) > 0.9);
    assert.equal(rare.functions?.coldStartMs, 100);
    assert.equal(rare.feasible, false);
    assert((rare.alternatives[0]?.predicted.p95Ms ?? 0) > 100);
    const retained = await at(0.1, { keepAliveMs: 3_600_000 });
    assert.deepEqual([retained.functions?.coldStartShare, retained.feasible], [0, true]);
    const recorded = { kind: 'times', timesMs: [0, 10, 5000, 5010, 5020] } as const;
    const { functions } = await planner().plan(version, { ...planRequest, arrivals: recorded, keepAliveMs: 1000 });
    assert.equal(functions?.coldStartShare, 0.25);
  });
});

test('a plan says that a model does not support batching', async () => {
  const alone = { ...version, batchable: false, batchableReason: 'its batch size is fixed' };
  const { arrivals } = await planner().plan(alone, planRequest);
  assert.equal(arrivals.notes[0], 'The model does not support batching (its batch size is fixed), so every request runs alone.');
});

test('plans for recorded arrivals and bursts unchanged', async () => {
  const recorded = await planner().plan(version, { ...planRequest, arrivals: { kind: 'times', timesMs: [0, 10, 10, 35] } });
  assert.equal(recorded.arrivals.sampleCount, 4);
  const switching = { rate1PerSecond: 20, rate2PerSecond: 400, switch12PerSecond: 1, switch21PerSecond: 4 };
  const bursts = await planner().plan(version, { ...planRequest, arrivals: { kind: 'mmpp', ...switching } });
  assert((bursts.arrivals.scv ?? 0) > 1.5);
});

describe('a model without measurements', () => {
  test('is measured first', async () => {
    let known: readonly FunctionProfile[] = [];
    const measured: string[] = [];
    const measure = async ({ name }: ModelVersion): Promise<void> => {
      measured.push(name);
      known = profiles;
    };
    const plan = await planner({ profilesOf: async () => known, measure }).plan(version, planRequest);
    assert.deepEqual([measured, plan.feasible], [['digits/1'], true]);
  });

  test('does not make the caller wait forever', async () => {
    const clock = new VirtualClock();
    const requested = Promise.withResolvers<void>();
    const measure = (): Promise<never> => {
      requested.resolve();
      return new Promise(() => undefined);
    };
    const waiting = planner({ clock, profilesOf: async () => [], measure, measureTimeoutMs: 5000 }).plan(version, planRequest);
    await requested.promise;
    clock.advance(5000);
    await assert.rejects(waiting, { code: 'unavailable', message: /digits\/1 is still being measured after 5 s/ });
  });

  test('fails with the error of its measurement', async () => {
    const measure = (): Promise<never> => Promise.reject(new Error('it cannot be run'));
    await assert.rejects(planner({ profilesOf: async () => [], measure }).plan(version, planRequest), /it cannot be run/);
  });
});

for (const { what, changes, code, says } of [
  { what: 'no rate', changes: { arrivals: { kind: 'poisson', ratePerSecond: 0 } }, code: 'invalid_request', says: /above 0/ },
  {
    what: 'times that are not numbers',
    changes: { arrivals: { kind: 'times', timesMs: [Number.NaN] } },
    code: 'invalid_request',
    says: /numbers/,
  },
  {
    what: 'a falling time',
    changes: { arrivals: { kind: 'times', timesMs: [0, 9, 5] } },
    code: 'invalid_request',
    says: /ascending: number 3 is 5, after 9/,
  },
  { what: 'a time below 0', changes: { arrivals: { kind: 'times', timesMs: [-1, 9] } }, code: 'invalid_request', says: /number 1 is -1/ },
  {
    what: 'no times',
    changes: { arrivals: { kind: 'times', timesMs: [] } },
    code: 'invalid_request',
    says: /different arrival times: got 0/,
  },
  {
    what: 'a single time',
    changes: { arrivals: { kind: 'times', timesMs: [4, 4, 4] } },
    code: 'invalid_request',
    says: /different arrival times: all 3 are 4/,
  },
  { what: 'an invalid objective', changes: { objective: { percentile: 10, latencyMs: 5 } }, code: 'invalid_request', says: /from 50/ },
  {
    what: 'batching without an objective',
    changes: { objective: null, policy: { kind: 'batch' } },
    code: 'invalid_request',
    says: /objective/,
  },
  {
    what: 'a memory size without a profile',
    changes: { memoryMiB: 2048 },
    code: 'wrong_state',
    says: /no profile for 2048 MiB: .* 512, 1024/,
  },
] as const) {
  test(`${what} is rejected with what was expected`, async () => {
    await assert.rejects(planner().plan(version, { ...planRequest, ...changes }), { code, message: says });
  });
}
