import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { withinCpuMs } from '../../../test/cpu-time.ts';
import { SeededRandom } from '../../random.ts';
import { checkRanges, type ParameterRange, unitOf, valueAt } from './parameter-ranges.ts';
import { gridSize, propose } from './propose.ts';
import type { ParameterValues, TriedParameters, TuningSearch, TuningStrategy } from './search.ts';

const strategies: readonly TuningStrategy[] = ['Random', 'Hyperband', 'Bayesian'];

const numeric = fc
  .record({
    kind: fc.constantFrom('continuous' as const, 'integer' as const),
    min: fc.double({ min: -1e6, max: 1e6, noNaN: true }),
    width: fc.double({ min: 0, max: 1e6, noNaN: true }),
    scaling: fc.constantFrom('Auto' as const, 'Linear' as const, 'Logarithmic' as const, 'ReverseLogarithmic' as const),
  })
  .map(({ kind, min, width, scaling }): ParameterRange => {
    if (scaling === 'ReverseLogarithmic') {
      const [low, high] = [Math.abs(min) / 2e6, Math.abs(min) / 2e6 + width / 2.1e6];
      return { kind: 'continuous', name: 'x', min: low, max: high, scaling };
    }
    const least = scaling === 'Logarithmic' ? Math.abs(min) + 1e-6 : min;
    if (kind === 'continuous') return { kind, name: 'x', min: least, max: least + width, scaling };
    return { kind, name: 'x', min: Math.ceil(least), max: Math.ceil(least) + Math.floor(width), scaling };
  });
const categorical = fc
  .uniqueArray(
    fc.string({ maxLength: 5 }).filter((text) => !text.includes('\0')),
    { minLength: 1, maxLength: 6 },
  )
  .map((values): ParameterRange => ({ kind: 'categorical', name: 'x', values }));
const someRanges = fc
  .array(fc.oneof(numeric, categorical), { minLength: 1, maxLength: 4 })
  .map((ranges) => ranges.map((range, at) => ({ ...range, name: `p${at}` })));

/** Runs a search on a function of the values, one trial after another. */
function searched(search: TuningSearch, seed: number, trials: number, objectiveOf: (values: ParameterValues) => number): TriedParameters[] {
  const random = new SeededRandom(seed);
  const history: TriedParameters[] = [];
  for (let i = 0; i < trials; i++) {
    const values = propose(history, search, random);
    if (values === null) break;
    history.push({ values, objective: objectiveOf(values) });
  }
  return history;
}

const lengthOf = (values: ParameterValues): number => Object.values(values).join('').length;

describe('proposals of a tuning job', () => {
  test('lie inside their ranges, whatever the ranges, the strategy and the history', () => {
    fc.assert(
      fc.property(someRanges, fc.constantFrom(...strategies), fc.nat(), (ranges, strategy, seed) => {
        checkRanges(ranges);
        for (const { values } of searched({ strategy, goal: 'Minimize', ranges }, seed, 14, lengthOf))
          for (const range of ranges) assert.notEqual(unitOf(range, values[range.name] ?? ''), null, JSON.stringify({ range, values }));
      }),
      { numRuns: 200 },
    );
  });

  test('are the same for the same seed', () => {
    fc.assert(
      fc.property(someRanges, fc.constantFrom(...strategies), fc.nat(), (ranges, strategy, seed) => {
        const search = { strategy, goal: 'Maximize', ranges } as const;
        assert.deepEqual(searched(search, seed, 13, lengthOf), searched(search, seed, 13, lengthOf));
      }),
      { numRuns: 50 },
    );
  });

  test('of a grid are all combinations, each once, and then none', () => {
    const ranges: ParameterRange[] = [
      { kind: 'categorical', name: 'a', values: ['1', '2'] },
      { kind: 'categorical', name: 'b', values: ['x', 'y', 'z'] },
    ];
    const found = searched({ strategy: 'Grid', goal: 'Minimize', ranges }, 1, 100, () => 0).map(
      ({ values }) => `${values['a']}${values['b']}`,
    );
    assert.deepEqual(found, ['1x', '1y', '1z', '2x', '2y', '2z']);
    assert.equal(gridSize(ranges), 6);
  });

  test('try other values while some are left, and repeat themselves once all are tried', () => {
    const ranges: ParameterRange[] = [{ kind: 'categorical', name: 'a', values: ['1', '2', '3'] }];
    for (const strategy of ['Random', 'Bayesian'] as const) {
      const tried = searched({ strategy, goal: 'Minimize', ranges }, 3, 5, () => 0);
      assert.equal(new Set(tried.slice(0, 3).map(({ values }) => values['a'])).size, 3);
      assert.equal(tried.length, 5);
    }
  });

  test('of TPE find the minimum of Branin: the median of the best of 50 trials over 60 seeds is at most 0.60', () => {
    // Dixon, Szegö 1978; its least value is 0.398.
    const branin = (values: ParameterValues): number => {
      const [x, y] = [Number(values['x']), Number(values['y'])];
      return (y - (5.1 / (4 * Math.PI ** 2)) * x * x + (5 / Math.PI) * x - 6) ** 2 + 10 * (1 - 1 / (8 * Math.PI)) * Math.cos(x) + 10;
    };
    const ranges: ParameterRange[] = [
      { kind: 'continuous', name: 'x', min: -5, max: 10, scaling: 'Linear' },
      { kind: 'continuous', name: 'y', min: 0, max: 15, scaling: 'Linear' },
    ];
    const medianOf = (strategy: TuningStrategy): number => {
      const best = Array.from({ length: 60 }, (_, seed) =>
        Math.min(...searched({ strategy, goal: 'Minimize', ranges }, seed + 1, 50, branin).map(({ objective }) => objective ?? Infinity)),
      ).toSorted((a, b) => a - b);
      return ((best[29] ?? 0) + (best[30] ?? 0)) / 2;
    };
    assert.ok(medianOf('Bayesian') <= 0.6);
    assert.ok(medianOf('Random') > 1);
  });

  test('of TPE take milliseconds however many trials there were', () => {
    const ranges = Array.from(
      { length: 20 },
      (_, at): ParameterRange => ({ kind: 'continuous', name: `p${at}`, min: 0, max: 1, scaling: 'Linear' }),
    );
    const random = new SeededRandom(1);
    const history = Array.from({ length: 2000 }, (): TriedParameters => {
      const values = Object.fromEntries(ranges.map(({ name }) => [name, String(random.next())]));
      return { values, objective: random.next() };
    });
    withinCpuMs(200, () => propose(history, { strategy: 'Bayesian', goal: 'Minimize', ranges }, random));
  });

  test('of TPE choose the best category and avoid trials that still run', () => {
    const ranges: ParameterRange[] = [{ kind: 'categorical', name: 'a', values: ['bad', 'good', 'worse'] }];
    const all = Array.from({ length: 12 }, (_, i) => ({
      values: { a: ['bad', 'good', 'worse'][i % 3] ?? '' },
      objective: [2, 1, 3][i % 3] ?? 0,
    }));
    const search = { strategy: 'Bayesian', goal: 'Minimize', ranges } as const;
    assert.deepEqual(propose(all, search, new SeededRandom(5)), { a: 'good' });
    assert.deepEqual(propose(all, { ...search, goal: 'Maximize' }, new SeededRandom(5)), { a: 'worse' });
    const x: ParameterRange[] = [{ kind: 'continuous', name: 'x', min: 0, max: 1, scaling: 'Linear' }];
    const done = Array.from({ length: 12 }, (_, i) => ({ values: { x: String(i / 12) }, objective: Math.abs(i / 12 - 0.5) }));
    const near = (history: TriedParameters[]): number =>
      Array.from({ length: 200 }, (_, seed) =>
        Number(propose(history, { strategy: 'Bayesian', goal: 'Minimize', ranges: x }, new SeededRandom(seed))?.['x']),
      ).filter((value) => Math.abs(value - 0.5) < 0.05).length;
    const running = Array.from({ length: 8 }, () => ({ values: { x: '0.5' }, objective: null }));
    assert.ok(near([...done, ...running]) < near(done) / 2);
  });
});

describe('the scale of a range', () => {
  for (const { range, at, expected } of [
    { range: { kind: 'continuous', name: 'x', min: 0.001, max: 10, scaling: 'Logarithmic' }, at: 0.5, expected: 0.1 },
    { range: { kind: 'continuous', name: 'x', min: 0.01, max: 1, scaling: 'Auto' }, at: 0.5, expected: 0.1 },
    { range: { kind: 'continuous', name: 'x', min: 1, max: 3, scaling: 'Auto' }, at: 0.5, expected: 2 },
    { range: { kind: 'continuous', name: 'x', min: 0, max: 0.99, scaling: 'ReverseLogarithmic' }, at: 0.5, expected: 0.9 },
    { range: { kind: 'integer', name: 'x', min: 1, max: 4, scaling: 'Linear' }, at: 0.999, expected: 4 },
    { range: { kind: 'integer', name: 'x', min: 1, max: 1024, scaling: 'Logarithmic' }, at: 0.5, expected: 23 },
  ] as const) {
    test(`${range.scaling} from ${range.min} to ${range.max}: ${expected} at ${at}`, () => {
      assert.ok(Math.abs(Number(valueAt(range, at)) - expected) < 1e-9);
    });
  }

  for (const [range, message] of [
    [{ kind: 'continuous', name: 'lr', min: 0, max: 1, scaling: 'Logarithmic' }, /Logarithmic scaling needs a minimum above 0, got 0/],
    [{ kind: 'continuous', name: 'lr', min: 0, max: 1, scaling: 'ReverseLogarithmic' }, /within 0 <= x < 1/],
    [{ kind: 'integer', name: 'n', min: 1.5, max: 2, scaling: 'Auto' }, /two whole numbers/],
    [{ kind: 'continuous', name: 'lr', min: 2, max: 1, scaling: 'Auto' }, /minimum 2 is more than the maximum 1/],
    [{ kind: 'continuous', name: 'lr', min: Number.NaN, max: 1, scaling: 'Auto' }, /expected two numbers/],
    [{ kind: 'continuous', name: 'lr', min: -1e308, max: 1.7e308, scaling: 'Auto' }, /too wide/],
    [{ kind: 'categorical', name: 'o', values: [] }, /has 0 values/],
    [{ kind: 'categorical', name: 'o', values: ['a', 'a'] }, /a value twice/],
    [{ kind: 'categorical', name: 'a\nb', values: ['a'] }, /invalid name of a range/],
  ] as const) {
    test(`rejects ${JSON.stringify(range)}`, () => {
      assert.throws(() => checkRanges([range]), { code: 'invalid_request', message });
    });
  }
});

test('a proposal is bounded in work if there are no other values: it runs on the event loop', () => {
  let draws = 0;
  const seeded = new SeededRandom(1);
  const random = { next: () => (draws++, seeded.next()) };
  const fixed = Array.from(
    { length: 30 },
    (_, i): ParameterRange => ({ kind: 'continuous', name: `f${i}`, min: 1, max: 1, scaling: 'Auto' }),
  );
  const search = { strategy: 'Bayesian', goal: 'Minimize', ranges: fixed } as const;
  const values = Object.fromEntries(fixed.map(({ name }) => [name, '1']));
  const history = Array.from({ length: 749 }, (_, i) => ({ values, objective: i }));
  assert.deepEqual(propose(history, search, random), values);
  assert.equal(draws, 0, 'a range of one value needs no random number');

  const two: ParameterRange = { kind: 'integer', name: 'x', min: 0, max: 1, scaling: 'Auto' };
  const both = history.map(({ objective }) => ({ values: { x: String(objective % 2) }, objective }));
  assert(['0', '1'].includes(propose(both, { ...search, ranges: [two] }, random)?.['x'] ?? ''));
  assert(draws < 2000, `${draws} random numbers`);
});
