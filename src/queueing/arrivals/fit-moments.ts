/**
 * Fits an arrival process to the moments of gaps and the decay of their correlation. Closed form; takes a tenth of a millisecond.
 * Not every triple of moments has a process with two phases; fallbacks add notes.
 */
import assert from 'node:assert/strict';
import { type ArrivalProcess, markovian, poisson } from './arrival-process.ts';
import { type ArrivalFit, finished, prepareGaps } from './gaps.ts';

/** What a fitted process should reproduce: three moments of the gaps, and how fast their correlation decays. */
export interface FitTarget {
  /** E[X], E[X²], E[X³] of the gaps: seconds, seconds², seconds³. */
  readonly m1: number;
  readonly m2: number;
  readonly m3: number;
  /** γ: the factor by which the correlation of gaps falls per lag; ρ_k = ρ_0·γᵏ with ρ_0 = (c² − 1)/(2c²). */
  readonly correlationDecay: number;
}

/** Upper limit of any rate, as a multiple of the mean rate: equal timestamps do not mean an infinite rate. */
export const rateSpreadMax = 1000;

/** Fits a process to moments and correlation of recorded gaps (milliseconds, in order). */
export function fitMoments(gapsMs: ArrayLike<number>): ArrivalFit {
  const prepared = prepareGaps(gapsMs);
  if ('fit' in prepared) return prepared.fit;
  const { seconds, moments, notes } = prepared.usable;
  const correlationDecay = moments.scv < scvOfBursts ? 0 : decayOf(seconds, moments.m1, moments.scv);
  const { process, notes: changes } = processFromMoments({ ...moments, correlationDecay });
  return finished(process, moments, seconds.length, [...notes, ...changes]);
}

/** Limits of c²: below the first, gaps are more regular than Poisson; between the two, Poisson is assumed. */
const scvOfRegularity = 0.9;
const scvOfBursts = 1.02;

/**
 * The process with these moments, or the nearest that exists. `notes` says what was changed.
 *
 * For c² > 1: a MAP of two phases with diagonal D0. Gaps are exponential with mean a (phase 1, the slow one, with probability p) or
 * mean b. The phase changes by P = γI + (1−γ)·1·(p, 1−p), whose second eigenvalue is γ. With r_n = m_n/n! = p·aⁿ + (1−p)·bⁿ, a and
 * b are the roots of x² − s·x + t, where s = (r3 − r1r2)/(r2 − r1²) and t = (r1r3 − r2²)/(r2 − r1²).
 */
export function processFromMoments(target: FitTarget): { process: ArrivalProcess; notes: string[] } {
  const { m1, m2 } = target;
  assert(m1 > 0 && Number.isFinite(m1) && m2 >= m1 * m1 * (1 - 1e-12), `moments of gaps: m1 = ${m1} s, m2 = ${m2} s²`);
  const scv = m2 / (m1 * m1) - 1;
  if (scv < scvOfRegularity) {
    const note = `Gaps are more regular than Poisson (c² = ${scv.toFixed(3)}): a mixture of Erlang stages without correlation is used.`;
    return { process: erlangMixture(m1, scv), notes: [note] };
  }
  if (scv < scvOfBursts) {
    return {
      process: poisson(1 / m1),
      notes: [`Gaps are as variable as Poisson gaps (c² = ${scv.toFixed(3)}): Poisson arrivals are assumed.`],
    };
  }
  const notes: string[] = [];
  const mixture = mixtureFrom(target, scv, notes);
  return { process: correlated(mixture, target.correlationDecay, notes), notes };
}

/** Exponential gaps with mean `slowSeconds` with probability p, otherwise with mean `fastSeconds`. */
interface Mixture {
  readonly p: number;
  readonly slowSeconds: number;
  readonly fastSeconds: number;
}

function mixtureFrom({ m1, m2, m3: measured }: FitTarget, scv: number, notes: string[]): Mixture {
  const bound = (1.5 * m2 * m2) / m1;
  let m3 = measured;
  if (!(m3 >= 1.01 * bound)) {
    m3 = 1.01 * bound;
    notes.push('The third moment of the gaps is too small for two phases and was raised to the smallest possible value.');
  }
  const [r1, r2, r3] = [m1, m2 / 2, m3 / 6];
  const s = (r3 - r1 * r2) / (r2 - r1 * r1);
  const t = (r1 * r3 - r2 * r2) / (r2 - r1 * r1);
  const root = Math.sqrt(s * s - 4 * t);
  const slowSeconds = (s + root) / 2;
  const fastSeconds = t / slowSeconds;
  const p = (r1 - fastSeconds) / (slowSeconds - fastSeconds);
  if (!(root > 0) || !(t > 0) || !(p > 0 && p < 1)) {
    notes.push('The first three moments of the gaps fit no mixture of two phases: the first two are used, with balanced means.');
    const balanced = 0.5 * (1 - Math.sqrt((scv - 1) / (scv + 1)));
    return { p: balanced, slowSeconds: m1 / (2 * balanced), fastSeconds: m1 / (2 * (1 - balanced)) };
  }
  if (fastSeconds >= m1 / rateSpreadMax) return { p, slowSeconds, fastSeconds };
  notes.push(`Many requests arrive at one instant: within a burst, ${rateSpreadMax} times the mean rate is assumed.`);
  const fast = m1 / rateSpreadMax;
  return { p: (m1 - fast) / (slowSeconds - fast), slowSeconds, fastSeconds: fast };
}

/** Adds the correlation. γ is limited to at least max(−p/(1−p), −(1−p)/p): below, a transition probability would be negative. */
function correlated({ p, slowSeconds, fastSeconds }: Mixture, wanted: number, notes: string[]): ArrivalProcess {
  const least = Math.max(-p / (1 - p), -(1 - p) / p);
  const gamma = Math.min(Math.max(wanted, least), 0.99999);
  if (gamma !== wanted)
    notes.push(`A correlation decay of ${wanted.toFixed(4)} is not possible with two phases: ${gamma.toFixed(4)} is used.`);
  const toSlow = Math.max(0, (1 - gamma) * p);
  const toFast = Math.max(0, (1 - gamma) * (1 - p));
  const [slowRate, fastRate] = [1 / slowSeconds, 1 / fastSeconds];
  return markovian(
    [
      [-slowRate, 0],
      [0, -fastRate],
    ],
    [
      [slowRate * Math.max(0, 1 - toFast), slowRate * Math.min(1, toFast)],
      [fastRate * Math.min(1, toSlow), fastRate * Math.max(0, 1 - toSlow)],
    ],
  );
}

/**
 * For c² < 1: j stages of rate r, the first skipped with probability π (Tijms 1994), where 1/j ≤ c² ≤ 1/(j−1). Limited to four
 * stages, which is accurate enough for batching.
 */
function erlangMixture(m1: number, measured: number): ArrivalProcess {
  const stages = Math.min(4, Math.max(2, Math.ceil(1 / measured)));
  const scv = Math.max(measured, 1 / stages);
  const skip = (stages * scv - Math.sqrt(Math.max(0, stages * (1 + scv) - stages * stages * scv))) / (1 + scv);
  const rate = (stages - skip) / m1;
  const stage = (i: number): number[] => Array.from({ length: stages }, (_, j) => (j === i ? -rate : j === i + 1 ? rate : 0));
  const end = (i: number): number[] =>
    Array.from({ length: stages }, (_, j) => (i < stages - 1 || j > 1 ? 0 : j === 0 ? (1 - skip) * rate : skip * rate));
  const rows = Array.from({ length: stages }, (_, i) => i);
  return markovian(rows.map(stage), rows.map(end));
}

/**
 * Estimates γ from the variance of sums of k consecutive gaps (overlapping windows). In units of k·m1² this variance is V = c²·(1 +
 * 2ρ_0·Σ_{i<k} (1 − i/k)·γⁱ). It uses many lags at once, because the lag-1 correlation alone is too noisy. If the sums vary no more
 * than sums of independent gaps, only the lag-1 correlation is used.
 */
function decayOf(gaps: Float64Array, m1: number, scv: number): number {
  const k = Math.min(200, Math.floor(gaps.length / 20));
  const rho0 = (scv - 1) / (2 * scv);
  const measured = windowVariance(gaps, m1, k);
  if (measured <= scv) return Math.min(Math.max(lagOneCorrelation(gaps, m1) / rho0, 0), 0.99);
  const modelled = (gamma: number): number => {
    let sum = 0;
    let power = 1;
    for (let i = 1; i < k; i++) {
      power *= gamma;
      sum += (1 - i / k) * power;
    }
    return scv * (1 + 2 * rho0 * sum);
  };
  let [low, high] = [0, 0.99999];
  for (let i = 0; i < 60; i++) {
    const middle = (low + high) / 2;
    if (modelled(middle) < measured) low = middle;
    else high = middle;
  }
  return high;
}

/** The variance of sums of k consecutive gaps, divided by k·m1². */
function windowVariance(gaps: Float64Array, m1: number, k: number): number {
  let window = 0;
  let squares = 0;
  for (let i = 0; i < gaps.length; i++) {
    window += (gaps[i] as number) - m1;
    if (i >= k) window -= (gaps[i - k] as number) - m1;
    if (i >= k - 1) squares += window * window;
  }
  return squares / (gaps.length - k + 1) / (k * m1 * m1);
}

function lagOneCorrelation(gaps: Float64Array, m1: number): number {
  let [variance, covariance] = [0, 0];
  for (let i = 0; i < gaps.length; i++) {
    const here = (gaps[i] as number) - m1;
    variance += here * here;
    if (i > 0) covariance += here * ((gaps[i - 1] as number) - m1);
  }
  return covariance / variance;
}
