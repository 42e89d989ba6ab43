import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { PlatformError } from '../../errors.ts';
import { SeededRandom } from '../../random.ts';
import { multiply, stationary, total } from '../waits/matrix.ts';
import {
  arrivalRatePerSecond,
  arrivalStatistics,
  atRate,
  embeddedPhase,
  lagCorrelation,
  markovian,
  mmpp2,
  poisson,
  type SwitchingRates,
} from './arrival-process.ts';
import { arrivalMatrices, columnSums, countingIntegrals, countingMatrices } from './counting.ts';
import { arrivalTimesMs } from './generate-arrivals.ts';

const close = (actual: number, expected: number, tolerance: number, what: string): void => {
  assert(Math.abs(actual - expected) <= tolerance, `${what}: expected ${expected}, got ${actual}`);
};

const rate = fc.double({ min: 0.5, max: 500, noNaN: true });
const switching = fc.record({
  rate1PerSecond: rate,
  rate2PerSecond: rate,
  switch12PerSecond: fc.double({ min: 0.01, max: 50, noNaN: true }),
  switch21PerSecond: fc.double({ min: 0.01, max: 50, noNaN: true }),
});

/** Reference: the index of dispersion of counts in (0, t] of a stationary MMPP(2) (Heffes and Lucantoni 1986). */
function dispersionOfCounts(provided: SwitchingRates, seconds: number): number {
  const { rate1PerSecond: l1, rate2PerSecond: l2, switch12PerSecond: s12, switch21PerSecond: s21 } = provided;
  const r = s12 + s21;
  const limit = (2 * s12 * s21 * (l1 - l2) ** 2) / (r * r * (l1 * s21 + l2 * s12));
  return 1 + limit * (seconds === Number.POSITIVE_INFINITY ? 1 : 1 - (1 - Math.exp(-r * seconds)) / (r * seconds));
}

test('the variance of counts of a switching process matches the closed formula, over any time', () => {
  fc.assert(
    fc.property(switching, fc.double({ min: 0.001, max: 0.2, noNaN: true }), (provided, seconds) => {
      const process = mmpp2(provided);
      const { switch12PerSecond: s12, switch21PerSecond: s21 } = provided;
      const columns = columnSums(countingMatrices(process, seconds, 400), 2);
      const inPhase = Float64Array.of(s21 / (s12 + s21), s12 / (s12 + s21));
      let [mass, mean, square] = [0, 0, 0];
      for (let k = 0; k < 400; k++) {
        const probability = total(multiply(inPhase, columns.slice(2 * k, 2 * k + 2), 2));
        mass += probability;
        mean += k * probability;
        square += k * k * probability;
      }
      close(mass, 1, 1e-10, 'probability of all counts');
      const expected = dispersionOfCounts(provided, seconds);
      close((square - mean * mean) / mean, expected, 1e-7 * expected, 'I(t)');
      const limit = dispersionOfCounts(provided, Number.POSITIVE_INFINITY);
      close(arrivalStatistics(process).indexOfDispersion, limit, 1e-7 * limit, 'I(∞)');
    }),
    { numRuns: 30 },
  );
});

test('moments and correlations of gaps match those of a long recording', () => {
  const process = mmpp2({ rate1PerSecond: 50, rate2PerSecond: 400, switch12PerSecond: 5, switch21PerSecond: 10 });
  const times = arrivalTimesMs(process, new SeededRandom(3), 400_000);
  const gaps = times.map((time, i) => (time - (i === 0 ? 0 : (times[i - 1] as number))) / 1000);
  const mean = total(gaps) / gaps.length;
  const variance = gaps.reduce((sum, gap) => sum + (gap - mean) ** 2, 0) / gaps.length;
  const statistics = arrivalStatistics(process);
  close(mean / statistics.m1, 1, 0.02, 'm1');
  close(1 + variance / mean ** 2, 1 + statistics.scv, 0.05, 'scv');
  close(gaps.reduce((sum, gap) => sum + gap ** 3, 0) / gaps.length / statistics.m3, 1, 0.1, 'm3');
  for (const lag of [1, 2, 5]) {
    let covariance = 0;
    for (let i = lag; i < gaps.length; i++) covariance += ((gaps[i] as number) - mean) * ((gaps[i - lag] as number) - mean);
    close(covariance / gaps.length / variance, lagCorrelation(process, lag), 0.02, `lag ${lag}`);
  }
  const ratio = lagCorrelation(process, 3) / lagCorrelation(process, 2);
  close(ratio, statistics.correlationDecay, 1e-9, 'decay per lag');
});

test('Poisson arrivals have no memory', () => {
  const { ratePerSecond, scv, correlationDecay, indexOfDispersion } = arrivalStatistics(poisson(40));
  assert.equal(ratePerSecond.toFixed(9), '40.000000000');
  for (const [value, expected] of [
    [scv, 1],
    [correlationDecay, 0],
    [indexOfDispersion, 1],
    [lagCorrelation(poisson(40), 3), 0],
  ]) {
    close(value as number, expected as number, 1e-12, 'Poisson');
  }
});

test('the decay of three phases is the largest eigenvalue of P below 1', () => {
  // P = γI + (1 − γ)·1·φ has the eigenvalues 1, γ, γ.
  const phi = [0.2, 0.3, 0.5];
  const mu = [10, 50, 300];
  const process = markovian(
    mu.map((rateOf, i) => mu.map((_, j) => (i === j ? -rateOf : 0))),
    mu.map((rateOf, i) => phi.map((p, j) => rateOf * ((i === j ? 0.7 : 0) + 0.3 * p))),
  );
  close(arrivalStatistics(process).correlationDecay, 0.7, 1e-9, 'decay');
});

test('a process at another rate is the same process on another time scale', () => {
  fc.assert(
    fc.property(switching, rate, (provided, wanted) => {
      const process = mmpp2(provided);
      const scaled = atRate(process, wanted);
      close(arrivalRatePerSecond(scaled) / wanted, 1, 1e-9, 'rate');
      const [before, after] = [arrivalStatistics(process), arrivalStatistics(scaled)];
      close(after.scv, before.scv, 1e-9 * before.scv, 'scv');
      close(after.correlationDecay, before.correlationDecay, 1e-9, 'decay');
    }),
  );
});

test('the k-th arrival is within t exactly if there are k or more arrivals', () => {
  const process = mmpp2({ rate1PerSecond: 20, rate2PerSecond: 300, switch12PerSecond: 3, switch21PerSecond: 7 });
  const counting = countingMatrices(process, 0.05, 40);
  const arrived = columnSums(arrivalMatrices(process, counting, 40), 2);
  const counts = columnSums(counting, 2);
  for (const phase of [0, 1]) {
    let fewer = 0;
    for (let k = 0; k < 40; k++) {
      close(arrived[2 * k + phase] as number, 1 - fewer, 1e-13, `F_${k}`);
      fewer += counts[2 * k + phase] as number;
    }
  }
});

test('integrals of the counting matrices match fine-grained sums', () => {
  const process = mmpp2({ rate1PerSecond: 20, rate2PerSecond: 300, switch12PerSecond: 3, switch21PerSecond: 7 });
  const { plain, timesU } = countingIntegrals(process, 0.06, 6);
  const [sum, weighted] = [new Float64Array(plain.length), new Float64Array(plain.length)];
  const steps = 2000;
  for (let step = 0; step < steps; step++) {
    const u = ((step + 0.5) * 0.06) / steps;
    for (const [i, value] of countingMatrices(process, u, 6).entries()) {
      sum[i] = (sum[i] as number) + (value * 0.06) / steps;
      weighted[i] = (weighted[i] as number) + (value * u * 0.06) / steps;
    }
  }
  for (const [i, value] of plain.entries()) {
    close(value, sum[i] as number, 1e-7, `∫N ${i}`);
    close(timesU[i] as number, weighted[i] as number, 1e-8, `∫uN ${i}`);
  }
});

test('the stationary distribution is precise with rare transitions, and 0 for transient states', () => {
  const rare = stationary(Float64Array.of(1 - 1e-18, 1e-18, 3e-18, 1), 2) as Float64Array;
  close(rare[0] as number, 0.75, 1e-12, 'rare');
  assert.deepEqual(
    [...(stationary(Float64Array.of(0.5, 0.5, 0, 1), 2) as Float64Array)].map((x) => Number(x.toFixed(9))),
    [0, 1],
  );
  assert.equal(stationary(Float64Array.of(1, 0, 0, 1), 2), null);
});

test('the phase at arrivals is stationary', () => {
  const process = mmpp2({ rate1PerSecond: 20, rate2PerSecond: 400, switch12PerSecond: 1, switch21PerSecond: 4 });
  // Shares of time 0.8 and 0.2 at 20 and 400 per second: 16 and 80 of 96 arrivals.
  close(embeddedPhase(process)[0] as number, 16 / 96, 1e-12, 'φ');
});

for (const { what, make, says } of [
  { what: 'a rate of 0', make: () => poisson(0), says: /invalid rate of a Poisson process: expected above 0 per second, got 0/ },
  {
    what: 'matrices of two sizes',
    make: () =>
      markovian(
        [[-1]],
        [
          [1, 0],
          [0, 1],
        ],
      ),
    says: /two square matrices of the same size, got D0 with 1 rows of 1/,
  },
  { what: 'a positive diagonal', make: () => markovian([[1]], [[-1]]), says: /D0\[0\]\[0\] to be below 0, per second, got 1/ },
  {
    what: 'a negative rate',
    make: () => mmpp2({ rate1PerSecond: -1, rate2PerSecond: 5, switch12PerSecond: 2, switch21PerSecond: 1 }),
    says: /D1\[0\]\[0\] to be 0 or more, per second, got -1/,
  },
  { what: 'rows that do not sum to 0', make: () => markovian([[-2]], [[1]]), says: /row 0 of D0 \+ D1 to sum to 0, got -1/ },
  { what: 'a value that is not a number', make: () => markovian([[Number.NaN]], [[1]]), says: /D0\[0\]\[0\] .* got NaN/ },
  {
    what: 'no arrivals',
    make: () =>
      markovian(
        [
          [-1, 1],
          [1, -1],
        ],
        [
          [0, 0],
          [0, 0],
        ],
      ),
    says: /arrivals reachable from every phase/,
  },
  {
    what: 'disconnected phases',
    make: () =>
      markovian(
        [
          [-1, 0],
          [0, -2],
        ],
        [
          [1, 0],
          [0, 2],
        ],
      ),
    says: /phases that all lead to one set/,
  },
  {
    what: 'a forecast rate of 0',
    make: () => atRate(poisson(3), Number.NaN),
    says: /invalid rate of an arrival process: expected above 0 per second, got NaN/,
  },
]) {
  test(`rejects ${what} and says what it expects`, () => {
    assert.throws(make, (error) => error instanceof PlatformError && error.code === 'invalid_request' && says.test(error.message));
  });
}
