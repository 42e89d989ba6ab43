import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { batchingVectors, type ModelVector } from '../../../test/batching/vectors.ts';
import { type ArrivalProcess, arrivalRatePerSecond, markovian, mmpp2, poisson } from '../arrivals/arrival-process.ts';
import { latencyCdf, latencyQuantileMs, meanWaitMs } from '../latency.ts';
import { costUsdPerMillion } from '../search/cost.ts';
import { fixedService } from '../service-law.ts';
import { exactBatchSizes, exactMeanWaitMs, exactTable } from './exact-model.ts';

const { settings, price, tolerances } = batchingVectors;

const close = (actual: number, expected: number, tolerance: number, what: string): void => {
  assert(Math.abs(actual - expected) <= tolerance, `${what}: expected ${expected}, got ${actual}`);
};

/** Compares all figures of a test vector with the model. */
function checkModel(process: ArrivalProcess, { maxBatch, timeoutMs, service, memoryGb, expected }: ModelVector): void {
  const { batchSizePmfAbsolute, cdfAbsolute, relative, quantileRelative } = tolerances.exactModel;
  const setting = { batchSizeMax: maxBatch, waitMsMax: timeoutMs };
  const table = exactTable(process, setting);
  const law = fixedService((b) => service.baseMs + service.perRequestMs * b);
  close(arrivalRatePerSecond(process), expected.arrivalRatePerSecond, relative * expected.arrivalRatePerSecond, 'rate');
  for (const [i, probability] of expected.batchSizePmf.entries()) {
    close(table.batchSizePmf[i + 1] as number, probability, batchSizePmfAbsolute, `p_${i + 1}`);
  }
  close(table.meanBatch, expected.meanBatch, relative * expected.meanBatch, 'E[b]');
  const { startPhase } = exactBatchSizes(process, setting);
  for (const [i, probability] of expected.startPhase.entries()) close(startPhase[i] as number, probability, relative, `α_${i + 1}`);
  close(exactMeanWaitMs(process, setting), expected.meanWaitMs, relative * expected.meanWaitMs, 'mean wait');
  for (const { latencyMs, probability } of expected.cdf) {
    close(latencyCdf(table, law, latencyMs), probability, cdfAbsolute, `F(${latencyMs} ms)`);
  }
  for (const { name, quantile } of [
    { name: 'p50', quantile: 0.5 },
    { name: 'p95', quantile: 0.95 },
    { name: 'p99', quantile: 0.99 },
  ] as const) {
    const ms = latencyQuantileMs(table, law, quantile);
    close(ms, expected[`${name}Ms`], quantileRelative * ms, name);
    const jump = latencyCdf(table, law, ms) - latencyCdf(table, law, ms - 1e-6);
    assert.equal(jump > 1e-5, expected.onAtom[name], `${name}: a jump of ${jump}`);
  }
  const cost = costUsdPerMillion(table, law, memoryGb * 1024, price);
  close(cost, expected.costUsdPerMillion, relative * cost, 'cost');
}

for (const vector of settings) {
  test(`matches every figure of the independent evaluation of ${vector.id}`, () => {
    checkModel(markovian(vector.arrival.D0, vector.arrival.D1), vector);
  });
}

for (const { id, expected, evaluation } of batchingVectors.fits) {
  test(`matches every figure of the independent evaluation of ${id}`, () => {
    checkModel(markovian(expected.D0, expected.D1), evaluation);
  });
}

const processes = [
  { name: 'Poisson', process: poisson(120) },
  { name: 'bursts', process: mmpp2({ rate1PerSecond: 20, rate2PerSecond: 400, switch12PerSecond: 1, switch21PerSecond: 4 }) },
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
] as const;

for (const { name, process } of processes) {
  test(`${name}: batch sizes are a distribution, and waits are a distribution over all requests`, () => {
    const setting = fc.record({ batchSizeMax: fc.integer({ min: 1, max: 12 }), waitMsMax: fc.double({ min: 0, max: 200, noNaN: true }) });
    fc.assert(
      fc.property(setting, fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { minLength: 2, maxLength: 6 }), (provided, shares) => {
        const table = exactTable(process, provided);
        close(
          table.batchSizePmf.reduce((a, b) => a + b, 0),
          1,
          1e-12,
          'Σp',
        );
        const waits = shares.map((share) => share * provided.waitMsMax).sort((a, b) => a - b);
        for (let b = 1; b <= provided.batchSizeMax; b++) {
          const within = waits.map((wait) => table.requestsWithin(b, wait));
          const all = b * (table.batchSizePmf[b] as number);
          for (const [i, value] of within.entries()) assert(value >= (within[i - 1] ?? 0) - 1e-12 && value <= all + 1e-12);
          assert.equal(table.requestsWithin(b, -1e-6), 0);
          close(table.requestsWithin(b, provided.waitMsMax), all, 1e-12, 'all requests');
          let mass = 0;
          table.forEachWaitMass(b, (_from, _to, piece) => {
            mass += piece;
          });
          close(mass, all, 1e-9, 'mass');
        }
      }),
      { numRuns: 30 },
    );
  });

  test(`${name}: the mean wait of the table matches the integral over the counting matrices`, () => {
    for (const setting of [
      { batchSizeMax: 4, waitMsMax: 60 },
      { batchSizeMax: 16, waitMsMax: 20 },
    ]) {
      const expected = exactMeanWaitMs(process, setting);
      close(meanWaitMs(exactTable(process, setting)), expected, 2e-3 * expected, 'mean wait');
    }
  });
}

test('in timed-out Poisson batches, all requests but the first arrive evenly over T: H_b(w) = (b − 1)·p_b·w/T', () => {
  const table = exactTable(poisson(200), { batchSizeMax: 10, waitMsMax: 30 });
  for (let b = 1; b < 10; b++) {
    for (const waitMs of [0, 1, 7.5, 29.9]) {
      close(table.requestsWithin(b, waitMs), ((b - 1) * (table.batchSizePmf[b] as number) * waitMs) / 30, 1e-12, `H_${b}(${waitMs})`);
    }
  }
});

test('with B = 1 or T = 0, every request is dispatched at once, alone', () => {
  for (const setting of [
    { batchSizeMax: 1, waitMsMax: 50 },
    { batchSizeMax: 8, waitMsMax: 0 },
  ]) {
    const table = exactTable(poisson(100), setting);
    assert.equal(table.meanBatch, 1);
    assert.equal(
      latencyQuantileMs(
        table,
        fixedService((b) => 7 * b),
        0.99,
      ).toFixed(9),
      '7.000000000',
    );
  }
});
