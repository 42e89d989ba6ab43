/**
 * Finds the cheapest setting that meets an objective, among all memory sizes, batch sizes and waits. A full search that skips
 * candidates that cannot win.
 */

import type { WaitTable } from '../waits/wait-table.ts';
import type { MemoryOption } from './memory-option.ts';

/** A setting to be evaluated. */
export interface Candidate {
  readonly option: MemoryOption;
  /** B. */
  readonly batchSizeMax: number;
  /** T; null under the slack rule. */
  readonly waitMsMax: number | null;
}

/** A candidate with its cost. Costs are computed before latencies: they are cheap and bound the search. */
export interface Priced extends Candidate {
  readonly costUsdPerMillion: number;
}

/** Input of the search. With a fixed T, waits do not depend on memory, so all memory sizes share the tables. */
export interface SearchSpace {
  /** The largest B to examine. */
  readonly batchSizeMax: number;
  /** The smallest B; equal to the largest if B is configured. */
  readonly batchSizeMin: number;
  /** T, ascending; a single null under the slack rule. */
  readonly waitsMs: readonly (number | null)[];
  tableOf(candidate: Candidate): WaitTable;
  costUsdPerMillion(table: WaitTable, option: MemoryOption): number;
  /**
   * F(SLO′): the share of requests within the objective minus the margin. May return a bound instead, if that is on the same side
   * of `quantile`.
   */
  shareInTime(table: WaitTable, option: MemoryOption): number;
  /** q: the required share of requests in time. */
  readonly quantile: number;
}

/** A candidate that misses the objective, with the share of requests that would be in time. */
export interface RejectedCandidate extends Priced {
  readonly shareInTime: number;
}

/** The best setting, and the others by what became of them. */
export interface SearchResult {
  /** null if no candidate meets the objective. */
  readonly best: Priced | null;
  /** Candidates that miss the objective, in no order. Includes all candidates that are cheaper than the best. */
  readonly refused: readonly RejectedCandidate[];
  /** Candidates that were more expensive than the best so far, so their latency was not evaluated. */
  readonly costlier: readonly Priced[];
  readonly considered: number;
  readonly evaluated: number;
  readonly feasible: number;
}

/** Costs that differ relatively by less than this are equal: the smaller setting wins. */
const costTolerance = 1e-12;

/** Whether a share reaches the quantile. Tolerates rounding in sums of thousands of small masses. */
export function meetsTarget(share: number, quantile: number): boolean {
  return share >= quantile - 1e-9;
}

/**
 * Searches all candidates. Cost is evaluated first, because it is cheap; latency only if the candidate is cheaper than the best so
 * far. Skips an (M, B) if no batch of at most B rows has a lower cost per row than the best. Skips longer waits once every batch is
 * full, and larger batches once no batch grows that far, because neither changes anything. `start` is evaluated first, because the
 * setting in force is usually close to the best. `isExcluded` rejects candidates that failed a more exact evaluation.
 */
export function search(
  foundation: SearchSpace,
  options: readonly MemoryOption[],
  start: Candidate | null,
  isExcluded: (candidate: Candidate) => boolean,
): SearchResult {
  const progress = new Progress(foundation, isExcluded);
  let considered = 0;
  for (const option of options)
    considered += Math.max(0, lastOf(foundation, option) - foundation.batchSizeMin + 1) * foundation.waitsMs.length;
  if (start !== null) progress.consider(start);
  for (const option of options) {
    const last = lastOf(foundation, option);
    for (let batchSizeMax = Math.min(foundation.batchSizeMin, last); batchSizeMax <= last; batchSizeMax++) {
      if (progress.cannotMeetDeadline(option, batchSizeMax)) continue;
      let isReached = false;
      for (const wait of foundation.waitsMs) {
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

function lastOf(foundation: SearchSpace, option: MemoryOption): number {
  return Math.min(foundation.batchSizeMax, option.batchSizeMax);
}

class Progress {
  readonly #ground: SearchSpace;
  readonly #isExcluded: (candidate: Candidate) => boolean;
  readonly #refused: RejectedCandidate[] = [];
  readonly #costlier: Priced[] = [];
  #best: Priced | null = null;
  #evaluated = 0;
  #feasible = 0;

  constructor(foundation: SearchSpace, isExcluded: (candidate: Candidate) => boolean) {
    this.#ground = foundation;
    this.#isExcluded = isExcluded;
  }

  cannotMeetDeadline(option: MemoryOption, batchSizeMax: number): boolean {
    return this.#best !== null && 1e6 * (option.usdPerRowMin[batchSizeMax] as number) >= this.#best.costUsdPerMillion * (1 + costTolerance);
  }

  consider(candidate: Candidate): WaitTable {
    const table = this.#ground.tableOf(candidate);
    const priced = { ...candidate, costUsdPerMillion: this.#ground.costUsdPerMillion(table, candidate.option) };
    if (this.#best !== null && !isBetter(priced, this.#best)) {
      this.#costlier.push(priced);
    } else {
      this.#evaluated++;
      const shareInTime = this.#isExcluded(candidate) ? 0 : this.#ground.shareInTime(table, candidate.option);
      if (meetsTarget(shareInTime, this.#ground.quantile)) {
        this.#feasible++;
        if (this.#best !== null) this.#costlier.push(this.#best);
        this.#best = priced;
      } else {
        this.#refused.push({ ...priced, shareInTime });
      }
    }
    return table;
  }

  found(): Omit<SearchResult, 'considered'> {
    return { best: this.#best, refused: this.#refused, costlier: this.#costlier, evaluated: this.#evaluated, feasible: this.#feasible };
  }
}

/** Whether `left` is cheaper. At equal cost, prefers the smaller B, then the smaller T, then the smaller memory. */
function isBetter(left: Priced, right: Priced): boolean {
  const difference = left.costUsdPerMillion - right.costUsdPerMillion;
  if (Math.abs(difference) > costTolerance * right.costUsdPerMillion) return difference < 0;
  return (
    (left.batchSizeMax - right.batchSizeMax ||
      (left.waitMsMax ?? 0) - (right.waitMsMax ?? 0) ||
      left.option.memoryMiB - right.option.memoryMiB) < 0
  );
}
