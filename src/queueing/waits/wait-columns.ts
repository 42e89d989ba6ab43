/**
 * H_b(w) for all b and all start phases at once, at the points of an octave grid. Only the smallest step needs a uniformisation.
 * All others follow by convolution: N_k(s+t) = Σ_i N_i(s)·N_{k−i}(t).
 */
import { type ArrivalProcess, embedded } from '../arrivals/arrival-process.ts';
import { countingMatrices, fillArrivalMatrices } from '../arrivals/counting.ts';
import { convolve, convolveColumns, type MatrixSequence, newSequence, trim } from './convolve.ts';
import type { OctaveGrid } from './octave-grid.ts';

/** Everything that depends on T but not on B. */
export interface WaitColumns {
  /** N_k(T) and F_k(T), k = 0 … batchSizeMax−1. */
  readonly counting: Float64Array;
  readonly arrivals: Float64Array;
  /** H_b(w) of timed-out batches of b, given start phase i, without the atom at T. Entry (b, i, point) is at (b·m + i)·points + point. */
  readonly timedOut: Float64Array;
  /** H_B(w) of full batches of B, in the same order. */
  readonly full: Float64Array;
}

/** Computes the columns for one T after another, reusing its work arrays. */
export class WaitColumnsMaker {
  readonly #process: ArrivalProcess;
  readonly #size: number;
  /** K, the largest batch size: at most K − 1 other requests matter. */
  readonly #count: number;
  readonly #grid: OctaveGrid;
  readonly #transition: Float64Array;
  /** N(T/(R·2^J)·2^i). */
  readonly #doublings: MatrixSequence[];
  /** C_j = N(T − T/2^j). */
  readonly #complements: MatrixSequence[];
  /** E_i = N(i·T/(R·2^j)) of the current octave, i = 1 … R. */
  readonly #steps: MatrixSequence[];
  readonly #remaining: MatrixSequence;
  readonly #arrivalsRemaining: MatrixSequence;
  /** Columns: N_k(w)·1, k·N_k(w)·1, F_k(w)·1, (k−1)·F_k(w)·1, and the results. */
  readonly #counts: MatrixSequence;
  readonly #weightedCounts: MatrixSequence;
  readonly #arrived: MatrixSequence;
  readonly #weightedArrived: MatrixSequence;
  readonly #stepSums: MatrixSequence;
  readonly #timedOut: Float64Array;
  readonly #full: Float64Array;

  constructor(process: ArrivalProcess, batchSizeMax: number, grid: OctaveGrid) {
    this.#process = process;
    this.#size = process.phaseCount;
    this.#count = batchSizeMax;
    this.#grid = grid;
    this.#transition = embedded(process).transition;
    const matrices = (): MatrixSequence => newSequence(batchSizeMax, this.#size ** 2);
    const columns = (): MatrixSequence => newSequence(batchSizeMax, this.#size);
    this.#doublings = Array.from({ length: grid.octaves + Math.log2(grid.stepsPerOctave) + 1 }, matrices);
    this.#complements = Array.from({ length: grid.octaves }, matrices);
    this.#steps = Array.from({ length: grid.stepsPerOctave + 1 }, matrices);
    this.#remaining = matrices();
    this.#arrivalsRemaining = matrices();
    this.#counts = columns();
    this.#weightedCounts = columns();
    this.#arrived = columns();
    this.#weightedArrived = columns();
    this.#stepSums = columns();
    this.#timedOut = new Float64Array(batchSizeMax * this.#size);
    this.#full = new Float64Array(batchSizeMax * this.#size);
  }

  make(waitMsMax: number): WaitColumns {
    const { octaves, stepsPerOctave, shares } = this.#grid;
    const square = this.#size ** 2;
    this.#fillDoublings(waitMsMax / 1000);
    const counting = Float64Array.from(this.#doubling(0).values);
    const arrivals = new Float64Array(counting.length);
    fillArrivalMatrices(arrivals, counting, this.#transition, this.#size, this.#count);
    const length = (this.#count + 1) * this.#size * shares.length;
    const columns = { counting, arrivals, timedOut: new Float64Array(length), full: new Float64Array(length) };
    this.#write(columns, 0, true);
    for (let octave = octaves; octave >= 1; octave--) {
      this.#fillSteps(octave);
      for (let i = 0; i < stepsPerOctave; i++) {
        const left = this.#remainingAt(octave, i);
        fillArrivalMatrices(this.#arrivalsRemaining.values, left.values, this.#transition, this.#size, this.#count);
        trim(this.#arrivalsRemaining, square);
        this.#fillColumns(this.#doubling(octave), i === 0 ? null : this.#step(octave, i));
        this.#convolveAll(left);
        this.#write(columns, (octaves - octave) * stepsPerOctave + i + 1, false);
      }
    }
    this.#writeRemainingLimit(columns);
    return columns;
  }

  /** D_j = N(T/2^j). */
  #doubling(octave: number): MatrixSequence {
    return this.#doublings[this.#doublings.length - 1 - octave] as MatrixSequence;
  }

  #fillDoublings(seconds: number): void {
    const square = this.#size ** 2;
    const [smallest] = this.#doublings as [MatrixSequence];
    smallest.values.set(countingMatrices(this.#process, seconds / 2 ** (this.#doublings.length - 1), this.#count));
    trim(smallest, square);
    for (let i = 1; i < this.#doublings.length; i++) {
      const half = this.#doublings[i - 1] as MatrixSequence;
      convolve(this.#doublings[i] as MatrixSequence, half, half, this.#size);
    }
    for (let octave = 2; octave < this.#complements.length; octave++) {
      convolve(this.#complements[octave] as MatrixSequence, this.#complement(octave - 1), this.#doubling(octave), this.#size);
    }
  }

  /** C_j for j ≥ 1; C_0 = N(0) is the identity. */
  #complement(octave: number): MatrixSequence {
    return octave === 1 ? this.#doubling(1) : (this.#complements[octave] as MatrixSequence);
  }

  /** E_i is a doubling if i is a power of two. */
  #step(octave: number, i: number): MatrixSequence {
    if ((i & (i - 1)) === 0) return this.#doublings[this.#grid.octaves - octave + Math.log2(i)] as MatrixSequence;
    return this.#steps[i] as MatrixSequence;
  }

  /** Fills E_i. Where possible, E_i is E_{2i} of the next smaller octave; the others are convolutions of two smaller steps. */
  #fillSteps(octave: number): void {
    const { octaves, stepsPerOctave } = this.#grid;
    for (let i = 3; i < stepsPerOctave; i++) {
      const lowest = i & -i;
      if (lowest === i) continue;
      if (octave < octaves && 2 * i < stepsPerOctave) {
        const retained = this.#steps[i] as MatrixSequence;
        this.#steps[i] = this.#steps[2 * i] as MatrixSequence;
        this.#steps[2 * i] = retained;
      } else {
        convolve(this.#steps[i] as MatrixSequence, this.#step(octave, i - lowest), this.#step(octave, lowest), this.#size);
      }
    }
  }

  /** N(T − w) = C_{j−1} ∗ E_{R−i}. */
  #remainingAt(octave: number, i: number): MatrixSequence {
    const rest = this.#step(octave, this.#grid.stepsPerOctave - i);
    if (octave === 1) return rest;
    if (i === 0 && octave < this.#grid.octaves) return this.#complement(octave);
    convolve(this.#remaining, this.#complement(octave - 1), rest, this.#size);
    return this.#remaining;
  }

  /** Fills the columns at w = T/2^j + i·T/(R·2^j): N(w)·1 = D_j ∗ (E_i·1), and F_{k+1}·1 = F_k·1 − N_k·1 because P·1 = 1. */
  #fillColumns(octaveStart: MatrixSequence, step: MatrixSequence | null): void {
    const size = this.#size;
    const counts = this.#counts.values;
    if (step === null) {
      sumRows(counts, octaveStart.values, size);
    } else {
      sumRows(this.#stepSums.values, step.values, size);
      this.#stepSums.first = step.first;
      this.#stepSums.end = step.end;
      counts.fill(0);
      convolveColumns(counts, octaveStart, this.#stepSums, size);
    }
    const arrived = this.#arrived.values;
    for (let i = 0; i < size; i++) {
      let left = 1;
      for (let k = 0; k < this.#count; k++) {
        const at = k * size + i;
        const count = counts[at] as number;
        this.#weightedCounts.values[at] = k * count;
        arrived[at] = k === 0 ? 0 : left;
        this.#weightedArrived.values[at] = k === 0 ? 0 : (k - 1) * left;
        left = Math.max(0, left - count);
      }
    }
    trim(this.#weightedCounts, size);
    trim(this.#arrived, size);
    trim(this.#weightedArrived, size);
  }

  /** The sums of `exact-model.ts`, for all b at once. Entry n is for a batch with n other requests. */
  #convolveAll(left: MatrixSequence): void {
    this.#timedOut.fill(0);
    this.#full.fill(0);
    convolveColumns(this.#timedOut, left, this.#weightedCounts, this.#size);
    convolveColumns(this.#full, this.#arrivalsRemaining, this.#arrived, this.#size);
    convolveColumns(this.#full, left, this.#weightedArrived, this.#size);
  }

  /** Writes the columns of one grid point. The last requests of full batches, F_{B−1}(T)·1, wait 0, so they count at every point. */
  #write(columns: WaitColumns, point: number, isStart: boolean): void {
    const size = this.#size;
    const points = this.#grid.shares.length;
    for (let n = 0; n < this.#count; n++) {
      for (let i = 0; i < size; i++) {
        const from = n * size + i;
        const at = (from + size) * points + point;
        if (!isStart) columns.timedOut[at] = this.#timedOut[from] as number;
        columns.full[at] = (isStart ? 0 : (this.#full[from] as number)) + rowSum(columns.arrivals, from, size);
      }
    }
  }

  /** Writes the limit w → T. Includes all requests except the first of each timed-out batch, which wait exactly T. */
  #writeRemainingLimit({ counting, arrivals, timedOut, full }: WaitColumns): void {
    const size = this.#size;
    const points = this.#grid.shares.length;
    for (let row = 0; row < this.#count * size; row++) {
      const others = Math.floor(row / size);
      const at = (row + size + 1) * points - 1;
      timedOut[at] = others * rowSum(counting, row, size);
      full[at] = (others + 1) * rowSum(arrivals, row, size);
    }
  }
}

function rowSum(matrices: Float64Array, row: number, size: number): number {
  let sum = 0;
  for (let j = row * size; j < (row + 1) * size; j++) sum += matrices[j] as number;
  return sum;
}

function sumRows(result: Float64Array, matrices: Float64Array, size: number): void {
  for (let row = 0; row < result.length; row++) result[row] = rowSum(matrices, row, size);
}
