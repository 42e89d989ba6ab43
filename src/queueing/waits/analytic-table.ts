/**
 * Wait tables of an arrival process, fast enough for a search. For each T, columns that do not depend on B are computed once and
 * shared by all B. H_b is interpolated between grid points, so a p95 may deviate by up to 1 % from `exact-model.ts`. Batch sizes
 * and costs are exact.
 */
import assert from 'node:assert/strict';
import type { ArrivalProcess } from '../arrivals/arrival-process.ts';
import { type BatchSizes, batchSizes } from '../arrivals/start-phase.ts';
import { checkSetting, immediateTable } from './exact-model.ts';
import { OctaveGrid } from './octave-grid.ts';
import { type WaitColumns, WaitColumnsMaker } from './wait-columns.ts';
import type { WaitTable } from './wait-table.ts';

/** The wait tables of one T. `of(B)` is cheap. */
export interface TablesOfOneWait {
  of(batchSizeMax: number): WaitTable;
}

/** Computes wait tables of one process for any T and any B up to `batchSizeMax`. */
export class AnalyticTables {
  readonly #process: ArrivalProcess;
  readonly #batchSizeMax: number;
  readonly #grid: OctaveGrid;
  readonly #maker: WaitColumnsMaker;

  /** `batchSizeMax` is the largest B of any table. A coarser grid than the default is faster but less accurate. */
  constructor(process: ArrivalProcess, batchSizeMax: number, grid: OctaveGrid = new OctaveGrid(6, 8)) {
    checkSetting({ batchSizeMax, waitMsMax: 0 });
    this.#process = process;
    this.#batchSizeMax = batchSizeMax;
    this.#grid = grid;
    this.#maker = new WaitColumnsMaker(process, batchSizeMax, grid);
  }

  /** Computes everything that depends on T (milliseconds) but not on B. */
  at(waitMsMax: number): TablesOfOneWait {
    checkSetting({ batchSizeMax: this.#batchSizeMax, waitMsMax });
    const source = this.#process.phaseCount === 1 ? 'poisson' : 'map';
    const columns = waitMsMax === 0 ? null : this.#maker.make(waitMsMax);
    const sizes = columns === null ? [] : batchSizes(this.#process, columns.counting, columns.arrivals, this.#batchSizeMax);
    return {
      of: (batchSizeMax) => {
        const setting = { batchSizeMax, waitMsMax };
        checkSetting(setting);
        assert(
          batchSizeMax <= this.#batchSizeMax,
          `batch size out of range: expected at most B = ${this.#batchSizeMax}, got ${batchSizeMax}`,
        );
        if (columns === null || batchSizeMax === 1) return immediateTable(source, setting);
        return new AnalyticTable(source, waitMsMax, sizes[batchSizeMax - 1] as BatchSizes, columns, this.#grid);
      },
    };
  }
}

class AnalyticTable implements WaitTable {
  readonly source: WaitTable['source'];
  readonly policy = 'timeout';
  readonly batchSizeMax: number;
  readonly waitMsMax: number;
  readonly batchSizePmf: Float64Array;
  readonly meanBatch: number;
  readonly sampleCount = null;
  readonly #startPhase: Float64Array;
  readonly #columns: WaitColumns;
  readonly #grid: OctaveGrid;

  constructor(source: WaitTable['source'], waitMsMax: number, sizes: BatchSizes, columns: WaitColumns, grid: OctaveGrid) {
    this.source = source;
    this.batchSizeMax = sizes.batchSizePmf.length - 1;
    this.waitMsMax = waitMsMax;
    this.batchSizePmf = sizes.batchSizePmf;
    this.meanBatch = sizes.meanBatch;
    this.#startPhase = sizes.startPhase;
    this.#columns = columns;
    this.#grid = grid;
  }

  requestsWithin(batchSize: number, waitMs: number): number {
    if (waitMs < 0) return 0;
    if (waitMs >= this.waitMsMax) return batchSize * (this.batchSizePmf[batchSize] as number);
    const share = waitMs / this.waitMsMax;
    const point = this.#grid.below(share);
    const from = this.#grid.shares[point] as number;
    const weight = (share - from) / ((this.#grid.shares[point + 1] as number) - from);
    return (1 - weight) * this.#atPoint(batchSize, point) + weight * this.#atPoint(batchSize, point + 1);
  }

  forEachWaitMass(batchSize: number, visit: (fromMs: number, toMs: number, mass: number) => void): void {
    const { shares } = this.#grid;
    const probability = this.batchSizePmf[batchSize] as number;
    const isFull = batchSize === this.batchSizeMax;
    if (isFull && probability > 0) visit(0, 0, probability);
    let before = this.#atPoint(batchSize, 0);
    for (let point = 1; point < shares.length; point++) {
      const within = this.#atPoint(batchSize, point);
      if (within > before) {
        visit((shares[point - 1] as number) * this.waitMsMax, (shares[point] as number) * this.waitMsMax, within - before);
        before = within;
      }
    }
    if (!isFull && probability > 0) visit(this.waitMsMax, this.waitMsMax, probability);
  }

  /** H_b at a grid point: α times the column. */
  #atPoint(batchSize: number, point: number): number {
    const values = batchSize === this.batchSizeMax ? this.#columns.full : this.#columns.timedOut;
    const points = this.#grid.shares.length;
    let at = batchSize * this.#startPhase.length * points + point;
    let sum = 0;
    for (let i = 0; i < this.#startPhase.length; i++) {
      sum += (this.#startPhase[i] as number) * (values[at] as number);
      at += points;
    }
    return sum;
  }
}
