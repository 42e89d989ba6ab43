import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { expectedOverflow, instancesUsd, type PricedType, planCapacity, planRows } from './plan-cost.ts';
import { type FoundPlan, type PlanProblem, searchPlans } from './plan-search.ts';

/** Rank of a plan, compared lexicographically; lower is better. */
type Rank = readonly number[];

function rankOf(counts: readonly number[], problem: PlanProblem, isBounded: boolean, demands: readonly (readonly number[])[]): Rank {
  const { types, limits, mustCarry, floor, overflowUsdEach, slotMs } = problem;
  const total = counts.reduce((sum, count) => sum + count, 0);
  const { instanceUsd, launchUsd } = instancesUsd(types, counts);
  const capacity = planCapacity(types, counts);
  const short = (wanted: number): number => (wanted - capacity > wanted * 1e-9 ? wanted - capacity : 0);
  const usd = instanceUsd + launchUsd + overflowUsdEach * Math.max(...demands.map((demand) => expectedOverflow(demand, capacity)));
  if (!isBounded) return [short(mustCarry), usd];
  const usdMax = ((limits.usdPerHourMax * slotMs) / 3_600_000) * (1 + 1e-9);
  const tooDear = total > limits.min ? Math.max(0, instanceUsd - usdMax) : 0;
  return [Math.max(0, total - limits.max), Math.max(0, limits.min - total), tooDear, short(mustCarry), short(floor), usd];
}

/** Negative if the first rank is better. Tiny differences count as equal. */
function compare(left: Rank, right: Rank): number {
  for (const [i, value] of left.entries()) {
    const other = right[i] as number;
    if (Math.abs(value - other) > 1e-9 * Math.max(1e-6, Math.abs(value), Math.abs(other))) return value - other;
  }
  return 0;
}

const demand = fc
  .array(fc.integer({ min: 0, max: 60_000 }), { minLength: 12, maxLength: 12 })
  .map((values) => values.sort((a, b) => a - b));
const type: fc.Arbitrary<PricedType> = fc.record({
  name: fc.constant(''),
  capacity: fc.integer({ min: 300, max: 20_000 }),
  usdPerSlot: fc.integer({ min: 1, max: 500 }).map((cents) => cents / 1e5),
  have: fc.nat(8),
  leadMs: fc.constantFrom(0, 20_000, 120_000),
});
const problem: fc.Arbitrary<PlanProblem> = fc
  .record({
    types: fc.array(type, { minLength: 1, maxLength: 4 }),
    near: demand,
    far: demand,
    isAlike: fc.boolean(),
    overflowUsdEach: fc.constantFrom(0, 1e-7, 1e-6, 5e-6),
    mustCarry: fc.oneof(fc.constant(0), fc.integer({ min: 0, max: 60_000 })),
    floor: fc.oneof(fc.constant(0), fc.integer({ min: 0, max: 60_000 })),
    min: fc.nat(6),
    more: fc.oneof(fc.nat(10), fc.constant(1000)),
    usdPerHourMax: fc.oneof(fc.constant(Number.POSITIVE_INFINITY), fc.double({ min: 0, max: 2, noNaN: true })),
  })
  .map(({ types, min, more, usdPerHourMax, isAlike, near, far, ...others }) => {
    const limits = { min, minBecause: 'min' as const, max: min + more, usdPerHourMax };
    return {
      ...others,
      types: types.map((one, i) => ({ ...one, name: `t${i}` })),
      limits,
      slotMs: 60_000,
      far,
      near: isAlike ? far : near,
    };
  });

test('the search finds the same plan as an exhaustive search, under any limits', () => {
  fc.assert(
    fc.property(problem, (requested) => {
      const { types, near, far, mustCarry, floor, limits } = requested;
      const demandMax = Math.max(near.at(-1) ?? 0, far.at(-1) ?? 0, mustCarry, floor);
      const ranks = [
        (counts: readonly number[]) => rankOf(counts, requested, true, [far]),
        (counts: readonly number[]) => rankOf(counts, requested, true, [near, far]),
        (counts: readonly number[]) => rankOf(counts, requested, false, [far]),
      ] as const;
      const best: (Rank | null)[] = [null, null, null];
      for (const { counts, varied, most } of planRows(types, { demandMax, min: limits.min, max: Math.max(limits.max, 200) })) {
        for (let count = varied === null ? 0 : 1; count <= most; count++) {
          if (varied !== null) counts[varied] = count;
          for (const [i, rank] of ranks.entries()) {
            const other = rank(counts);
            const former = best[i] ?? null;
            if (former === null || compare(other, former) < 0) best[i] = other;
          }
        }
      }
      const found = searchPlans(requested);
      for (const [i, { counts }] of [found.up, found.keep, found.unbounded].entries()) {
        const rank = (ranks[i] as (typeof ranks)[0])(counts);
        assert(compare(rank, best[i] as Rank) <= 0, JSON.stringify({ which: ['up', 'keep', 'unbounded'][i], counts, rank, best: best[i] }));
      }
      const some: FoundPlan | null = found.someInstances;
      assert(some === null || some.counts.some((count) => count > 0));
    }),
    { numRuns: 150 },
  );
});
