import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import type { BatchPolicy } from '../../deployment/index.ts';
import { arrivalTimesMs, mmpp2, poisson } from '../../queueing/index.ts';
import { SeededRandom } from '../../random.ts';
import { type BatchingChoice, type ChoiceRequest, chooseBatching } from './choose-batching.ts';

/** S(b) = 8 + b ms from 1769 MiB on; proportionally slower below. */
const profiles = [512, 1024, 2048].map((memoryMiB) => ({
  memoryMiB,
  points: [1, 2, 4, 8, 16, 32].map((batchSize) => ({
    batchSize,
    serviceMs: [(8 + batchSize) * Math.max(1, 1769 / memoryMiB)],
    peakMemoryMiB: 100,
  })),
}));
const seen = (...timesMs: number[]): ChoiceRequest['arrivals'] => ({ kind: 'seen', timesMs: Float64Array.from(timesMs) });
const busy: ChoiceRequest['arrivals'] = { kind: 'seen', timesMs: arrivalTimesMs(poisson(100), new SeededRandom(3), 3000) };

function choice(changes: Partial<ChoiceRequest> = {}): BatchingChoice {
  return chooseBatching({
    policy: { kind: 'slack' },
    objective: { percentile: 95, latencyMs: 150 },
    profiles,
    price: { usdPerInvocation: 2e-7, usdPerGbSecond: 1.66667e-5, billingGranularityMs: 0 },
    marginMs: 0,
    coldStart: { probability: 0, ms: 0 },
    arrivals: busy,
    current: null,
    canKeepCurrent: true,
    inForce: { memoryMiB: 512, batchSizeMax: 1, waitMsMax: null },
    ...changes,
  });
}

const bursts = { rate1PerSecond: 20, rate2PerSecond: 400, switch12PerSecond: 1, switch21PerSecond: 4 };
const labelled = ({ alternatives }: BatchingChoice, label: string) => alternatives.find((other) => other.label === label);

test('batches if requests arrive together, and reports the saving', () => {
  const { setting, feasible, arrivals, alternatives, reason, explanation } = choice();
  assert(setting.batchSizeMax > 4 && setting.waitMsMax === null && feasible);
  const [chosen, unbatched] = [alternatives[0], alternatives.find(({ label }) => label === 'no-batching')];
  assert(chosen?.label === 'chosen' && unbatched !== undefined);
  assert(chosen.predicted.costUsdPerMillion < 0.6 * unbatched.predicted.costUsdPerMillion);
  assert.equal(reason, 'the cheapest that keeps p95<=150ms');
  assert.match(explanation, /less than without batching/);
  assert(Math.abs(arrivals.ratePerSecond - 100) < 5 && arrivals.sampleCount === 3000);
});

describe('before enough arrivals are known', () => {
  test('no traffic: assumes a single request, so no request is delayed', () => {
    const { setting, arrivals } = choice({ arrivals: seen() });
    assert.equal(setting.batchSizeMax, 1);
    assert.deepEqual([arrivals.ratePerSecond, arrivals.sampleCount, arrivals.scv], [0, 0, null]);
    assert.match(arrivals.notes[0] ?? '', /^No traffic yet/);
  });

  test('no traffic: chooses the fastest memory if it costs about as much as the cheapest, else the cheapest', () => {
    const fast = choice({ arrivals: seen() });
    assert.equal(fast.setting.memoryMiB, 2048);
    assert.equal(fast.reason, 'no traffic yet: the fastest, as it costs little more');
    assert.match(fast.explanation, /^2048 MiB without batching: keeps p95 <= 150ms/);
    assert.equal(labelled(fast, 'runner-up')?.memoryMiB, 512);
    const flat = profiles.map((size) => ({ ...size, points: (profiles[2] as (typeof profiles)[0]).points }));
    assert.equal(choice({ arrivals: seen(), profiles: flat }).setting.memoryMiB, 512);
  });

  test('few arrivals: assumes Poisson arrivals at their rate, and says so', () => {
    const times = arrivalTimesMs(poisson(100), new SeededRandom(1), 100);
    const { setting, arrivals } = choice({ arrivals: { kind: 'seen', timesMs: times } });
    assert(setting.batchSizeMax > 4);
    assert.equal(arrivals.scv, null);
    assert.match(arrivals.notes.join(), /Only 99 gaps were observed, fewer than 300: Poisson arrivals with the measured rate are assumed/);
  });

  test('all rows arrived in one request: their rate is unknown', () => {
    const { arrivals } = choice({ arrivals: seen(...Array.from({ length: 8 }, () => 77)) });
    assert.deepEqual([arrivals.ratePerSecond, arrivals.sampleCount], [0, 8]);
  });
});

test('every policy returns a valid setting for any arrivals', () => {
  const policies: BatchPolicy[] = [
    ...(['slack', 'batch', 'batch-paper', 'none'] as const).map((kind) => ({ kind })),
    { kind: 'fixed', batchSizeMax: 4, waitMsMax: 20 },
  ];
  // Includes equal times, a clock that was set back, and pauses of months.
  const times = fc
    .array(fc.oneof(fc.integer({ min: -50, max: 50 }), fc.constant(0), fc.constant(1e10)), { maxLength: 400 })
    .map((steps) => {
      let now = 1000;
      return Float64Array.from(steps, (step) => (now += step));
    });
  fc.assert(
    fc.property(times, fc.constantFrom(...policies), (timesMs, policy) => {
      const { setting, alternatives } = choice({ arrivals: { kind: 'seen', timesMs }, policy });
      assert(setting.batchSizeMax >= 1 && setting.batchSizeMax <= 32);
      assert(setting.waitMsMax === null || setting.waitMsMax >= 0);
      assert(profiles.some(({ memoryMiB }) => memoryMiB === setting.memoryMiB));
      for (const { predicted } of alternatives) for (const value of Object.values(predicted)) assert(Number.isFinite(value));
    }),
    { numRuns: 60 },
  );
});

test('policies choose a wait, no wait, or the configured wait', () => {
  const settingOf = (policy: BatchPolicy) => choice({ policy }).setting;
  assert.equal(settingOf({ kind: 'slack' }).waitMsMax, null);
  for (const kind of ['batch', 'batch-paper'] as const) assert((settingOf({ kind }).waitMsMax ?? 0) > 0);
  assert.match(
    choice({ policy: { kind: 'batch-paper' } }).reason,
    /^(the cheapest that keeps|by the published approximation, which misses) p95<=150ms/,
  );
  assert.equal(settingOf({ kind: 'none' }).batchSizeMax, 1);
  const { batchSizeMax, waitMsMax } = settingOf({ kind: 'fixed', batchSizeMax: 7, waitMsMax: 12.5 });
  assert.deepEqual([batchSizeMax, waitMsMax], [7, 12.5]);
  assert.equal(choice({ objective: null }).reason, 'no objective: no request is delayed');
  assert.equal(choice({ objective: null }).setting.batchSizeMax, 1);
});

test('the published approximation is not reported as feasible if its setting misses the objective', () => {
  const arrivals: ChoiceRequest['arrivals'] = { kind: 'seen', timesMs: arrivalTimesMs(mmpp2(bursts), new SeededRandom(5), 3000) };
  const choices = [20, 30, 50].map((latencyMs) =>
    choice({ arrivals, policy: { kind: 'batch-paper' }, objective: { percentile: 95, latencyMs } }),
  );
  const missing = choices.filter(({ feasible }) => !feasible);
  assert(missing.some(({ reason }) => reason.startsWith('by the published approximation, which misses p95<=')));
  for (const { reason } of missing) assert.doesNotMatch(reason, /that keeps/);
});

describe('against the setting in force', () => {
  test('a gain of a few percent causes no change: the better setting becomes the runner-up', () => {
    const best = choice().setting;
    const current = { ...best, batchSizeMax: best.batchSizeMax - 1 };
    const retained = choice({ current });
    assert.deepEqual([retained.setting, retained.feasible], [current, true]);
    assert.match(retained.reason, /^no change: gain .* < 3 %$/);
    assert.match(
      retained.explanation,
      new RegExp(`^${current.memoryMiB} MiB, at most ${current.batchSizeMax} rows: keeps .*; no change: gain`),
    );
    assert.equal(labelled(retained, 'chosen')?.batchSizeMax, current.batchSizeMax);
    assert.deepEqual(
      [labelled(retained, 'current')?.batchSizeMax, labelled(retained, 'chosen')?.rejectedBecause],
      [current.batchSizeMax, null],
    );
    assert.equal(labelled(retained, 'runner-up')?.batchSizeMax, best.batchSizeMax);
    assert.equal(labelled(retained, 'runner-up')?.rejectedBecause, retained.reason);
    assert.equal(retained.alternatives.filter(({ label }) => label === 'runner-up').length, 1);
  });

  test('a larger gain, or a current setting for another query, causes a change', () => {
    const best = choice().setting;
    const { setting, alternatives } = choice({ current: { ...best, batchSizeMax: 1 } });
    assert.deepEqual(setting, best);
    assert.equal(alternatives.find(({ label }) => label === 'current')?.batchSizeMax, 1);
    const near = { ...best, batchSizeMax: best.batchSizeMax - 1 };
    assert.deepEqual(choice({ current: near, canKeepCurrent: false }).setting, best);
  });

  test('if the same setting is chosen again, nothing changes and the explanation says so', () => {
    const { setting } = choice();
    assert.equal(choice({ current: setting }).reason, 'no change: the setting in force is chosen again');
  });
});

test('an unreachable objective gives the fastest setting and the amount by which it misses, even if it is already in force', () => {
  const objective = { percentile: 95, latencyMs: 5 };
  const first = choice({ objective });
  assert.equal(first.feasible, false);
  assert.equal(first.setting.batchSizeMax, 1);
  assert.match(first.reason, /^no setting keeps p95<=5ms: the best reaches p95 9ms, 4ms too much$/);
  assert.match(choice({ objective, marginMs: 1 }).reason, /p95 9ms and 1ms are held back, 5ms too much$/);
  const again = choice({ objective, current: first.setting });
  assert.deepEqual([again.feasible, again.reason, again.setting], [false, first.reason, first.setting]);
});

test('if the model is too large for every memory size, the current setting stays', () => {
  const large = profiles.map((size) => ({ ...size, points: size.points.map((point) => ({ ...point, peakMemoryMiB: 3000 })) }));
  const { setting, feasible, reason, alternatives } = choice({ profiles: large });
  assert.deepEqual([setting, feasible, alternatives], [{ memoryMiB: 512, batchSizeMax: 1, waitMsMax: null }, false, []]);
  assert.equal(reason, 'the model needs 3000 MiB, and the largest allowed memory size is 2048 MiB');
});

test('assumed arrivals are used unchanged, including bursts', () => {
  const process = mmpp2({ rate1PerSecond: 20, rate2PerSecond: 400, switch12PerSecond: 1, switch21PerSecond: 4 });
  const { arrivals, setting } = choice({ arrivals: { kind: 'assumed', process }, policy: { kind: 'batch' } });
  assert(arrivals.sampleCount === 0 && (arrivals.scv ?? 0) > 1.5 && arrivals.source === 'map');
  assert((setting.waitMsMax ?? 0) > 0);
});
