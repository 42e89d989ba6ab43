import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { SeededRandom } from '../../random.ts';
import { type ArrivalProcess, mmpp2, poisson } from '../arrivals/arrival-process.ts';
import { arrivalTimesMs } from '../arrivals/generate-arrivals.ts';
import type { BatchChoiceResult, ChoiceInput, Chosen, MemoryProfile } from './choice.ts';
import { choose } from './choose.ts';
import { explain, keepOrChange } from './explain.ts';
import { formatExtraCost, formatMsShort } from './format.ts';

/** S = 8 + 6b/min(vCPU, 4) ms with one vCPU per 1.769 GB, in steps of half a gigabyte. */
const profiles: readonly MemoryProfile[] = Array.from({ length: 10 }, (_, i) => {
  const memoryGb = (i + 1) / 2;
  return {
    memoryMiB: 1024 * memoryGb,
    points: Array.from({ length: 32 }, (_point, j) => ({
      batchSize: j + 1,
      serviceMs: [8 + (6 * (j + 1)) / Math.min(memoryGb / 1.769, 4)],
      peakMemoryMiB: 100,
    })),
  };
});

const base: ChoiceInput = {
  policy: { kind: 'batch' },
  profiles,
  price: { usdPerInvocation: 2e-7, usdPerGbSecond: 1.66667e-5, billingGranularityMs: 0 },
  objective: { percentile: 95, latencyMs: 150 },
  marginMs: 0,
  coldStart: { probability: 0, ms: 0 },
  arrivals: { recordedMs: new Float64Array(0), process: poisson(150) },
  current: null,
};

const provided = (process: ArrivalProcess): ChoiceInput['arrivals'] => ({ recordedMs: new Float64Array(0), process });

function chosenOf(change: Partial<ChoiceInput>): Chosen {
  const choice = choose({ ...base, ...change });
  assert(choice.kind === 'chosen');
  return choice;
}

const labelled = (choice: Chosen, wanted: string) => choice.alternatives.find(({ label }) => label === wanted);
const isNear = (value: number, expected: number, tolerance: number): boolean => Math.abs(value / expected - 1) <= tolerance;
const settingOf = ({ memoryMiB, batchSizeMax, waitMsMax }: Chosen['chosen']) => ({ memoryMiB, batchSizeMax, waitMsMax });

/** Expected optima: from exhaustive evaluation of all 9,600 settings by the exact model. */
const bursts = { switch12PerSecond: 1, switch21PerSecond: 4 };
for (const { name, process, memoryMiB, batchSizeMax, waitMsMax, p95Ms, withinSlo, costUsdPerMillion } of [
  {
    name: 'random arrivals, 150 per second',
    process: poisson(150),
    memoryMiB: 1536,
    batchSizeMax: 11,
    waitMsMax: 74.489,
    p95Ms: 148.892,
    withinSlo: 0.95626,
    costUsdPerMillion: 0.2161,
  },
  {
    name: 'bursts of 400 per second among 20',
    process: mmpp2({ rate1PerSecond: 20, rate2PerSecond: 400, ...bursts }),
    memoryMiB: 1024,
    batchSizeMax: 10,
    waitMsMax: 90.112,
    p95Ms: 149.235,
    withinSlo: 0.95202,
    costUsdPerMillion: 0.223808,
  },
  {
    name: 'bursts of 4000 per second among 200',
    process: mmpp2({ rate1PerSecond: 200, rate2PerSecond: 4000, ...bursts }),
    memoryMiB: 2560,
    batchSizeMax: 31,
    waitMsMax: 74.489,
    p95Ms: 149.099,
    withinSlo: 0.95606,
    costUsdPerMillion: 0.196653,
  },
]) {
  test(`finds the optimum of 9600 fixed waits for ${name}`, () => {
    const choice = chosenOf({ arrivals: provided(process) });
    const { chosen } = choice;
    assert.deepEqual([chosen.memoryMiB, chosen.batchSizeMax, chosen.policy], [memoryMiB, batchSizeMax, 'timeout']);
    assert(isNear(chosen.waitMsMax as number, waitMsMax, 1e-5));
    assert(isNear(chosen.predicted.costUsdPerMillion, costUsdPerMillion, 1e-4), `${chosen.predicted.costUsdPerMillion}`);
    assert(isNear(chosen.predicted.p95Ms, p95Ms, 0.01));
    assert(Math.abs(chosen.predicted.withinSlo - withinSlo) < 1e-3);
    const without = labelled(choice, 'no-batching');
    assert(without !== undefined && isNear(without.predicted.costUsdPerMillion, 0.443567, 1e-5));
    assert.deepEqual([without.memoryMiB, without.batchSizeMax, without.feasible], [512, 1, true]);
    assert.equal(choice.candidates.considered, 9600);
    assert(choice.candidates.evaluated < 2200);
    assert(choice.nextCheaper !== null && !choice.nextCheaper.feasible);
    assert(choice.nextCheaper.predicted.costUsdPerMillion < chosen.predicted.costUsdPerMillion);
  });
}

describe('the slack rule', () => {
  const recordedMs = arrivalTimesMs(mmpp2({ rate1PerSecond: 20, rate2PerSecond: 400, ...bursts }), new SeededRandom(7), 5000);

  test('is planned from recorded arrivals, meets their objective, and costs no more than the best fixed wait', () => {
    const choice = chosenOf({ policy: { kind: 'slack' }, arrivals: { recordedMs, process: null } });
    assert.deepEqual([choice.chosen.policy, choice.chosen.waitMsMax, choice.source], ['slack', null, 'replay']);
    assert.equal(choice.chosen.predicted.withinSlo, 1);
    assert(choice.chosen.predicted.costUsdPerMillion < 1.02 * 0.223808);
    assert.equal(choice.candidates.considered, 320);
  });

  test('subtracts the margin', () => {
    const choice = chosenOf({ policy: { kind: 'slack' }, arrivals: { recordedMs, process: null }, marginMs: 30 });
    assert(choice.chosen.predicted.p99Ms <= 120 + 1e-6);
  });

  test('uses simulated arrivals if only a process is known, and assumes a single request if nothing is known', () => {
    const played = chosenOf({ policy: { kind: 'slack' } });
    assert(played.chosen.batchSizeMax > 1);
    const unknown = chosenOf({ policy: { kind: 'slack' }, arrivals: { recordedMs: new Float64Array(0), process: null } });
    assert.deepEqual(settingOf(unknown.chosen), { memoryMiB: 512, batchSizeMax: 1, waitMsMax: null });
  });

  test('accepts a history recorded while the clock was set back', () => {
    const times = recordedMs.map((ms, i) => (i > 2500 ? ms - 10_000 : ms));
    assert(chosenOf({ policy: { kind: 'slack' }, arrivals: { recordedMs: times, process: null } }).chosen.feasible);
  });
});

describe('memory', () => {
  const point = (batchSize: number, ms: number, peakMemoryMiB: number) => ({ batchSize, serviceMs: [ms], peakMemoryMiB });

  test('if no size holds one row, the result says how much memory the model needs', () => {
    const small = [512, 1024].map((memoryMiB) => ({ memoryMiB, points: [point(1, 10, 1500)] }));
    const choice: BatchChoiceResult = choose({ ...base, profiles: small });
    assert.deepEqual(choice, { kind: 'nothing-fits', neededMiB: 1500, largestMiB: 1024 });
    assert.equal(
      explain(choice, base),
      'No memory size holds the model: it needs 1500 MiB with a single row, and the largest size is 1024 MiB.',
    );
    assert.equal(keepOrChange(choice).changes, false);
  });

  test('never chooses a batch that exceeds the memory or the largest measured one', () => {
    const measured = [point(1, 10, 300), point(4, 11, 500), point(8, 12, 1100)];
    const sizes = [1024, 2048].map((memoryMiB) => ({ memoryMiB, points: measured.slice(0, memoryMiB === 1024 ? 3 : 2) }));
    for (const kind of ['slack', 'batch', 'batch-paper'] as const) {
      assert(chosenOf({ policy: { kind }, profiles: sizes, arrivals: provided(poisson(2000)) }).chosen.batchSizeMax <= 4);
    }
  });

  test('if more memory is not faster, chooses the smallest size that fits, and says so', () => {
    const sizes = [512, 1024, 2048].map((memoryMiB) => ({ memoryMiB, points: [point(1, 10, 700), point(8, 20, 800)] }));
    const choice = chosenOf({ policy: { kind: 'slack' }, profiles: sizes, current: { memoryMiB: 2048, batchSizeMax: 4, waitMsMax: null } });
    assert.equal(choice.chosen.memoryMiB, 1024);
    assert.deepEqual(choice.notes, [
      'The model does not fit into 512 MiB.',
      'Service times are the same at every memory size, so the smallest that fits is the cheapest.',
    ]);
    assert(labelled(choice, 'current')?.rejectedBecause?.startsWith('costs '));
  });
});

describe('unreachable or missing objectives', () => {
  test('chooses the closest setting and reports by how much it misses', () => {
    for (const kind of ['slack', 'batch', 'batch-paper', 'none'] as const) {
      const input = { ...base, policy: { kind }, objective: { percentile: 95, latencyMs: 5 } };
      const choice = chosenOf(input);
      assert.equal(choice.reason, 'slo-unreachable');
      assert.equal(choice.chosen.feasible, false);
      assert.deepEqual([choice.chosen.memoryMiB, choice.chosen.batchSizeMax], [5120, 1]);
      assert(isNear(choice.missesByMs, 8 + 6 / (5 / 1.769) - 5, 1e-6));
      assert.match(
        explain(choice, input),
        /^5120 MiB without batching: no setting keeps p95 <= 5ms, this one comes closest, 5.12ms too slow/,
      );
      assert.doesNotMatch(explain(choice, input), /refused/);
      assert.equal(labelled(choice, 'no-batching')?.feasible, false);
    }
  });

  test('no setting meets the objective if cold starts exceed the error budget', () => {
    const choice = chosenOf({ coldStart: { probability: 0.06, ms: 400 } });
    assert.equal(choice.reason, 'slo-unreachable');
    assert.equal(chosenOf({ coldStart: { probability: 0.04, ms: 400 } }).chosen.feasible, true);
  });

  test('without an objective no request is delayed', () => {
    for (const kind of ['slack', 'batch', 'none'] as const) {
      const input = { ...base, policy: { kind }, objective: null };
      const choice = chosenOf(input);
      assert.equal(choice.reason, 'no-objective');
      assert.deepEqual(settingOf(choice.chosen), { memoryMiB: 512, batchSizeMax: 1, waitMsMax: 0 });
      assert.match(explain(choice, input), /no objective, so no request is delayed/);
    }
  });
});

describe('a configured setting', () => {
  const fixed = { kind: 'fixed' as const, batchSizeMax: 8, waitMsMax: 40 };

  test('is only predicted, in the cheapest memory that meets the objective', () => {
    const choice = chosenOf({ policy: fixed });
    assert.deepEqual([choice.reason, choice.chosen.batchSizeMax, choice.chosen.waitMsMax], ['given', 8, 40]);
    assert(choice.chosen.feasible);
  });

  test('is used even if it misses the objective, which is reported', () => {
    const input: ChoiceInput = { ...base, policy: { ...fixed, waitMsMax: 400 }, arrivals: provided(poisson(10)) };
    const choice = chosenOf(input);
    assert.deepEqual([choice.reason, choice.chosen.waitMsMax, choice.chosen.feasible], ['given', 400, false]);
    assert(choice.missesByMs > 200);
    assert.match(explain(choice, input), /as configured, misses p95 <= 150ms/);
  });

  test('without an objective, is still described with its wait', () => {
    const input: ChoiceInput = { ...base, policy: fixed, objective: null };
    assert.match(explain(chosenOf(input), input), /at most 8 rows or 40ms: as configured, no objective, p95 [\d.]+ms, /);
  });

  test('is limited to measured batch sizes, which is reported', () => {
    const input: ChoiceInput = { ...base, policy: { ...fixed, batchSizeMax: 64 } };
    const choice = chosenOf(input);
    assert.equal(choice.chosen.batchSizeMax, 32);
    assert(choice.notes.includes('Batches of 64 rows are configured, but none above 32 was measured: larger ones are not formed.'));
    assert.match(explain(choice, input), /as configured except for the rows of a full batch, /);
  });
});

test('chooses by the published approximation, and predicts the result with the exact model', () => {
  const choice = chosenOf({ policy: { kind: 'batch-paper' } });
  assert.equal(choice.reason, 'approximation');
  assert.equal(choice.chosen.batchSizeMax, 20);
  assert.equal(choice.chosen.feasible, false);
  assert.match(explain(choice, base), /by the published approximation, misses p95 <= 150ms/);
});

test('random service times are planned with their whole distribution', () => {
  const random = new SeededRandom(5);
  const sample = (ms: number): number[] => Array.from({ length: 200 }, () => ms * (0.8 + 0.4 * random.next()));
  const varying = profiles.map(({ memoryMiB, points }) => ({
    memoryMiB,
    points: points
      .filter(({ batchSize }) => [1, 2, 4, 8, 16, 32].includes(batchSize))
      .map((point) => ({ ...point, serviceMs: sample(point.serviceMs[0] as number) })),
  }));
  for (const kind of ['slack', 'batch'] as const) {
    const { chosen } = chosenOf({ policy: { kind }, profiles: varying });
    assert(chosen.feasible && chosen.batchSizeMax > 4 && chosen.predicted.withinSlo >= 0.95 - 1e-9);
    assert(chosen.predicted.costUsdPerMillion < 1.05 * 0.2161);
  }
});

describe('the explanation of a decision', () => {
  test('states the percentile of the objective, if it is predicted', () => {
    for (const [percentile, says] of [
      [99, /% in time, p99 [\d.]+ms, \$/],
      [50, /% in time, p50 [\d.]+ms, \$/],
      [99.9, /% in time, \$/],
    ] as const) {
      const input: ChoiceInput = { ...base, objective: { percentile, latencyMs: 150 } };
      assert.match(explain(chosenOf(input), input), says);
    }
  });

  test('writes long times in seconds, and large extra costs as a multiple', () => {
    assert.deepEqual([3560.4, 149.26, 0.0312].map(formatMsShort), ['3.56s', '149.3ms', '31.2us']);
    assert.deepEqual([0.123, 9.99, 31.409].map(formatExtraCost), ['costs 12.3 % more', 'costs 999 % more', 'costs 32 times as much']);
  });

  test('names the choice, the objective, the saving and the next cheaper candidate', () => {
    assert.equal(
      explain(chosenOf({}), base),
      '1536 MiB, at most 11 rows or 74.5ms: keeps p95 <= 150ms with 95.57 % in time, p95 149ms, $0.2161 per million rows, 51.3 % less ' +
        'than without batching ($0.4436); the next cheaper, 1536 MiB, at most 17 rows or 61.6ms at $0.2161, was rejected: only 85.9 % within 150ms, 95 % promised.',
    );
  });

  const current = (change: Partial<ChoiceInput['current']> = {}): Partial<ChoiceInput> => ({
    current: { memoryMiB: 1536, batchSizeMax: 11, waitMsMax: 2 * 250 ** (19 / 29), ...change },
  });
  for (const { when, input, changes, reason } of [
    { when: 'there is none', input: {}, changes: true, reason: /no setting in force/ },
    { when: 'it is chosen again', input: current(), changes: false, reason: /^no change: the setting in force is chosen again$/ },
    { when: 'it costs slightly more', input: current({ waitMsMax: 70 }), changes: false, reason: /^no change: gain [\d.]+ % < 3 %$/ },
    { when: 'it costs much more', input: current({ batchSizeMax: 4 }), changes: true, reason: /^gain [\d.]+ % > 3 %$/ },
    {
      when: 'it misses the objective',
      input: current({ waitMsMax: 200 }),
      changes: true,
      reason: /misses the objective: only [\d.]+ % within 150ms/,
    },
    {
      when: 'it forms batches by another rule',
      input: current({ waitMsMax: null }),
      changes: true,
      reason: /by another rule: timeout instead of slack/,
    },
    { when: 'its memory size no longer exists', input: current({ memoryMiB: 777 }), changes: true, reason: /no setting in force/ },
    {
      when: 'nothing meets the objective',
      input: { ...current({ memoryMiB: 5120, batchSizeMax: 1, waitMsMax: 0 }), objective: { percentile: 95, latencyMs: 5 } },
      changes: false,
      reason: /chosen again/,
    },
  ]) {
    test(`the setting in force ${changes ? 'is replaced' : 'stays'}: ${when}`, () => {
      const resolution = keepOrChange(chosenOf(input));
      assert.equal(resolution.changes, changes);
      assert.match(resolution.reason, reason);
    });
  }
});
