/** The cheapest setting that keeps a promise, among all memory sizes, batch sizes and waits: a full search that skips what cannot win. */
import type { MemoryOption } from './memory-option.ts';
import type { WaitTable } from './wait-table.ts';

export interface Candidate {
  readonly option: MemoryOption;
  /** B. */
  readonly batchSizeMax: number;
  /** T; null under the slack rule. */
  readonly waitMsMax: number | null;
}

export interface Priced extends Candidate {
  readonly costUsdPerMillion: number;
}

/** What the search asks. Waits do not depend on memory under a fixed wait, so their tables are made once for all sizes. */
export interface Ground {
  /** The largest B to look at. */
  readonly batchSizeMax: number;
  /** The smallest B; the same as the largest where B is given. */
  readonly batchSizeMin: number;
  /** T, ascending; a single null under the slack rule. */
  readonly waitsMs: readonly (number | null)[];
  tableOf(candidate: Candidate): WaitTable;
  costUsdPerMillion(table: WaitTable, option: MemoryOption): number;
  /** F(SLO′): the share of requests in time with the margin held back. Where a bound decides against `quantile`, 1 or 0 is enough. */
  shareInTime(table: WaitTable, option: MemoryOption): number;
  /** q. */
  readonly quantile: number;
}

export interface Refused extends Priced {
  readonly shareInTime: number;
}

export interface Found {
  /** null: none keeps the promise. */
  readonly best: Priced | null;
  /** Refused as they break the promise; all that were cheaper than the best are here, in no order. */
  readonly refused: readonly Refused[];
  /** Dearer than the best of its time, so nobody looked at their latency. */
  readonly dearer: readonly Priced[];
  readonly considered: number;
  readonly evaluated: number;
  readonly feasible: number;
}

/** Costs closer than this, relatively, are the same: the smaller setting wins. */
const costTolerance = 1e-12;

/** Whether a share is the quantile or more, but for the rounding of sums of thousands of small masses. */
export function reaches(share: number, quantile: number): boolean {
  return share >= quantile - 1e-9;
}

/**
 * Cost is asked first, as it takes a few products; latency only of what would be cheaper than the best so far.
 *
 * Skipped are: a whole (M, B) whose cheapest row in any batch size is no cheaper than the best; longer waits once every
 * batch is full, and larger batches once none grows so far, as nothing changes any more. `start` is looked at first: the
 * setting in force is mostly near the best. `isExcluded` names those that turned out wrong on a closer look.
 */
export function search(
  ground: Ground,
  options: readonly MemoryOption[],
  start: Candidate | null,
  isExcluded: (candidate: Candidate) => boolean,
): Found {
  const progress = new Progress(ground, isExcluded);
  let considered = 0;
  for (const option of options) considered += Math.max(0, lastOf(ground, option) - ground.batchSizeMin + 1) * ground.waitsMs.length;
  if (start !== null) progress.consider(start);
  for (const option of options) {
    const last = lastOf(ground, option);
    for (let batchSizeMax = Math.min(ground.batchSizeMin, last); batchSizeMax <= last; batchSizeMax++) {
      if (progress.isHopeless(option, batchSizeMax)) continue;
      let isReached = false;
      for (const wait of ground.waitsMs) {
        const table = progress.consider({ option, batchSizeMax, waitMsMax: wait !== null && batchSizeMax === 1 ? 0 : wait });
        const full = table.batchSizePmf[batchSizeMax] as number;
        if (full > 1e-12) isReached = true;
        if (full > 1 - 1e-6) break;
      }
      if (!isReached) break;
    }
  }
  return { ...progress.found(), considered };
}

function lastOf(ground: Ground, option: MemoryOption): number {
  return Math.min(ground.batchSizeMax, option.batchSizeMax);
}

class Progress {
  readonly #ground: Ground;
  readonly #isExcluded: (candidate: Candidate) => boolean;
  readonly #refused: Refused[] = [];
  readonly #dearer: Priced[] = [];
  #best: Priced | null = null;
  #evaluated = 0;
  #feasible = 0;

  constructor(ground: Ground, isExcluded: (candidate: Candidate) => boolean) {
    this.#ground = ground;
    this.#isExcluded = isExcluded;
  }

  isHopeless(option: MemoryOption, batchSizeMax: number): boolean {
    return this.#best !== null && 1e6 * (option.usdPerRowMin[batchSizeMax] as number) >= this.#best.costUsdPerMillion * (1 + costTolerance);
  }

  consider(candidate: Candidate): WaitTable {
    const table = this.#ground.tableOf(candidate);
    const priced = { ...candidate, costUsdPerMillion: this.#ground.costUsdPerMillion(table, candidate.option) };
    if (this.#best !== null && !isBetter(priced, this.#best)) {
      this.#dearer.push(priced);
    } else {
      this.#evaluated++;
      const shareInTime = this.#isExcluded(candidate) ? 0 : this.#ground.shareInTime(table, candidate.option);
      if (reaches(shareInTime, this.#ground.quantile)) {
        this.#feasible++;
        if (this.#best !== null) this.#dearer.push(this.#best);
        this.#best = priced;
      } else {
        this.#refused.push({ ...priced, shareInTime });
      }
    }
    return table;
  }

  found(): Omit<Found, 'considered'> {
    return { best: this.#best, refused: this.#refused, dearer: this.#dearer, evaluated: this.#evaluated, feasible: this.#feasible };
  }
}

/** Cheaper; at equal cost the smaller B, then the smaller T, then the smaller memory. */
function isBetter(left: Priced, right: Priced): boolean {
  const difference = left.costUsdPerMillion - right.costUsdPerMillion;
  if (Math.abs(difference) > costTolerance * right.costUsdPerMillion) return difference < 0;
  return (
    (left.batchSizeMax - right.batchSizeMax ||
      (left.waitMsMax ?? 0) - (right.waitMsMax ?? 0) ||
      left.option.memoryMiB - right.option.memoryMiB) < 0
  );
}
