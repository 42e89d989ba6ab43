/**
 * Exact waits in a buffer that dispatches at the B-th request or T after the first, if every batch finds a free server. Valid for
 * any Markovian arrival process. Each evaluation computes its own matrices: for many evaluations use `analytic-table.ts`.
 */
import assert from 'node:assert/strict';
import type { ArrivalProcess } from '../arrivals/arrival-process.ts';
import { arrivalMatrices, columnSums, countingIntegrals, countingMatrices } from '../arrivals/counting.ts';
import { type BatchSizes, batchSizes } from '../arrivals/start-phase.ts';
import { multiply, total } from './matrix.ts';
import { OctaveGrid } from './octave-grid.ts';
import type { WaitTable } from './wait-table.ts';

/** The setting: a batch is dispatched with its B-th request, or T after its first. An arrival at exactly T still joins. */
export interface BatchSetting {
  readonly batchSizeMax: number;
  readonly waitMsMax: number;
}

/** α, p_b and E[b]. B = 1 and T = 0 are the same case: every request is dispatched alone and at once. */
export function exactBatchSizes(process: ArrivalProcess, { batchSizeMax, waitMsMax }: BatchSetting): BatchSizes {
  checkSetting({ batchSizeMax, waitMsMax });
  const counting = countingMatrices(process, waitMsMax / 1000, batchSizeMax);
  return batchSizes(process, counting, arrivalMatrices(process, counting, batchSizeMax), batchSizeMax).at(-1) as BatchSizes;
}

/**
 * E[W] = (1/E[b])·∫₀ᵀ Σ_{k=0}^{B−2} (k+1)·α·N_k(u)·1 du: after k arrivals since the first, k + 1 requests wait. It does not use
 * H, so it can verify any table.
 */
export function exactMeanWaitMs(process: ArrivalProcess, setting: BatchSetting): number {
  const { startPhase, meanBatch } = exactBatchSizes(process, setting);
  const { plain } = countingIntegrals(process, setting.waitMsMax / 1000, setting.batchSizeMax);
  const size = process.phaseCount;
  const waiting = columnSums(plain, size);
  let sum = 0;
  for (let k = 0; k <= setting.batchSizeMax - 2; k++) {
    sum += (k + 1) * total(multiply(startPhase, waiting.slice(k * size, (k + 1) * size), size));
  }
  return (1000 * sum) / meanBatch;
}

/** A wait table with an exact `requestsWithin`. Its masses are those between neighbouring points of an octave grid, also exact. */
export function exactTable(process: ArrivalProcess, setting: BatchSetting): WaitTable {
  checkSetting(setting);
  const source = process.phaseCount === 1 ? 'poisson' : 'map';
  if (setting.batchSizeMax === 1 || setting.waitMsMax === 0) return immediateTable(source, setting);
  return new ExactTable(process, setting, source);
}

/** Every request is dispatched at once, alone. */
export function immediateTable(source: WaitTable['source'], { batchSizeMax, waitMsMax }: BatchSetting): WaitTable {
  const batchSizePmf = new Float64Array(batchSizeMax + 1);
  batchSizePmf[1] = 1;
  return {
    source,
    policy: 'timeout',
    batchSizeMax,
    waitMsMax,
    batchSizePmf,
    meanBatch: 1,
    sampleCount: null,
    requestsWithin: (batchSize, waitMs) => (batchSize === 1 && waitMs >= 0 ? 1 : 0),
    forEachWaitMass: (batchSize, visit) => {
      if (batchSize === 1) visit(0, 0, 1);
    },
  };
}

/** Asserts a valid setting: a caller that passes another one has a bug. */
export function checkSetting({ batchSizeMax, waitMsMax }: BatchSetting): void {
  assert(Number.isInteger(batchSizeMax) && batchSizeMax >= 1, `invalid B: expected a whole number from 1, got ${batchSizeMax}`);
  assert(waitMsMax >= 0 && Number.isFinite(waitMsMax), `invalid T: expected 0 or more milliseconds, got ${waitMsMax}`);
}

/** What H_b(w) needs for one w and any b: matrices at T − w, column sums at w. */
interface Moment {
  readonly countingRemaining: Float64Array;
  readonly arrivalsRemaining: Float64Array;
  readonly countingColumns: Float64Array;
  readonly arrivalColumns: Float64Array;
}

class ExactTable implements WaitTable {
  readonly source: WaitTable['source'];
  readonly policy = 'timeout';
  readonly batchSizeMax: number;
  readonly waitMsMax: number;
  readonly batchSizePmf: Float64Array;
  readonly meanBatch: number;
  readonly sampleCount = null;
  readonly #process: ArrivalProcess;
  readonly #startPhase: Float64Array;
  readonly #grid = new OctaveGrid(8, 8);
  #gridMoments: readonly Moment[] | null = null;

  constructor(process: ArrivalProcess, setting: BatchSetting, source: WaitTable['source']) {
    const { startPhase, batchSizePmf, meanBatch } = exactBatchSizes(process, setting);
    this.source = source;
    this.batchSizeMax = setting.batchSizeMax;
    this.waitMsMax = setting.waitMsMax;
    this.batchSizePmf = batchSizePmf;
    this.meanBatch = meanBatch;
    this.#process = process;
    this.#startPhase = startPhase;
  }

  requestsWithin(batchSize: number, waitMs: number): number {
    if (waitMs < 0) return 0;
    if (waitMs >= this.waitMsMax) return batchSize * (this.batchSizePmf[batchSize] as number);
    return this.#requestsWithinWait(batchSize, this.#momentAt(waitMs));
  }

  forEachWaitMass(batchSize: number, visit: (fromMs: number, toMs: number, mass: number) => void): void {
    this.#gridMoments ??= Array.from(this.#grid.shares, (share) => this.#momentAt(share * this.waitMsMax));
    const probability = this.batchSizePmf[batchSize] as number;
    const isFull = batchSize === this.batchSizeMax;
    if (isFull && probability > 0) visit(0, 0, probability);
    let before = isFull ? probability : 0;
    for (let point = 1; point < this.#grid.shares.length; point++) {
      const within = this.#requestsWithinWait(batchSize, this.#gridMoments[point] as Moment);
      const [from, to] = [this.#grid.shares[point - 1] as number, this.#grid.shares[point] as number];
      if (within > before) visit(from * this.waitMsMax, to * this.waitMsMax, within - before);
      before = Math.max(before, within);
    }
    if (!isFull && probability > 0) visit(this.waitMsMax, this.waitMsMax, probability);
  }

  #momentAt(waitMs: number): Moment {
    const count = this.batchSizeMax;
    const size = this.#process.phaseCount;
    const counting = countingMatrices(this.#process, waitMs / 1000, count);
    const countingRemaining = countingMatrices(this.#process, (this.waitMsMax - waitMs) / 1000, count);
    return {
      countingRemaining,
      arrivalsRemaining: arrivalMatrices(this.#process, countingRemaining, count),
      countingColumns: columnSums(counting, size),
      arrivalColumns: columnSums(arrivalMatrices(this.#process, counting, count), size),
    };
  }

  /**
   * H_b(w) for 0 ≤ w ≤ T; at w = T without the probability mass of requests that wait exactly T.
   *
   * If b < B, the batch timed out: Σ_{k=1}^{b−1} k·α·N_{b−1−k}(T−w)·N_k(w)·1, where k of the b − 1 followers arrive in the last w.
   *
   * If b = B, the batch was full: the (B−1)-th follower arrived within T. H_B(w) is the sum of
   * - p_B: the last request, which waits 0;
   * - α·F_{B−1}(w)·1: the first request;
   * - α·F_n(T−w)·F_{B−1−n}(w)·1: follower n = 1 … B−2 if it arrives within T − w and the last at most w after it;
   * - (B−2−i)·α·N_i(T−w)·F_{B−1−i}(w)·1: if i followers arrive within T − w, all later ones wait less than w.
   */
  #requestsWithinWait(batchSize: number, at: Moment): number {
    const others = batchSize - 1;
    if (batchSize < this.batchSizeMax) {
      return this.#convolve(at.countingRemaining, at.countingColumns, others, (k) => k);
    }
    const last = this.batchSizePmf[batchSize] as number;
    const { arrivalsRemaining, arrivalColumns } = at;
    return (
      last +
      this.#convolve(arrivalsRemaining, arrivalColumns, others, () => 1) +
      this.#convolve(at.countingRemaining, arrivalColumns, others, (k) => k - 1)
    );
  }

  /** Σ_{k=1}^{n} weight(k)·α·left_{n−k}·right_k. */
  #convolve(left: Float64Array, right: Float64Array, n: number, weight: (k: number) => number): number {
    const size = this.#process.phaseCount;
    let sum = 0;
    for (let k = 1; k <= n; k++) {
      const factor = weight(k);
      if (factor === 0) continue;
      for (let i = 0; i < size; i++) {
        for (let j = 0; j < size; j++) {
          sum +=
            factor * (this.#startPhase[i] as number) * (left[((n - k) * size + i) * size + j] as number) * (right[k * size + j] as number);
        }
      }
    }
    return sum;
  }
}
