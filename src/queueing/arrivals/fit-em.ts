/**
 * Fits an arrival process by maximum likelihood: slower than moments but more accurate, especially with more than two phases.
 *
 * A MAP with diagonal D0 is a hidden Markov chain that emits exponential gaps. Phase i emits at rate μ_i and then moves by P, so D0
 * = −diag(μ) and D1 = diag(μ)·P. So plain expectation maximisation applies (Baum, Petrie, Soules and Weiss 1970), scaled as in
 * Rabiner (1989). It works for any number of phases and any gaps; moments may have no matching process.
 */
import assert from 'node:assert/strict';
import { markovian } from './arrival-process.ts';
import { rateSpreadMax } from './fit-moments.ts';
import { type ArrivalFit, finished, prepareGaps } from './gaps.ts';

const iterationsMax = 40;
/** Iteration stops when the relative gain in log-likelihood is below this. */
const gainMin = 1e-7;
/** Minimum transition probability: a phase that was never left in the sample can still be left. */
const probabilityMin = 1e-9;

interface HiddenChain {
  readonly phaseCount: number;
  /** μ_i, per second. */
  readonly rates: Float64Array;
  /** P, row-major. */
  readonly transition: Float64Array;
  /** Distribution of the phase of the first gap. */
  readonly first: Float64Array;
}

/** Fits a MAP with `phaseCount` phases, usually 2 or 3, to recorded gaps (milliseconds, in order). */
export function fitByLikelihood(gapsMs: ArrayLike<number>, phaseCount: number): ArrivalFit {
  assert(Number.isInteger(phaseCount) && phaseCount >= 2, `phases to fit: a whole number from 2, got ${phaseCount}`);
  const prepared = prepareGaps(gapsMs);
  if ('fit' in prepared) return prepared.fit;
  const { seconds, moments, notes } = prepared.usable;
  let chain = startingChain(phaseCount, moments.m1);
  let before = Number.NEGATIVE_INFINITY;
  let iterations = 0;
  while (iterations < iterationsMax) {
    const { next, logLikelihood } = improve(chain, seconds, rateSpreadMax / moments.m1);
    iterations++;
    chain = next;
    if (logLikelihood - before <= gainMin * Math.abs(logLikelihood)) break;
    before = logLikelihood;
  }
  const changes = iterations < iterationsMax ? [] : [`The likelihood fit was still improving after ${iterationsMax} iterations.`];
  if (chain.rates.some((rate) => rate >= rateSpreadMax / moments.m1)) {
    changes.push(`Many requests arrive at one instant: within a burst, ${rateSpreadMax} times the mean rate is assumed.`);
  }
  return finished(processOf(chain), moments, seconds.length, [...notes, ...changes]);
}

/** The initial guess: rates around the mean, a factor of 6 apart, in phases that last 50 gaps on average. */
function startingChain(phaseCount: number, meanSeconds: number): HiddenChain {
  const rates = Float64Array.from({ length: phaseCount }, (_, i) => 1 / (meanSeconds * 6 ** ((phaseCount - 1) / 2 - i)));
  const transition = Float64Array.from({ length: phaseCount ** 2 }, (_, index) =>
    index % (phaseCount + 1) === 0 ? 0.98 : 0.02 / (phaseCount - 1),
  );
  return { phaseCount, rates, transition, first: new Float64Array(phaseCount).fill(1 / phaseCount) };
}

function processOf({ phaseCount, rates, transition }: HiddenChain): ReturnType<typeof markovian> {
  const rows = Array.from({ length: phaseCount }, (_, i) => i);
  return markovian(
    rows.map((i) => rows.map((j) => (i === j ? -(rates[i] as number) : 0))),
    rows.map((i) => rows.map((j) => (rates[i] as number) * (transition[i * phaseCount + j] as number))),
  );
}

/** One iteration: estimates the phase of each gap (E step), then the chain that explains them best (M step). */
function improve(chain: HiddenChain, gaps: Float64Array, rateMax: number): { next: HiddenChain; logLikelihood: number } {
  const { phaseCount: m, rates, transition } = chain;
  const count = gaps.length;
  const emission = emissions(chain, gaps);
  const { forward, scales, logLikelihood } = forwardPass(chain, emission.values, count);
  const moves = new Float64Array(m * m);
  const visits = new Float64Array(m);
  const seconds = new Float64Array(m);
  const backward = new Float64Array(m).fill(1);
  const weighted = new Float64Array(m);
  const first = new Float64Array(m);
  for (let t = count - 1; t >= 0; t--) {
    for (let i = 0; i < m; i++) {
      const share = (forward[t * m + i] as number) * (backward[i] as number);
      visits[i] = (visits[i] as number) + share;
      seconds[i] = (seconds[i] as number) + share * (gaps[t] as number);
      if (t === 0) first[i] = share;
      weighted[i] = ((emission.values[t * m + i] as number) * (backward[i] as number)) / (scales[t] as number);
    }
    if (t === 0) break;
    for (let i = 0; i < m; i++) {
      let sum = 0;
      for (let j = 0; j < m; j++) {
        const through = (transition[i * m + j] as number) * (weighted[j] as number);
        moves[i * m + j] = (moves[i * m + j] as number) + (forward[(t - 1) * m + i] as number) * through;
        sum += through;
      }
      backward[i] = sum;
    }
  }
  const nextRates = rates.map((rate, i) =>
    (visits[i] as number) > 1e-9 ? Math.min((visits[i] as number) / (seconds[i] as number), rateMax) : rate,
  );
  return {
    next: { phaseCount: m, rates: nextRates, transition: shares(moves, transition, m), first },
    logLikelihood: logLikelihood + emission.logScale,
  };
}

/** The density of each gap in each phase, divided by the largest density to avoid underflow for very long gaps. */
function emissions({ phaseCount: m, rates }: HiddenChain, gaps: Float64Array): { values: Float64Array; logScale: number } {
  const values = new Float64Array(gaps.length * m);
  const logRates = rates.map(Math.log);
  let logScale = 0;
  for (let t = 0; t < gaps.length; t++) {
    const gap = gaps[t] as number;
    let largest = Number.NEGATIVE_INFINITY;
    for (let i = 0; i < m; i++) {
      const log = (logRates[i] as number) - (rates[i] as number) * gap;
      values[t * m + i] = log;
      if (log > largest) largest = log;
    }
    for (let i = 0; i < m; i++) values[t * m + i] = Math.exp((values[t * m + i] as number) - largest);
    logScale += largest;
  }
  return { values, logScale };
}

function forwardPass({ phaseCount: m, transition, first }: HiddenChain, emission: Float64Array, count: number) {
  const forward = new Float64Array(count * m);
  const scales = new Float64Array(count);
  let logLikelihood = 0;
  for (let t = 0; t < count; t++) {
    let scale = 0;
    for (let j = 0; j < m; j++) {
      let reached = t === 0 ? (first[j] as number) : 0;
      if (t > 0) for (let i = 0; i < m; i++) reached += (forward[(t - 1) * m + i] as number) * (transition[i * m + j] as number);
      const joint = reached * (emission[t * m + j] as number);
      forward[t * m + j] = joint;
      scale += joint;
    }
    // If the gap has no density in any reachable phase, ignore it.
    if (!(scale > 0)) {
      for (let j = 0; j < m; j++) forward[t * m + j] = 1e-300;
      scale = m * 1e-300;
    }
    for (let j = 0; j < m; j++) forward[t * m + j] = (forward[t * m + j] as number) / scale;
    scales[t] = scale;
    logLikelihood += Math.log(scale);
  }
  return { forward, scales, logLikelihood };
}

/** Converts counted transitions to probabilities. A phase without visits keeps its previous probabilities. */
function shares(moves: Float64Array, before: Float64Array, m: number): Float64Array {
  const result = new Float64Array(m * m);
  for (let row = 0; row < m * m; row += m) {
    let seen = 0;
    for (let j = row; j < row + m; j++) seen += moves[j] as number;
    let sum = 0;
    for (let j = row; j < row + m; j++) {
      result[j] = Math.max(seen > 1e-9 ? (moves[j] as number) / seen : (before[j] as number), probabilityMin);
      sum += result[j] as number;
    }
    for (let j = row; j < row + m; j++) result[j] = (result[j] as number) / sum;
  }
  return result;
}
