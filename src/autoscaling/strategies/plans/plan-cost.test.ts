import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { quantileGrid } from '../../../forecasting/index.ts';
import { quantileOf, tauWeights } from '../forecast-view.ts';
import { expectedOverflow, instancesUsd, type PricedType, planCapacity, planCost } from './plan-cost.ts';
import { type PlanProblem, searchPlans } from './plan-search.ts';

const demand = [1000, 1100, 1250, 1350, 1450, 1550, 1650, 1800, 2000, 2400, 2800, 3600];
const overflowUsdEach = 5.007_184_7e-6;
const large = (have: number): PricedType => ({
  name: 'c5.large',
  capacity: (3 / 0.22) * 60,
  usdPerSlot: 0.085 / 60,
  have,
  leadMs: 120_000,
});
const unlimited = { min: 0, minBecause: 'min', max: 1000, usdPerHourMax: Number.POSITIVE_INFINITY } as const;
const rounded = (value: number): number => Math.round(value * 10) / 10;

function problem(types: readonly PricedType[], changes: Partial<PlanProblem> = {}): PlanProblem {
  return { types, near: demand, far: demand, overflowUsdEach, mustCarry: 0, floor: 0, limits: unlimited, slotMs: 60_000, ...changes };
}

describe('the cost of a plan', () => {
  test('the weights of the quantiles add up to one', () => {
    assert.equal(tauWeights.length, quantileGrid.length);
    assert(Math.abs(tauWeights.reduce((sum, weight) => sum + weight, 0) - 1) < 1e-12);
  });

  test('the expected overflow of 0 to 4 instances matches the reference', () => {
    const { capacity } = large(0);
    assert.equal(capacity.toFixed(2), '818.18');
    assert.deepEqual(
      [0, 1, 2, 3, 4].map((n) => rounded(expectedOverflow(demand, n * capacity))),
      [1676.5, 858.3, 222.6, 49.9, 9.8],
    );
  });

  for (const { have, costs, argmin } of [
    { have: 0, costs: [8394.5, 5997.8, 4514.8, 5349.9, 6849.2], argmin: 2 },
    { have: 2, costs: [8394.5, 5714.4, 3948.1, 4783.2, 6282.5], argmin: 2 },
    { have: 4, costs: [8394.5, 5714.4, 3948.1, 4499.9, 5715.8], argmin: 2 },
  ]) {
    test(`with ${have} running, ${argmin} cost least`, () => {
      const types = [large(have)];
      assert.deepEqual(
        costs.map((_, n) => rounded(planCost(types, [n], demand, overflowUsdEach).totalUsd * 1e6)),
        costs,
      );
      assert.deepEqual(searchPlans(problem(types)).up.counts, [argmin]);
    });
  }

  for (const { rho, fractile } of [
    { rho: 1, fractile: 0.65 },
    { rho: 0.85, fractile: 0.59 },
  ]) {
    test(`the fractile 1 - c_v/c_f of c5.large at utilisation ${rho} is ${fractile}`, () => {
      const usdAtFullUse = 0.085 / (3600 * (3 / 0.22) * rho);
      assert.equal((1 - usdAtFullUse / overflowUsdEach).toFixed(2), fractile.toFixed(2));
    });
  }

  test('for instances that are small relative to the demand, the optimum is that fractile of the demand', () => {
    const tiny: PricedType = { name: 'tiny', capacity: 1, usdPerSlot: overflowUsdEach * 0.35, have: 1_000_000, leadMs: 0 };
    const { up } = searchPlans(problem([tiny], { limits: { ...unlimited, max: 4000 } }));
    // 0.65 lies between the quantiles .6 and .7; their weights meet there.
    assert.equal(up.counts[0], quantileOf({ h: 1, mean: 0, quantiles: demand }, 0.6));
  });
});

describe('the cheapest mix', () => {
  const types = (have: number): PricedType[] => [
    { ...large(have), leadMs: 0 },
    { name: 'g4dn.xlarge', capacity: (64 / 0.172) * 60, usdPerSlot: 0.526 / 60, have: 0, leadMs: 0 },
  ];
  const cheapestFor = (ratePerSecond: number): readonly number[] => {
    const flat = demand.map(() => ratePerSecond * 60);
    return searchPlans(problem(types(0), { near: flat, far: flat, overflowUsdEach: 1 })).up.counts;
  };

  test('a g4dn.xlarge pays off from 84 requests per second on', () => {
    // 6 c5.large serve 81.8 requests/s for $0.51. The GPU instance costs $0.526, as much as 6.19 c5.large, which would serve
    // 84.4.
    assert.equal(Math.round((0.526 / 0.085) * (3 / 0.22)), 84);
    assert.deepEqual(cheapestFor(81), [6, 0]);
    assert.deepEqual(cheapestFor(84.5), [0, 1]);
    assert.deepEqual(cheapestFor(380), [1, 1]);
  });
});

const anyType = fc.record({
  name: fc.uuid(),
  capacity: fc.double({ min: 20, max: 3000, noNaN: true }),
  usdPerSlot: fc.double({ min: 1e-4, max: 0.01, noNaN: true }),
  have: fc.integer({ min: 0, max: 8 }),
  leadMs: fc.integer({ min: 0, max: 300_000 }),
});
const anyDemand = fc
  .array(fc.double({ min: 0, max: 4000, noNaN: true }), { minLength: 12, maxLength: 12 })
  .map((values) => values.sort((a, b) => a - b));

const keepShares = fc.constantFrom(1, 0.7, 0.4);

describe('the search', () => {
  test('for one type finds the same plan as an exhaustive search, within the limits', () => {
    fc.assert(
      fc.property(anyType, anyDemand, anyDemand, fc.nat(6), fc.nat(6), keepShares, (type, near, far, min, more, keepShare) => {
        const max = min + more;
        const { up, keep } = searchPlans(problem([type], { near, far, limits: { ...unlimited, min, max }, keepShare }));
        const usdAt = (n: number, values: readonly number[]): number => planCost([type], [n], values, overflowUsdEach).totalUsd;
        const worstAt = (n: number): number => Math.max(usdAt(n, near), usdAt(n, far)) - (1 - keepShare) * n * type.usdPerSlot;
        const range = Array.from({ length: more + 1 }, (_, i) => min + i);
        const leastUp = Math.min(...range.map((n) => usdAt(n, far)));
        const leastKeep = Math.min(...range.map(worstAt));
        const [n = -1] = up.counts;
        assert(n >= min && n <= max);
        assert(usdAt(n, far) <= leastUp + 1e-12);
        assert(worstAt(keep.counts[0] ?? 0) <= leastKeep + 1e-12);
      }),
    );
  });

  test('of several types never costs more than the best single type', () => {
    fc.assert(
      fc.property(fc.array(anyType, { minLength: 2, maxLength: 4 }), anyDemand, (types, far) => {
        const all = searchPlans(problem(types, { near: far, far })).up.totalUsd;
        const alone = Math.min(...types.map((type) => searchPlans(problem([type], { near: far, far })).up.totalUsd));
        assert(all <= alone + 1e-12);
      }),
      { numRuns: 50 },
    );
  });

  test('of two types finds the same plan as an exhaustive search of useful pairs', () => {
    fc.assert(
      fc.property(
        anyType,
        anyType,
        anyDemand,
        anyDemand,
        fc.nat(5),
        fc.nat(9),
        fc.nat(3000),
        keepShares,
        (one, two, near, far, min, more, floor, keepShare) => {
          const types = [one, two];
          const most = (i: 0 | 1): number =>
            Math.max(min, Math.ceil(Math.max(near.at(-1) ?? 0, far.at(-1) ?? 0, floor) / (types[i]?.capacity ?? 1)));
          const { up, keep } = searchPlans(problem(types, { near, far, floor, limits: { ...unlimited, min, max: min + more }, keepShare }));
          const usdAt = (counts: readonly number[], values: readonly number[]): number =>
            planCost(types, counts, values, overflowUsdEach).totalUsd;
          const shortAt = (counts: readonly number[]): number => {
            const short = floor - planCapacity(types, counts);
            return short > floor * 1e-9 ? short : 0;
          };
          for (let a = 0; a <= Math.min(most(0), min + more); a++) {
            for (let b = Math.max(0, min - a); b <= Math.min(most(1), min + more - a); b++) {
              const counts = [a, b];
              if (shortAt(counts) > shortAt(up.counts)) continue;
              const isCheaper = usdAt(counts, far) < usdAt(up.counts, far) - 1e-9;
              assert(!isCheaper, `${counts.join()} is cheaper than ${up.counts.join()}`);
              const worst = (plan: readonly number[]): number =>
                Math.max(usdAt(plan, near), usdAt(plan, far)) - (1 - keepShare) * instancesUsd(types, plan).instanceUsd;
              if (shortAt(counts) <= shortAt(keep.counts)) assert(worst(counts) >= worst(keep.counts) - 1e-9);
            }
          }
        },
      ),
      { numRuns: 200 },
    );
  });

  test('without functions carries the required load at the lowest cost', () => {
    const { up } = searchPlans(problem([large(0)], { mustCarry: 3600, overflowUsdEach: 0 }));
    assert.deepEqual(up.counts, [5]);
    assert.deepEqual(
      searchPlans(problem([large(0)], { mustCarry: 3600, overflowUsdEach: 0, limits: { ...unlimited, max: 3 } })).up.counts,
      [3],
    );
  });

  test('respects budget and minimum, and still reports the unbounded optimum', () => {
    const limits = { ...unlimited, usdPerHourMax: 0.1 };
    const { up, unbounded } = searchPlans(problem([large(0)], { limits }));
    assert.deepEqual([up.counts, unbounded.counts], [[1], [2]]);
    assert.deepEqual(searchPlans(problem([large(0)], { limits: { ...limits, min: 3 } })).up.counts, [3]);
  });
});
