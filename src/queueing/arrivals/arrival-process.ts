/**
 * Arrival times of requests as a Markovian arrival process (MAP): a hidden Markov chain of m phases. Transitions follow the rates
 * D0 (without an arrival) and D1 (with an arrival); see Neuts 1979, Lucantoni 1991. Poisson is the MAP with one phase. A
 * superposition, bursts or a daily pattern need two or three. Rates are per second.
 */
import assert from 'node:assert/strict';
import { PlatformError } from '../../errors.ts';
import { identity, inverse, multiply, normaliseRows, scale, stationary, total } from '../waits/matrix.ts';

/** The matrices of a MAP. Rates are per second, as users state loads; times of formulas are milliseconds. */
export interface ArrivalProcess {
  /** m. */
  readonly phaseCount: number;
  /** D0, m×m row-major, per second: transitions without an arrival; the diagonal is negative. */
  readonly d0: Float64Array;
  /** D1, m×m row-major, per second: transitions with an arrival. (D0 + D1)·1 = 0. */
  readonly d1: Float64Array;
}

/** Poisson arrivals at `ratePerSecond`. Throws `invalid_request` unless the rate is above 0. */
export function poisson(ratePerSecond: number): ArrivalProcess {
  return {
    phaseCount: 1,
    d0: Float64Array.of(-positiveRate('rate of a Poisson process', ratePerSecond)),
    d1: Float64Array.of(ratePerSecond),
  };
}

/** Poisson arrivals whose rate switches between two values. */
export interface SwitchingRates {
  readonly rate1PerSecond: number;
  readonly rate2PerSecond: number;
  /** σ12: the rate of switching to the second phase while in the first. */
  readonly switch12PerSecond: number;
  readonly switch21PerSecond: number;
}

/** The MMPP(2) with these rates. Throws `invalid_request` for negative rates, no arrivals, or a phase that is never left. */
export function mmpp2({ rate1PerSecond, rate2PerSecond, switch12PerSecond, switch21PerSecond }: SwitchingRates): ArrivalProcess {
  return markovian(
    [
      [-rate1PerSecond - switch12PerSecond, switch12PerSecond],
      [switch21PerSecond, -rate2PerSecond - switch21PerSecond],
    ],
    [
      [rate1PerSecond, 0],
      [0, rate2PerSecond],
    ],
  );
}

/**
 * MAP(D0, D1) from matrices given as rows. Throws `invalid_request` unless both are m×m, off-diagonal rates are not negative, rows
 * of D0 + D1 sum to 0, arrivals occur, and there is one recurrent class of phases.
 */
export function markovian(d0: readonly (readonly number[])[], d1: readonly (readonly number[])[]): ArrivalProcess {
  const size = d0.length;
  const fail = (expected: string, got: string): PlatformError =>
    new PlatformError('invalid_request', `invalid arrival process: expected ${expected}, got ${got}`);
  if (size === 0 || [...d0, ...d1].some((row) => row.length !== size) || d1.length !== size) {
    const shape = (rows: readonly (readonly number[])[]): string => `${rows.length} rows of ${rows.map((row) => row.length).join(', ')}`;
    throw fail('two square matrices of the same size', `D0 with ${shape(d0)} and D1 with ${shape(d1)}`);
  }
  for (let i = 0; i < size; i++) {
    for (let j = 0; j < size; j++) {
      const [without, withArrival] = [d0[i]?.[j] as number, d1[i]?.[j] as number];
      const isRate = Number.isFinite(without) && (i === j ? without < 0 : without >= 0);
      if (!isRate) throw fail(`D0[${i}][${j}] to be ${i === j ? 'below 0' : '0 or more'}, per second`, String(without));
      if (!(withArrival >= 0) || !Number.isFinite(withArrival))
        throw fail(`D1[${i}][${j}] to be 0 or more, per second`, String(withArrival));
    }
    const sum = [...(d0[i] ?? []), ...(d1[i] ?? [])].reduce((a, b) => a + b, 0);
    if (Math.abs(sum) > 1e-9 * Math.abs(d0[i]?.[i] as number)) throw fail(`row ${i} of D0 + D1 to sum to 0`, String(sum));
  }
  const process = { phaseCount: size, d0: Float64Array.from(d0.flat()), d1: Float64Array.from(d1.flat()) };
  if (inverse(scale(process.d0, -1), size) === null || stationary(embedded(process).transition, size) === null) {
    throw fail(
      'arrivals reachable from every phase, and phases that all lead to one set',
      `D0 = ${JSON.stringify(d0)}, D1 = ${JSON.stringify(d1)}`,
    );
  }
  return process;
}

/** The same process, rescaled in time to a mean rate of `ratePerSecond`. Used with a forecast rate. */
export function atRate(process: ArrivalProcess, ratePerSecond: number): ArrivalProcess {
  const factor = positiveRate('rate of an arrival process', ratePerSecond) / arrivalRatePerSecond(process);
  return { phaseCount: process.phaseCount, d0: scale(process.d0, factor), d1: scale(process.d1, factor) };
}

/** The process observed at its arrivals. */
export interface EmbeddedChain {
  /** Z = (−D0)⁻¹, seconds: mean time spent in phase j before the next arrival, starting in phase i. */
  readonly sojournSeconds: Float64Array;
  /** P = Z·D1: probability of phase j just after the next arrival, starting in phase i. */
  readonly transition: Float64Array;
}

/** The chain of phases at arrivals, with the mean times between them. */
export function embedded(process: ArrivalProcess): EmbeddedChain {
  const size = process.phaseCount;
  const sojournSeconds = inverse(scale(process.d0, -1), size);
  assert(sojournSeconds !== null, 'D0 of an arrival process has an inverse');
  return { sojournSeconds, transition: normaliseRows(multiply(sojournSeconds, process.d1, size), size) };
}

/** φ: the stationary distribution of the phase just after an arrival, φP = φ. */
export function embeddedPhase(process: ArrivalProcess): Float64Array {
  const phase = stationary(embedded(process).transition, process.phaseCount);
  assert(phase !== null, 'an arrival process has one stationary phase distribution');
  return phase;
}

/** The mean rate λ = 1/(φ·Z·1). */
export function arrivalRatePerSecond(process: ArrivalProcess): number {
  return 1 / total(multiply(embeddedPhase(process), embedded(process).sojournSeconds, process.phaseCount));
}

/** Statistics of an arrival process. */
export interface ArrivalStatistics {
  readonly ratePerSecond: number;
  /** E[X], E[X²], E[X³] of the gaps, in seconds, seconds², seconds³: E[Xⁿ] = n!·φZⁿ1. */
  readonly m1: number;
  readonly m2: number;
  readonly m3: number;
  /** c² = m2/m1² − 1, the squared coefficient of variation of the gaps: 1 for Poisson. */
  readonly scv: number;
  /**
   * γ: the factor by which the correlation of gaps falls from one lag to the next. With two phases it is the second eigenvalue of
   * P. With more, it is the largest absolute value of the eigenvalues other than 1.
   */
  readonly correlationDecay: number;
  /** I = c²·(1 + 2Σρ_k), k ≥ 1: the limit of Var N(t)/E N(t); 1 for Poisson. */
  readonly indexOfDispersion: number;
}

/** Exact statistics, computed from the matrices. */
export function arrivalStatistics(process: ArrivalProcess): ArrivalStatistics {
  const size = process.phaseCount;
  const { sojournSeconds: z, transition } = embedded(process);
  const phase = embeddedPhase(process);
  const onePhase = multiply(phase, z, size);
  const twoPhase = multiply(onePhase, z, size);
  const m1 = total(onePhase);
  const m2 = 2 * total(twoPhase);
  const m3 = 6 * total(multiply(twoPhase, z, size));
  const variance = m2 - m1 * m1;
  // Σ_{k≥1} (P^k − 1φ) = (I − P + 1φ)⁻¹ − I, the fundamental matrix of Kemeny and Snell.
  const one = identity(size);
  const deflated = transition.map((p, index) => p - (phase[index % size] as number));
  const fundamental = inverse(
    one.map((unit, index) => unit - (deflated[index] as number)),
    size,
  );
  assert(fundamental !== null, 'the fundamental matrix of an irreducible chain exists');
  const sum = fundamental.map((value, index) => value - (one[index] as number));
  const covariances = total(multiply(multiply(onePhase, sum, size), z, size));
  const scv = variance / (m1 * m1);
  return {
    ratePerSecond: 1 / m1,
    m1,
    m2,
    m3,
    scv,
    correlationDecay:
      size === 1 ? 0 : size === 2 ? total(Float64Array.of(transition[0] as number, transition[3] as number)) - 1 : radius(deflated, size),
    indexOfDispersion: scv + (2 * covariances) / (m1 * m1),
  };
}

/** ρ_k: the correlation of a gap with the k-th gap after it, (φZP^kZ1 − m1²)/(m2 − m1²); 0 for Poisson. */
export function lagCorrelation(process: ArrivalProcess, lag: number): number {
  assert(Number.isInteger(lag) && lag >= 1, `invalid lag: expected a whole number from 1, got ${lag}`);
  const size = process.phaseCount;
  const { sojournSeconds: z, transition } = embedded(process);
  const { m1, m2 } = arrivalStatistics(process);
  let row = multiply(embeddedPhase(process), z, size);
  for (let k = 0; k < lag; k++) row = multiply(row, transition, size);
  return (total(multiply(row, z, size)) - m1 * m1) / (m2 - m1 * m1);
}

/** The spectral radius by Gelfand's formula, ‖Aⁿ‖^(1/n) with n = 2⁴⁰ by squaring. */
function radius(matrix: Float64Array, size: number): number {
  let power = matrix;
  let logNorm = 0;
  for (let i = 0; i <= 40; i++) {
    const norm = Math.max(...power.map(Math.abs));
    if (norm < 1e-14 && i === 0) return 0;
    if (norm === 0) return 0;
    logNorm += Math.log(norm) / 2 ** i;
    power = scale(power, 1 / norm);
    power = multiply(power, power, size);
  }
  return Math.exp(logNorm);
}

function positiveRate(what: string, ratePerSecond: number): number {
  if (ratePerSecond > 0 && Number.isFinite(ratePerSecond)) return ratePerSecond;
  throw new PlatformError('invalid_request', `invalid ${what}: expected above 0 per second, got ${ratePerSecond}`);
}
