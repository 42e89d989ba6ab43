/** The alternatives to a choice, their predictions, and why each was rejected. */

import { latencyCdf, latencyQuantileMs, longestWaitMs } from '../latency.ts';
import type { WaitTable } from '../waits/wait-table.ts';
import type { Alternative, AlternativeLabel, SettingPrediction } from './choice.ts';
import { type Candidate, meetsTarget, type Priced, type SearchResult, type SearchSpace } from './search.ts';
import type { PromisedLatency } from './search-space.ts';

/** Maximum number of more expensive candidates examined for a runner-up. */
const runnerUpTries = 40;

/** A candidate with its prediction. `feasible`: the share in time reaches the objective. */
export interface PredictedCandidate extends Candidate {
  readonly table: WaitTable;
  readonly prediction: SettingPrediction;
  readonly shareInTime: number;
  readonly feasible: boolean;
}

/** Predicts latency and cost of candidates; caches each prediction. */
export class Predictor {
  readonly #ground: SearchSpace;
  readonly #promised: PromisedLatency;
  /** The objective itself, without the margin subtracted. */
  readonly #latencyMs: number;
  readonly #known = new Map<string, PredictedCandidate>();

  constructor(foundation: SearchSpace, promised: PromisedLatency, latencyMs: number) {
    this.#ground = foundation;
    this.#promised = promised;
    this.#latencyMs = latencyMs;
  }

  /** Predicted once for each candidate: the search visits many of them several times. */
  of(candidate: Candidate): PredictedCandidate {
    const key = `${candidate.option.memoryMiB} ${candidate.batchSizeMax} ${candidate.waitMsMax}`;
    let known = this.#known.get(key);
    if (known === undefined) {
      known = this.#predict(candidate);
      this.#known.set(key, known);
    }
    return known;
  }

  /** The latency at a quantile, in milliseconds. `atLeastMs` is a known lower bound, such as the latency at a smaller quantile. */
  quantileMs({ table, option }: Pick<PredictedCandidate, 'table' | 'option'>, quantile: number, atLeastMs = 0): number {
    const { extras } = this.#promised;
    if (option.service.kind === 'fixed') return latencyQuantileMs(table, option.service, quantile, extras);
    // Random service times: a relative precision of 1e-4 suffices for measurements, and each evaluation of the distribution is
    // slow.
    const { overheadMs = 0, coldStartProbability = 0, coldStartMs = 0 } = extras;
    let low = atLeastMs;
    let high =
      longestWaitMs(table) + (option.longestMs[table.batchSizeMax] as number) + overheadMs + (coldStartProbability > 0 ? coldStartMs : 0);
    while (high - low > 1e-4 * high) {
      const middle = (low + high) / 2;
      if (latencyCdf(table, option.service, middle, extras) >= quantile) high = middle;
      else low = middle;
    }
    return high;
  }

  #predict(candidate: Candidate): PredictedCandidate {
    const { option } = candidate;
    const table = this.#ground.tableOf(candidate);
    const { limitMs, extras, quantile } = this.#promised;
    const within = (ms: number): number => (ms === Number.POSITIVE_INFINITY ? 1 : latencyCdf(table, option.service, ms, extras));
    const shareInTime = within(limitMs);
    const p50Ms = this.quantileMs({ table, option }, 0.5);
    const p95Ms = this.quantileMs({ table, option }, 0.95, p50Ms);
    const prediction: SettingPrediction = {
      p50Ms,
      p95Ms,
      p99Ms: this.quantileMs({ table, option }, 0.99, p95Ms),
      withinSlo: this.#latencyMs === limitMs ? shareInTime : within(this.#latencyMs),
      meanBatch: table.meanBatch,
      costUsdPerMillion: this.#ground.costUsdPerMillion(table, option),
    };
    return { ...candidate, table, prediction, shareInTime, feasible: meetsTarget(shareInTime, quantile) };
  }
}

/**
 * The fastest memory size without batching. Its requests never wait, so batching could only be faster if a larger batch ran faster
 * than one row.
 */
export function fastestOf(unbatched: readonly PredictedCandidate[]): PredictedCandidate {
  return unbatched.reduce((best, other) => (isFaster(other, best) ? other : best));
}

function isFaster(left: PredictedCandidate, right: PredictedCandidate): boolean {
  const gain = left.shareInTime - right.shareInTime;
  if (Math.abs(gain) > 1e-12) return gain > 0;
  return left.prediction.p95Ms < right.prediction.p95Ms;
}

/** The cheapest memory size that meets the objective without batching, or the fastest if none does. */
export function noBatchingOf(unbatched: readonly PredictedCandidate[]): PredictedCandidate {
  const feasible = unbatched.filter((candidate) => candidate.feasible);
  if (feasible.length === 0) return fastestOf(unbatched);
  return feasible.reduce((best, other) => (other.prediction.costUsdPerMillion < best.prediction.costUsdPerMillion ? other : best));
}

/** The next cheapest candidate that meets the objective and differs from `chosen` in memory or batch size; null if none is found. */
export function runnerUpOf({ costlier }: SearchResult, chosen: Candidate, foundation: SearchSpace): Candidate | null {
  const others = costlier.filter(({ option, batchSizeMax }) => option !== chosen.option || batchSizeMax !== chosen.batchSizeMax);
  const ascending = others.sort((a, b) => a.costUsdPerMillion - b.costUsdPerMillion).slice(0, runnerUpTries);
  return (
    ascending.find((other) => meetsTarget(foundation.shareInTime(foundation.tableOf(other), other.option), foundation.quantile)) ?? null
  );
}

/** Among the candidates rejected for their latency: the cheapest, and the one closest below the given cost. */
export function cheaperOf(
  { refused }: SearchResult,
  costUsdPerMillion: number,
): { readonly cheapest: Candidate | null; readonly nearest: Candidate | null } {
  let cheapest: Priced | null = null;
  let nearest: Priced | null = null;
  for (const other of refused) {
    if (other.costUsdPerMillion >= costUsdPerMillion) continue;
    if (cheapest === null || other.costUsdPerMillion < cheapest.costUsdPerMillion) cheapest = other;
    if (nearest === null || other.costUsdPerMillion > nearest.costUsdPerMillion) nearest = other;
  }
  return { cheapest, nearest };
}

/** `rejectedBecause` is null for the chosen alternative. */
export function alternativeOf(label: AlternativeLabel, predicted: PredictedCandidate, rejectedBecause: string | null): Alternative {
  const { option, batchSizeMax, waitMsMax, table, prediction, feasible } = predicted;
  return {
    label,
    policy: table.policy,
    memoryMiB: option.memoryMiB,
    batchSizeMax,
    waitMsMax,
    predicted: prediction,
    feasible,
    rejectedBecause,
  };
}

/** Compares the settings; predictions of equal settings are equal. */
export function isSameCandidate(left: Candidate, right: Candidate): boolean {
  return left.option === right.option && left.batchSizeMax === right.batchSizeMax && left.waitMsMax === right.waitMsMax;
}
