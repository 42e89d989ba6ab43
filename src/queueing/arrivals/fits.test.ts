import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { batchingVectors } from '../../../test/batching/vectors.ts';
import { SeededRandom } from '../../random.ts';
import { latencyQuantileMs } from '../latency.ts';
import { costUsdPerMillion } from '../search/cost.ts';
import { fixedService } from '../service-law.ts';
import { AnalyticTables } from '../waits/analytic-table.ts';
import type { BatchSetting } from '../waits/exact-model.ts';
import type { WaitTable } from '../waits/wait-table.ts';
import { type ArrivalProcess, arrivalStatistics, embedded, lagCorrelation, markovian, mmpp2, poisson } from './arrival-process.ts';
import { fitByLikelihood } from './fit-em.ts';
import { fitMoments, processFromMoments } from './fit-moments.ts';
import type { ArrivalFit } from './gaps.ts';
import { arrivalTimesMs } from './generate-arrivals.ts';

const close = (actual: number, expected: number, tolerance: number, what: string): void => {
  assert(Math.abs(actual - expected) <= tolerance, `${what}: expected ${expected}, got ${actual}`);
};

function gapsOf(process: ArrivalProcess, count: number, seed: number): Float64Array {
  const times = arrivalTimesMs(process, new SeededRandom(seed), count);
  return times.map((time, i) => time - (i === 0 ? 0 : (times[i - 1] as number)));
}

const bursts = mmpp2({ rate1PerSecond: 20, rate2PerSecond: 400, switch12PerSecond: 1, switch21PerSecond: 4 });
const threeStates = markovian(
  [
    [-32, 1, 1],
    [1, -123, 2],
    [2, 2, -504],
  ],
  [
    [30, 0, 0],
    [0, 120, 0],
    [0, 0, 500],
  ],
);

describe('moments in closed form', () => {
  for (const { id, input, expected } of batchingVectors.fits) {
    test(`give the process of ${id}`, () => {
      const { relative, absolute } = batchingVectors.tolerances.fit;
      const near = (actual: number, wanted: number, what: string): void =>
        close(actual, wanted, relative * Math.abs(wanted) + absolute, what);
      const { process, notes } = processFromMoments({
        m1: input.m1Seconds,
        m2: input.m2SecondsSquared,
        m3: input.m3SecondsCubed,
        correlationDecay: input.correlationDecay,
      });
      assert.deepEqual(notes, []);
      for (const [i, value] of expected.D0.flat().entries()) near(process.d0[i] as number, value, `D0 ${i}`);
      for (const [i, value] of expected.D1.flat().entries()) near(process.d1[i] as number, value, `D1 ${i}`);
      for (const [i, value] of expected.embeddedP.flat().entries()) near(embedded(process).transition[i] as number, value, `P ${i}`);
      const statistics = arrivalStatistics(process);
      near(statistics.scv, expected.scv, 'scv');
      near(statistics.m3, input.m3SecondsCubed, 'm3');
      near(statistics.correlationDecay, input.correlationDecay, 'decay');
      near(statistics.indexOfDispersion, expected.indexOfDispersion, 'dispersion');
      near(lagCorrelation(process, 1), expected.lag1Autocorrelation, 'lag 1');
    });
  }

  test('give a process for any moments, with the requested rate and, if possible, variance', () => {
    const target = fc.record({
      m1: fc.double({ min: 1e-5, max: 10, noNaN: true }),
      scv: fc.double({ min: 0, max: 500, noNaN: true }),
      skew: fc.double({ min: 0, max: 100, noNaN: true }),
      correlationDecay: fc.double({ min: -1, max: 1, noNaN: true }),
    });
    fc.assert(
      fc.property(target, ({ m1, scv, skew, correlationDecay }) => {
        const m2 = (1 + scv) * m1 * m1;
        const { process, notes } = processFromMoments({ m1, m2, m3: (skew * m2 * m2) / m1, correlationDecay });
        const statistics = arrivalStatistics(process);
        close(statistics.m1 / m1, 1, 1e-6, 'mean');
        const isRestricted = scv < 0.25 || (scv >= 0.9 && scv < 1.02) || notes.some((note) => note.includes('at one instant'));
        if (!isRestricted) close(statistics.scv / scv, 1, 1e-3, 'scv');
      }),
      { numRuns: 500 },
    );
  });

  for (const { when, moments, note } of [
    { when: 'gaps are regular', moments: [1, 1.4, 3], note: /more regular than Poisson/ },
    { when: 'gaps are as variable as Poisson', moments: [1, 1.98, 6], note: /Poisson arrivals are assumed/ },
    { when: 'the third moment is too small', moments: [1, 4, 12], note: /third moment .* raised/ },
  ] as const) {
    test(`say so when ${when}`, () => {
      const [m1, m2, m3] = moments;
      assert.match(processFromMoments({ m1, m2, m3, correlationDecay: 0 }).notes.join(' '), note);
    });
  }

  test('use the closest possible negative correlation', () => {
    const { process, notes } = processFromMoments({ m1: 0.012, m2: 0.00068, m3: 7.74e-5, correlationDecay: -0.9 });
    assert.match(notes.join(' '), /-0\.9000 is not possible .* -0\.2500 is used/);
    close(arrivalStatistics(process).correlationDecay, -0.25, 1e-9, 'decay');
  });
});

const fits: readonly { name: string; fit: (gapsMs: ArrayLike<number>) => ArrivalFit }[] = [
  { name: 'moments', fit: fitMoments },
  { name: 'likelihood, two phases', fit: (gapsMs) => fitByLikelihood(gapsMs, 2) },
  { name: 'likelihood, three phases', fit: (gapsMs) => fitByLikelihood(gapsMs, 3) },
];

const tableOf = (process: ArrivalProcess, { batchSizeMax, waitMsMax }: BatchSetting): WaitTable =>
  new AnalyticTables(process, batchSizeMax).at(waitMsMax).of(batchSizeMax);

/** Mean errors of p95 and cost over several settings, with a process fitted to 2,000 gaps. */
function meanP95Error(truth: ArrivalProcess, fit: (gapsMs: ArrayLike<number>) => ArrivalFit): { p95: number; cost: number } {
  const law = fixedService((b) => 5 + 2 * b);
  const settings = [
    { batchSizeMax: 4, waitMsMax: 20 },
    { batchSizeMax: 8, waitMsMax: 50 },
    { batchSizeMax: 16, waitMsMax: 100 },
  ];
  const errors = { p95: 0, cost: 0 };
  const seeds = [1, 2, 3, 4];
  for (const seed of seeds) {
    const { process } = fit(gapsOf(truth, 2000, seed));
    assert(process !== null);
    for (const setting of settings) {
      const [fitted, exact] = [process, truth].map((each) => tableOf(each, setting)) as [WaitTable, WaitTable];
      const share = 1 / (seeds.length * settings.length);
      errors.p95 += share * Math.abs(latencyQuantileMs(fitted, law, 0.95) / latencyQuantileMs(exact, law, 0.95) - 1);
      const [usd, exactUsd] = [fitted, exact].map((table) => costUsdPerMillion(table, law, 2048, batchingVectors.price)) as [
        number,
        number,
      ];
      errors.cost += share * Math.abs(usd / exactUsd - 1);
    }
  }
  return errors;
}

for (const { name, fit } of fits) {
  describe(`fit by ${name}`, () => {
    for (const { of, truth, p95Max, costMax } of [
      { of: 'Poisson arrivals', truth: poisson(100), p95Max: 0.01, costMax: 0.02 },
      { of: 'bursts', truth: bursts, p95Max: 0.03, costMax: 0.06 },
      { of: 'three states', truth: threeStates, p95Max: 0.07, costMax: 0.03 },
    ]) {
      test(`predicts latency and cost of ${of} from 2 000 gaps`, () => {
        const errors = meanP95Error(truth, fit);
        assert(errors.p95 <= p95Max && errors.cost <= costMax, JSON.stringify(errors));
      });
    }

    test('recovers the rates of bursts from many gaps', () => {
      const { process, statistics, sampleCount } = fit(gapsOf(bursts, 60_000, 7));
      assert(process !== null && statistics !== null);
      const expected = arrivalStatistics(bursts);
      assert.equal(sampleCount, 60_000);
      close(statistics.ratePerSecond / expected.ratePerSecond, 1, 0.12, 'rate');
      close(statistics.scv / expected.scv, 1, 0.15, 'scv');
      assert(statistics.correlationDecay > 0.9, `decay ${statistics.correlationDecay}`);
    });

    test('accepts any recording', () => {
      const gap = fc.oneof(
        fc.double({ min: 0, max: 1e6, noNaN: true }),
        fc.constant(0),
        fc.constantFrom(Number.NaN, Number.POSITIVE_INFINITY, 1e300, -5, 1e-5, 3_600_000),
      );
      fc.assert(
        fc.property(fc.array(gap, { minLength: 0, maxLength: 700, size: 'max' }), (gapsMs) => {
          const { process, statistics, sampleCount } = fit(gapsMs);
          const good = gapsMs.filter((each) => each >= 0 && each < 1e10);
          assert.equal(sampleCount, good.length);
          const meanMs = good.reduce((a, b) => a + b, 0) / Math.max(1, good.length);
          assert.equal(process === null, meanMs < 1e-6);
          if (statistics !== null) assert(Object.values(statistics).every(Number.isFinite), JSON.stringify(statistics));
        }),
        { numRuns: 40 },
      );
    });

    test('reports which gaps it dropped and what it could not determine', () => {
      assert.match(fit([]).notes.join(' '), /No gap between arrivals was observed/);
      assert.match(fit([0, 0, 0]).notes.join(' '), /All 4 requests arrived at one instant/);
      const one = fit([20]);
      assert.match(one.notes.join(' '), /Only one gap was observed/);
      close(one.statistics?.ratePerSecond ?? 0, 50, 1e-9, 'rate');
      const jumped = fit([10, -3000, 10, Number.NaN, 10]);
      assert.match(jumped.notes.join(' '), /2 of 5 gaps were negative, not a number/);
      close(jumped.statistics?.ratePerSecond ?? 0, 100, 1e-9, 'rate');
    });

    test('treats simultaneous requests as fast bursts, not as infinite rates', () => {
      const gapsMs = Array.from({ length: 3000 }, (_, i) => (i % 10 === 0 ? 50 : 0));
      const { process, statistics } = fit(gapsMs);
      close((statistics?.ratePerSecond ?? 0) / 200, 1, 0.05, 'rate');
      assert(process !== null && Math.max(...process.d0.map(Math.abs)) <= 200 * 1000 * 1.01);
    });
  });
}
