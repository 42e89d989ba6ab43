import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { SeededRandom } from '../../random.ts';
import { baselineOf, bucketShares, type FeatureBaseline, upgradeStoredFeature } from './baseline.ts';
import { driftReport } from './report.ts';
import { chanceProbability, largestDistance, rejected, stabilityIndex, type WeightedSample } from './statistics.ts';

const random = new SeededRandom(7);
/** The sum of twelve uniform numbers is close to a normal distribution. */
const normal = (mean: number, deviation: number): number =>
  mean + deviation * (Array.from({ length: 12 }, () => random.next()).reduce((a, b) => a + b, 0) - 6);
const draw = (count: number, one: () => number): number[] => Array.from({ length: count }, one);
const sampleOf = (values: readonly number[], missing = 0): WeightedSample => ({ sorted: values.toSorted((a, b) => a - b), missing });
const counts = { expected: 1000, actual: 1000 };

const baselinesOf = (values: ReadonlyMap<string, readonly number[]>): FeatureBaseline[] =>
  [...values].flatMap(([name, each]) => baselineOf(name, each) ?? []);

describe('two samples', () => {
  test('Kolmogorov-Smirnov matches published critical values', () => {
    assert.equal(largestDistance(sampleOf([1, 2, 3, 4]), sampleOf([1, 2, 3, 4])), 0);
    assert.equal(largestDistance(sampleOf([1, 2]), sampleOf([3, 4])), 1);
    assert.equal(largestDistance(sampleOf([1, 2, 3, 4]), sampleOf([3, 4, 5, 6])), 0.5);
    // Critical values of large samples: 1.358 at 5 %, 1.628 at 1 % (Smirnov 1948).
    const n = 1e8;
    for (const [lambda, chance] of [
      [1.3581, 0.05],
      [1.6276, 0.01],
    ] as const) {
      assert(Math.abs(chanceProbability(lambda / Math.sqrt(n / 2), n, n) - chance) < 1e-4);
    }
  });

  test('reports false positives at the configured rate, and always detects different distributions', () => {
    let wrong = 0;
    for (let i = 0; i < 400; i++) {
      const [a, b] = [draw(150, () => normal(0, 1)), draw(150, () => normal(0, 1))];
      if (chanceProbability(largestDistance(sampleOf(a), sampleOf(b)), a.length, b.length) < 0.05) wrong++;
    }
    assert(wrong >= 5 && wrong <= 40, `${wrong} of 400 at 5 %`);
    const [a, b] = [draw(150, () => normal(0, 1)), draw(150, () => normal(1, 1))];
    assert(chanceProbability(largestDistance(sampleOf(a), sampleOf(b)), a.length, b.length) < 1e-6);
  });

  test('have the distance of their missing shares if their values are equal', () => {
    assert.equal(largestDistance(sampleOf([1, 2]), sampleOf([1, 2], 0.5)), 0.5);
    assert.equal(largestDistance(sampleOf([1, 2], 1), sampleOf([], 1)), 0);
    assert.equal(largestDistance(sampleOf([1, 2]), sampleOf([], 1)), 1);
  });

  test('the stability index is 0 for equal shares, and never negative', () => {
    assert.equal(stabilityIndex([0.5, 0.5], [0.5, 0.5], counts), 0);
    assert(Math.abs(stabilityIndex([0.5, 0.5], [0.7, 0.3], counts) - (0.2 * Math.log(1.4) - 0.2 * Math.log(0.6))) < 1e-12);
    const shares = fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { minLength: 3, maxLength: 3 });
    fc.assert(fc.property(shares, shares, (a, b) => stabilityIndex(a, b, counts) >= 0));
  });
});

test('matches the Benjamini-Hochberg procedure', () => {
  // The example of the paper, section 3.3, at 5 %: the four smallest.
  const chances = [0.0001, 0.0004, 0.0019, 0.0095, 0.0201, 0.0278, 0.0298, 0.0344, 0.0459, 0.324, 0.4262, 0.5719, 0.6528, 0.759, 1];
  assert.equal(rejected(chances, 0.05).filter(Boolean).length, 4);
  assert.deepEqual(rejected([], 0.05), []);
});

describe('a baseline', () => {
  const of = (values: readonly number[]): FeatureBaseline => baselineOf('x', values) as FeatureBaseline;

  test('has parts of equal weight between two empty ones', () => {
    const { shares, count, missing } = of(draw(1000, () => random.next()));
    assert.deepEqual([shares.length, shares.at(0), shares.at(-1), count, missing], [12, 0, 0, 1000, 0]);
    for (const share of shares.slice(1, -1)) assert(share > 0.08 && share < 0.11, `${share}`);
    assert.equal(baselineOf('few', [1, 2, 3]), null);
  });

  test('has a separate part for each value that fills a decile', () => {
    assert.deepEqual(of(draw(100, () => 4)).shares, [0, 1, 0]);
    const binary = of([...new Array<number>(30).fill(1), ...new Array<number>(70).fill(0)]);
    assert.deepEqual(binary.shares, [0, 0.7, 0, 0.3, 0]);
    assert.deepEqual(
      bucketShares(of([...new Array<number>(95).fill(5), 0, 2, 7, 8, 9]).bounds, [3, 5, 6, -1, 10]),
      [0.2, 0.2, 0.2, 0.2, 0.2],
    );
  });

  test('counts non-finite values separately', () => {
    const { shares, missing, count } = of([...draw(30, () => 1), ...draw(9, () => Number.NaN), Number.POSITIVE_INFINITY]);
    assert.deepEqual([shares, missing, count], [[0, 1, 0], 0.25, 40]);
    assert.equal(of(draw(20, () => Number.NaN)).missing, 1);
  });

  test('of an earlier version is upgraded from its sample, with nothing missing if every row had a value', () => {
    const sample = draw(500, () => random.next()).sort((a, b) => a - b);
    const stored = { name: 'x', bounds: [], shares: [1], sample, count: 500 };
    assert.deepEqual(upgradeStoredFeature(stored, 500), of(sample));
    assert.equal(upgradeStoredFeature(stored, 600).missing, null);
    assert.deepEqual(upgradeStoredFeature(of(sample), 500), of(sample));
  });

  test('accounts for every value', () => {
    const bounds = fc.uniqueArray(fc.integer({ min: -50, max: 50 }), { maxLength: 9 }).map((all) => all.sort((a, b) => a - b));
    fc.assert(
      fc.property(bounds, fc.array(fc.integer({ min: -100, max: 100 }), { minLength: 1, maxLength: 50 }), (own, values) => {
        assert(Math.abs(bucketShares(own, values).reduce((a, b) => a + b, 0) - 1) < 1e-9);
      }),
    );
  });
});

describe('a report', () => {
  const names = Array.from({ length: 30 }, (_, i) => `f${i}`);
  const usual = new Map(names.map((name) => [name, draw(800, () => normal(5, 2))]));
  const baselines = baselinesOf(usual);

  test('finds the shifted feature among thirty others', async () => {
    const now = new Map(names.map((name) => [name, draw(300, () => normal(name === 'f7' ? 7 : 5, 2))]));
    const report = await driftReport(baselines, now);
    assert.deepEqual([report?.rows, report?.drifted], [300, 1]);
    const [found] = report?.features.filter(({ hasDrifted }) => hasDrifted) ?? [];
    assert.equal(found?.name, 'f7');
    assert((found?.now?.[1] ?? 0) > 6.5 && (found?.baseline?.[1] ?? 0) < 5.5);
  });

  test('returns no report for a few rows', async () => {
    assert.equal(await driftReport(baselines, new Map([['f0', [1, 2, 3]]])), null);
  });

  test('counts a missing feature as drifted', async () => {
    const now = new Map([...usual].map(([name, values]) => [name, name === 'f7' ? values.map(() => Number.NaN) : values]));
    const report = await driftReport(baselines, now);
    const found = report?.features.find(({ hasDrifted }) => hasDrifted);
    assert.deepEqual([report?.drifted, found?.name, found?.now, found?.missing], [1, 'f7', null, { baseline: 0, now: 1 }]);
  });

  test("compares values only if the baseline's missing share is unknown", async () => {
    const [first] = baselines as [FeatureBaseline];
    const half = (values: readonly number[]): number[] => values.map((value, i) => (i % 2 === 0 ? Number.NaN : value));
    const report = await driftReport([{ ...first, missing: null }], new Map([['f0', half(usual.get('f0') ?? [])]]));
    assert.deepEqual([report?.drifted, report?.features[0]?.missing], [0, { baseline: null, now: 0.5 }]);
  });
});

/** Possible feature distributions; each function draws one value. */
const shapes = fc.oneof(
  fc.constant(() => normal(0, 1)),
  fc.constant(() => Math.exp(normal(0, 1))),
  fc.integer({ min: -20, max: 20 }).map((value) => () => value),
  fc.double({ min: 0.5, max: 1, noNaN: true }).map((share) => () => (random.next() < share ? 1 : 0)),
  fc.double({ min: 0.8, max: 1, noNaN: true }).map((share) => () => (random.next() < share ? 5 : Math.floor(random.next() * 16))),
  fc.double({ min: 0, max: 1, noNaN: true }).map((share) => () => (random.next() < share ? Number.NaN : normal(3, 2))),
);

describe('with arbitrary feature distributions', () => {
  test('at most one report in twenty is wrong with few rows', async () => {
    const features = fc.sample(shapes, { numRuns: 20, seed: 11 });
    const of = (count: number) => new Map(features.map((one, i) => [`f${i}`, draw(count, one)]));
    let wrong = 0;
    for (let report = 0; report < 200; report++) if (((await driftReport(baselinesOf(of(60)), of(50)))?.drifted ?? 0) > 0) wrong++;
    assert(wrong <= 10, `${wrong} of 200`);
  });

  test('more rows of the same distribution are not drift', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(shapes, { minLength: 1, maxLength: 30 }), fc.integer({ min: 300, max: 600 }), async (features, rows) => {
        const of = (count: number) => new Map(features.map((one, i) => [`f${i}`, draw(count, one)]));
        assert.equal((await driftReport(baselinesOf(of(1000)), of(rows)))?.drifted, 0);
      }),
    );
  });

  const rows = fc.integer({ min: 60, max: 500 });
  const isFound = async (before: readonly number[], now: readonly number[]): Promise<boolean> =>
    (await driftReport(baselinesOf(new Map([['x', before]])), new Map([['x', now]])))?.drifted === 1;

  test('a change to another constant is drift', async () => {
    const values = fc.uniqueArray(fc.double({ noNaN: true, noDefaultInfinity: true }), { minLength: 2, maxLength: 2 });
    await fc.assert(
      fc.asyncProperty(values, rows, ([before, now], count) =>
        isFound(
          draw(count, () => before as number),
          draw(count, () => now as number),
        ),
      ),
    );
  });

  test('detects a frequent value that changes, wherever the new one lies', async () => {
    const share = fc.double({ min: 0.85, max: 0.999, noNaN: true });
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 0, max: 16 }),
        fc.integer({ min: -3, max: 20 }),
        share,
        rows,
        async (heavy, now, weight, count) => {
          fc.pre(heavy !== now);
          const one = (value: number) => () => (random.next() < weight ? value : Math.floor(random.next() * 17));
          return isFound(draw(count, one(heavy)), draw(count, one(now)));
        },
      ),
    );
  });

  test('detects values that disappear, and values that appear', async () => {
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: -5, max: 5 }), rows, async (value, count) => {
        const [all, none] = [draw(count, () => normal(value, 1)), draw(count, () => Number.NaN)];
        return (
          (await isFound(all, none)) &&
          (await isFound(none, all)) &&
          (await isFound(all, [...all.slice(count / 2), ...none.slice(0, count / 2)]))
        );
      }),
    );
  });
});
