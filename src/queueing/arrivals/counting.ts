/**
 * The number of arrivals within a time, jointly with the phase of the process. A sequence of m×m matrices, k = 0, 1, …, is stored
 * flat in one Float64Array: entry (k, i, j) at k·m² + i·m + j.
 */

import { total } from '../waits/matrix.ts';
import { type ArrivalProcess, embedded } from './arrival-process.ts';

/**
 * N_k(t)[i,j] = P(k arrivals in (0,t], phase j at t | phase i at 0), k = 0 … count−1.
 *
 * By uniformisation (Jensen 1953; for counting, Neuts and Li 1997): a Poisson process of rate θ = max|D0_ii| drives a discrete
 * chain. Its steps are P0 = I + D0/θ without an arrival and P1 = D1/θ with an arrival, so
 *
 *   N_k(t) = Σ_n Pois(θt; n)·U_{n,k},  U_{0,0} = I,  U_{n+1,k} = U_{n,k}·P0 + U_{n,k−1}·P1.
 *
 * All terms are positive, so there is no cancellation.
 */
export function countingMatrices(process: ArrivalProcess, seconds: number, count: number): Float64Array {
  return uniformisedSum(process, poissonWeights(uniformRate(process) * seconds), count);
}

/**
 * ∫₀ᵗ N_k(u) du and ∫₀ᵗ u·N_k(u) du, k = 0 … count−1, in seconds and seconds². Derived from the sum over n in `countingMatrices`,
 * because ∫₀ᵗ Pois(θu; n) du = P(Pois(θt) ≥ n+1)/θ and ∫₀ᵗ u·Pois(θu; n) du = (n+1)·P(Pois(θt) ≥ n+2)/θ².
 */
export function countingIntegrals(process: ArrivalProcess, seconds: number, count: number): { plain: Float64Array; timesU: Float64Array } {
  const theta = uniformRate(process);
  const weights = poissonWeights(theta * seconds);
  const tails = new Float64Array(weights.length + 1);
  for (let n = weights.length - 1; n >= 0; n--) tails[n] = (tails[n + 1] as number) + (weights[n] as number);
  const tail = (n: number): number => tails[Math.min(n, weights.length)] as number;
  return {
    plain: uniformisedSum(
      process,
      weights.map((_, n) => tail(n + 1) / theta),
      count,
    ),
    timesU: uniformisedSum(
      process,
      weights.map((_, n) => ((n + 1) * tail(n + 2)) / (theta * theta)),
      count,
    ),
  };
}

/**
 * F_k(t)[i,j] = P(k-th arrival ≤ t, phase j just after it | phase i at 0), k = 0 … count−1, from N_0 … N_{count−2}: F_0 = I and
 * F_{k+1} = (F_k − N_k)·P, because after the k-th arrival either no further one comes until t, or a next one does. Values that
 * rounding makes negative are set to 0.
 */
export function arrivalMatrices(process: ArrivalProcess, counting: Float64Array, count: number): Float64Array {
  const result = new Float64Array(count * process.phaseCount ** 2);
  fillArrivalMatrices(result, counting, embedded(process).transition, process.phaseCount, count);
  return result;
}

/** Writes the same into an existing array. `transition` is P of `embedded`. */
export function fillArrivalMatrices(
  result: Float64Array,
  counting: Float64Array,
  transition: Float64Array,
  size: number,
  count: number,
): void {
  const square = size * size;
  for (let index = 0; index < square; index++) result[index] = index % (size + 1) === 0 ? 1 : 0;
  for (let k = 0; k + 1 < count; k++) {
    for (let i = 0; i < size; i++) {
      const row = k * square + i * size;
      for (let j = 0; j < size; j++) {
        let sum = 0;
        for (let l = 0; l < size; l++) {
          sum += ((result[row + l] as number) - (counting[row + l] as number)) * (transition[l * size + j] as number);
        }
        result[row + square + j] = sum > 0 ? sum : 0;
      }
    }
  }
}

/** θ, the rate of the Poisson process that drives the chain; any higher rate would also work. */
function uniformRate({ d0, phaseCount }: ArrivalProcess): number {
  let rate = 0;
  for (let i = 0; i < phaseCount; i++) rate = Math.max(rate, -(d0[i * phaseCount + i] as number));
  return rate;
}

/** Pois(mean; n) at index n; 0 beyond about 9 standard deviations from the mean. */
function poissonWeights(mean: number): Float64Array {
  if (mean === 0) return Float64Array.of(1);
  const spread = 9 * Math.sqrt(mean);
  const first = Math.max(0, Math.floor(mean - spread - 5));
  const weights = new Float64Array(Math.ceil(mean + spread + 25) + 1);
  const logMean = Math.log(mean);
  let log = -mean;
  for (let n = 0; n < weights.length; n++) {
    if (n >= first) weights[n] = Math.exp(log);
    log += logMean - Math.log(n + 1);
  }
  return weights;
}

/** Σ_n weights[n]·U_{n,k}. */
function uniformisedSum(process: ArrivalProcess, weights: Float64Array, count: number): Float64Array {
  const { phaseCount: size, d0, d1 } = process;
  const theta = uniformRate(process);
  const stay = d0.map((rate, index) => (index % (size + 1) === 0 ? Math.max(0, 1 + rate / theta) : rate / theta));
  const arrive = d1.map((rate) => rate / theta);
  const square = size * size;
  const result = new Float64Array(count * square);
  const u = new Float64Array(count * square);
  for (let i = 0; i < square; i += size + 1) u[i] = 1;
  for (let n = 0; n < weights.length; n++) {
    if (n > 0) step(u, stay, arrive, size, Math.min(n, count - 1));
    const weight = weights[n] as number;
    if (weight === 0) continue;
    const end = Math.min(n + 1, count) * square;
    for (let index = 0; index < end; index++) result[index] = (result[index] as number) + weight * (u[index] as number);
  }
  return result;
}

/** Replaces U_n by U_{n+1} in place, from the largest k down. */
function step(u: Float64Array, stay: Float64Array, arrive: Float64Array, size: number, last: number): void {
  if (size === 1) {
    const [s, a] = [stay[0] as number, arrive[0] as number];
    for (let k = last; k > 0; k--) u[k] = (u[k] as number) * s + (u[k - 1] as number) * a;
    u[0] = (u[0] as number) * s;
  } else if (size === 2) {
    stepOfTwo(u, stay, arrive, last);
  } else {
    stepOfMany(u, stay, arrive, size, last);
  }
}

function stepOfTwo(u: Float64Array, stay: Float64Array, arrive: Float64Array, last: number): void {
  const [s00, s01, s10, s11] = stay as unknown as [number, number, number, number];
  const [a00, a01, a10, a11] = arrive as unknown as [number, number, number, number];
  for (let row = 4 * last + 2; row >= 0; row -= 2) {
    const x = u[row] as number;
    const y = u[row + 1] as number;
    const before = row >= 4;
    const p = before ? (u[row - 4] as number) : 0;
    const q = before ? (u[row - 3] as number) : 0;
    u[row] = x * s00 + y * s10 + p * a00 + q * a10;
    u[row + 1] = x * s01 + y * s11 + p * a01 + q * a11;
  }
}

function stepOfMany(u: Float64Array, stay: Float64Array, arrive: Float64Array, size: number, last: number): void {
  const next = new Float64Array(size);
  const square = size * size;
  for (let row = last * square + square - size; row >= 0; row -= size) {
    for (let j = 0; j < size; j++) {
      let sum = 0;
      for (let l = 0; l < size; l++) {
        sum += (u[row + l] as number) * (stay[l * size + j] as number);
        if (row >= square) sum += (u[row - square + l] as number) * (arrive[l * size + j] as number);
      }
      next[j] = sum;
    }
    u.set(next, row);
  }
}

/** N_k·1 for each k: the columns of a sequence of matrices, at k·m + i. */
export function columnSums(matrices: Float64Array, size: number): Float64Array {
  const columns = new Float64Array(matrices.length / size);
  for (let row = 0; row < columns.length; row++) columns[row] = total(matrices.subarray(row * size, row * size + size));
  return columns;
}
