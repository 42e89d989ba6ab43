/** The start phase and the size of batches that are dispatched at the B-th request or T after the first request. */

import { multiply, normaliseRows, stationary } from '../waits/matrix.ts';
import { type ArrivalProcess, embedded, embeddedPhase } from './arrival-process.ts';

/** α and p_b for one B. */
export interface BatchSizes {
  /** α: the distribution of the phase just after the first request of a batch. */
  readonly startPhase: Float64Array;
  /** p_b at [b]; [0] is unused. */
  readonly batchSizePmf: Float64Array;
  readonly meanBatch: number;
}

/**
 * Returns the sizes for each B = 1 … batchSizeMax, at [B − 1]. `counting` and `arrivals` are N_k(T) and F_k(T), k = 0 …
 * batchSizeMax−1.
 *
 * From the start of one batch to the start of the next, the phase moves by K = [Σ_{k≤B−2} N_k(T) + F_{B−1}(T)]·P. The bracket leads
 * to the phase at dispatch: at the timeout with k more requests, or at the B-th request. P leads to the next arrival, which opens
 * the next batch. α is stationary under K. Then p_b = α·N_{b−1}(T)·1 for b < B, and p_B = α·F_{B−1}(T)·1.
 */
export function batchSizes(process: ArrivalProcess, counting: Float64Array, arrivals: Float64Array, batchSizeMax: number): BatchSizes[] {
  const size = process.phaseCount;
  const square = size * size;
  const { transition } = embedded(process);
  const result: BatchSizes[] = [];
  const timedOut = new Float64Array(square);
  for (let max = 1; max <= batchSizeMax; max++) {
    if (max > 1) addInto(timedOut, counting, (max - 2) * square);
    const dispatch = Float64Array.from(timedOut);
    addInto(dispatch, arrivals, (max - 1) * square);
    const startPhase = size === 1 ? Float64Array.of(1) : startPhaseOf(process, multiply(dispatch, transition, size));
    result.push(sizesFrom(startPhase, counting, arrivals, max));
  }
  return result;
}

/**
 * α, stationary under `batchToBatch`. If the phase practically never changes within a batch, rounding prevents a solution; φ is
 * then accurate enough.
 */
function startPhaseOf(process: ArrivalProcess, batchToBatch: Float64Array): Float64Array {
  const size = process.phaseCount;
  return stationary(normaliseRows(batchToBatch, size), size) ?? embeddedPhase(process);
}

function sizesFrom(startPhase: Float64Array, counting: Float64Array, arrivals: Float64Array, max: number): BatchSizes {
  const size = startPhase.length;
  const batchSizePmf = new Float64Array(max + 1);
  let meanBatch = 0;
  for (let b = 1; b <= max; b++) {
    const matrices = b < max ? counting : arrivals;
    let probability = 0;
    for (let i = 0; i < size; i++) {
      for (let j = 0; j < size; j++) {
        probability += (startPhase[i] as number) * (matrices[((b - 1) * size + i) * size + j] as number);
      }
    }
    batchSizePmf[b] = probability;
    meanBatch += b * probability;
  }
  return { startPhase, batchSizePmf, meanBatch };
}

function addInto(sum: Float64Array, values: Float64Array, from: number): void {
  for (let i = 0; i < sum.length; i++) sum[i] = (sum[i] as number) + (values[from + i] as number);
}
