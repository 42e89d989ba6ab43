import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { SeededRandom } from '../../random.ts';
import { baselineOf, sharesOf } from './baseline.ts';
import { baselinesOf, driftReport } from './report.ts';
import { chanceOf, largestDistance, rejected, stabilityIndex } from './statistics.ts';

const random = new SeededRandom(7);
/** The sum of twelve uniform numbers: close to a normal distribution. */
const normal = (mean: number, deviation: number): number =>
  mean + deviation * (Array.from({ length: 12 }, () => random.next()).reduce((a, b) => a + b, 0) - 6);
const draw = (count: number, one: () => number): number[] => Array.from({ length: count }, one);

describe('two samples', () => {
  test('Kolmogorov-Smirnov has the values of a table', () => {
    assert.equal(largestDistance([1, 2, 3, 4], [1, 2, 3, 4]), 0);
    assert.equal(largestDistance([1, 2], [3, 4]), 1);
    assert.equal(largestDistance([1, 2, 3, 4], [3, 4, 5, 6]), 0.5);
    // Critical values of large samples: 1.358 at 5 %, 1.628 at 1 % (Smirnov 1948).
    const n = 1e8;
    for (const [lambda, chance] of [
      [1.3581, 0.05],
      [1.6276, 0.01],
    ] as const) {
      assert(Math.abs(chanceOf(lambda / Math.sqrt(n / 2), n, n) - chance) < 1e-4);
    }
  });

  test('of one distribution are told apart as often as is said, of two always', () => {
    let wrong = 0;
    for (let i = 0; i < 400; i++) {
      const [a, b] = [draw(150, () => normal(0, 1)), draw(150, () => normal(0, 1))].map((each) => each.sort((x, y) => x - y)) as [
        number[],
        number[],
      ];
      if (chanceOf(largestDistance(a, b), a.length, b.length) < 0.05) wrong++;
    }
    assert(wrong >= 5 && wrong <= 40, `${wrong} of 400 at 5 %`);
    const [a, b] = [draw(150, () => normal(0, 1)), draw(150, () => normal(1, 1))].map((each) => each.sort((x, y) => x - y)) as [
      number[],
      number[],
    ];
    assert(chanceOf(largestDistance(a, b), a.length, b.length) < 1e-6);
  });

  test('the stability index is 0 for the same shares, and never below', () => {
    assert.equal(stabilityIndex([0.5, 0.5], [0.5, 0.5]), 0);
    assert(Math.abs(stabilityIndex([0.5, 0.5], [0.7, 0.3]) - (0.2 * Math.log(1.4) - 0.2 * Math.log(0.6))) < 1e-12);
    const shares = fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { minLength: 3, maxLength: 3 });
    fc.assert(fc.property(shares, shares, (a, b) => stabilityIndex(a, b) >= 0));
  });
});

test('of many tests those reject that Benjamini and Hochberg reject', () => {
  // The example of their paper, section 3.3, at 5 %: the four smallest.
  const chances = [0.0001, 0.0004, 0.0019, 0.0095, 0.0201, 0.0278, 0.0298, 0.0344, 0.0459, 0.324, 0.4262, 0.5719, 0.6528, 0.759, 1];
  assert.equal(rejected(chances, 0.05).filter(Boolean).length, 4);
  assert.deepEqual(rejected([], 0.05), []);
});

describe('a baseline', () => {
  test('has parts of equal weight, also where values repeat', () => {
    const { bounds, shares, count } = baselineOf(
      'x',
      draw(1000, () => random.next()),
    ) as NonNullable<ReturnType<typeof baselineOf>>;
    assert.deepEqual([bounds.length, shares.length, count], [9, 10, 1000]);
    for (const share of shares) assert(Math.abs(share - 0.1) < 0.01);
    const binary = baselineOf(
      'flag',
      draw(100, () => (random.next() < 0.3 ? 1 : 0)),
    );
    assert.equal(binary?.bounds.length, 1);
    assert.equal(baselineOf('few', [1, 2, 3]), null);
    assert.deepEqual(
      baselineOf(
        'constant',
        draw(100, () => 4),
      )?.shares,
      [1],
    );
  });

  test('accounts for every value', () => {
    const bounds = fc.uniqueArray(fc.integer({ min: -50, max: 50 }), { maxLength: 9 }).map((all) => all.sort((a, b) => a - b));
    fc.assert(
      fc.property(bounds, fc.array(fc.integer({ min: -100, max: 100 }), { minLength: 1, maxLength: 50 }), (own, values) => {
        assert(Math.abs(sharesOf(own, values).reduce((a, b) => a + b, 0) - 1) < 1e-9);
      }),
    );
  });
});

describe('a report', () => {
  const names = Array.from({ length: 30 }, (_, i) => `f${i}`);
  const usual = new Map(names.map((name) => [name, draw(800, () => normal(5, 2))]));
  const baselines = baselinesOf(usual);

  test('finds the feature that has shifted, among thirty that have not', () => {
    const now = new Map(names.map((name) => [name, draw(300, () => normal(name === 'f7' ? 7 : 5, 2))]));
    const report = driftReport(baselines, now);
    assert.deepEqual([report?.rows, report?.drifted], [300, 1]);
    const [found] = report?.features.filter(({ hasDrifted }) => hasDrifted) ?? [];
    assert.equal(found?.name, 'f7');
    assert((found?.now[1] ?? 0) > 6.5 && (found?.baseline[1] ?? 0) < 5.5);
  });

  test('says nothing of a few rows', () => {
    assert.equal(driftReport(baselines, new Map([['f0', [1, 2, 3]]])), null);
  });
});
