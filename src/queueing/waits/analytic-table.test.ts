import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { batchingVectors } from '../../../test/batching/vectors.ts';
import { markovian, mmpp2, poisson } from '../arrivals/arrival-process.ts';
import { latencyCdf, latencyQuantileMs, meanWaitMs } from '../latency.ts';
import { costUsdPerMillion } from '../search/cost.ts';
import { fixedService } from '../service-law.ts';
import { AnalyticTables } from './analytic-table.ts';
import { exactMeanWaitMs, exactTable } from './exact-model.ts';
import { OctaveGrid } from './octave-grid.ts';
import type { WaitTable } from './wait-table.ts';

const { settings, tolerances, price } = batchingVectors;

const close = (actual: number, expected: number, tolerance: number, what: string): void => {
  assert(Math.abs(actual - expected) <= tolerance, `${what}: expected ${expected}, got ${actual}`);
};

/** Practically all batches are full, so the search does not try a longer T. */
const isSaturated = (table: WaitTable): boolean => (table.batchSizePmf[table.batchSizeMax] as number) > 1 - 1e-6;

for (const { id, arrival, maxBatch, timeoutMs, service, memoryGb, expected } of settings) {
  test(`matches the exact model within the searched range: ${id}`, () => {
    const table = new AnalyticTables(markovian(arrival.D0, arrival.D1), 32).at(timeoutMs).of(maxBatch);
    const law = fixedService((b) => service.baseMs + service.perRequestMs * b);
    const cost = costUsdPerMillion(table, law, memoryGb * 1024, price);
    close(cost, expected.costUsdPerMillion, tolerances.fastTable.costRelative * cost, 'cost');
    for (const [i, probability] of expected.batchSizePmf.entries()) {
      close(table.batchSizePmf[i + 1] as number, probability, 1e-9, `p_${i + 1}`);
    }
    if (isSaturated(table)) return;
    const p95Ms = latencyQuantileMs(table, law, 0.95);
    close(p95Ms, expected.p95Ms, tolerances.fastTable.p95Relative * p95Ms, 'p95');
  });
}

const processes = [
  { name: 'Poisson', process: poisson(150) },
  { name: 'bursts', process: mmpp2({ rate1PerSecond: 20, rate2PerSecond: 400, switch12PerSecond: 1, switch21PerSecond: 4 }) },
  { name: 'fast bursts', process: mmpp2({ rate1PerSecond: 50, rate2PerSecond: 2000, switch12PerSecond: 5, switch21PerSecond: 20 }) },
  {
    name: 'three phases',
    process: markovian(
      [
        [-30, 4, 1],
        [0, -200, 10],
        [2, 3, -50],
      ],
      [
        [20, 5, 0],
        [30, 150, 10],
        [0, 0, 45],
      ],
    ),
  },
  {
    name: 'four phases (regular arrivals)',
    process: markovian(
      [
        [-400, 400, 0, 0],
        [0, -400, 400, 0],
        [0, 0, -400, 400],
        [0, 0, 0, -400],
      ],
      [
        [0, 0, 0, 0],
        [0, 0, 0, 0],
        [0, 0, 0, 0],
        [300, 100, 0, 0],
      ],
    ),
  },
];

for (const { name, process } of processes) {
  test(`${name}: the p95 is within 1 % of the exact one, and usually much closer`, () => {
    const errors: number[] = [];
    // The exact model is slow with many phases.
    for (const waitMsMax of process.phaseCount > 2 ? [6, 45, 120] : [2, 6, 17, 45, 120, 300]) {
      const tables = new AnalyticTables(process, 24).at(waitMsMax);
      for (const batchSizeMax of process.phaseCount > 2 ? [3, 11] : [2, 5, 11, 24]) {
        const table = tables.of(batchSizeMax);
        if (isSaturated(table)) continue;
        for (const law of [fixedService((b) => 8 + 2 * b), fixedService((b) => 1 + 0.2 * b)]) {
          const exactMs = latencyQuantileMs(exactTable(process, { batchSizeMax, waitMsMax }), law, 0.95);
          errors.push(Math.abs(latencyQuantileMs(table, law, 0.95) / exactMs - 1));
        }
      }
    }
    assert(Math.max(...errors) <= 0.01, `worst ${Math.max(...errors)}`);
    const mean = errors.reduce((a, b) => a + b, 0) / errors.length;
    assert(mean < 0.002, `mean ${mean}`);
  });

  test(`${name}: F rises from 0 to 1, and the masses are those of H`, () => {
    const provided = fc.record({
      batchSizeMax: fc.integer({ min: 1, max: 16 }),
      waitMsMax: fc.double({ min: 0.01, max: 300, noNaN: true }),
    });
    fc.assert(
      fc.property(provided, ({ batchSizeMax, waitMsMax }) => {
        const table = new AnalyticTables(process, 16).at(waitMsMax).of(batchSizeMax);
        const law = fixedService((b) => 3 + Math.sqrt(b));
        let before = 0;
        for (let i = 0; i <= 60; i++) {
          const f = latencyCdf(table, law, ((waitMsMax + 8) * i) / 60);
          assert(f >= before - 1e-12, `F fell from ${before} to ${f}`);
          before = f;
        }
        close(before, 1, 1e-9, 'F at the end');
        for (let b = 1; b <= batchSizeMax; b++) {
          let mass = 0;
          table.forEachWaitMass(b, (_from, _to, piece) => {
            mass += piece;
          });
          close(mass, b * (table.batchSizePmf[b] as number), 1e-9, `mass of ${b}`);
        }
      }),
      { numRuns: 25 },
    );
  });
}

test('equals the exact model at the points of its grid', () => {
  const grid = new OctaveGrid(5, 4);
  const process = mmpp2({ rate1PerSecond: 20, rate2PerSecond: 400, switch12PerSecond: 1, switch21PerSecond: 4 });
  const setting = { batchSizeMax: 12, waitMsMax: 40 };
  const [fast, exact] = [new AnalyticTables(process, 20, grid).at(40).of(12), exactTable(process, setting)];
  for (let b = 1; b <= 12; b++) {
    for (const share of grid.shares)
      close(fast.requestsWithin(b, 40 * share), exact.requestsWithin(b, 40 * share), 1e-12, `H_${b}(${share} T)`);
  }
  const expected = exactMeanWaitMs(process, setting);
  close(meanWaitMs(fast), expected, 5e-3 * expected, 'mean wait');
});

test('the grid finds the interval of every share', () => {
  const grid = new OctaveGrid(6, 8);
  fc.assert(
    fc.property(fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }), (share) => {
      const point = grid.below(share);
      assert((grid.shares[point] as number) <= share && share <= (grid.shares[point + 1] as number));
    }),
  );
  for (const [point, share] of grid.shares.entries()) if (share < 1) assert.equal(grid.below(share), point);
});

test('the largest B of the tables does not affect smaller ones', () => {
  const process = mmpp2({ rate1PerSecond: 20, rate2PerSecond: 400, switch12PerSecond: 1, switch21PerSecond: 4 });
  const [few, many] = [new AnalyticTables(process, 6).at(50).of(6), new AnalyticTables(process, 32).at(50).of(6)];
  for (let b = 1; b <= 6; b++) {
    for (const waitMs of [0, 3, 20, 50]) close(few.requestsWithin(b, waitMs), many.requestsWithin(b, waitMs), 1e-12, `H_${b}(${waitMs})`);
  }
});
