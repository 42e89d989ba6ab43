/** What else could have been chosen, what each would bring, and why it was not. */
import type { Alternative, AlternativeLabel, Prediction } from './choice.ts';
import type { Promised } from './ground.ts';
import { latencyCdf, latencyQuantileMs, longestWaitMs } from './latency.ts';
import { type Candidate, type Found, type Ground, type Priced, reaches } from './search.ts';
import type { WaitTable } from './wait-table.ts';

/** So many dearer candidates are looked at for a runner-up. */
const runnerUpTries = 40;

export interface Predicted extends Candidate {
  readonly table: WaitTable;
  readonly prediction: Prediction;
  readonly shareInTime: number;
  readonly feasible: boolean;
}

/** Predicts candidates, each once. */
export class Predictor {
  readonly #ground: Ground;
  readonly #promised: Promised;
  /** The objective itself, the margin not held back. */
  readonly #latencyMs: number;
  readonly #known = new Map<string, Predicted>();

  constructor(ground: Ground, promised: Promised, latencyMs: number) {
    this.#ground = ground;
    this.#promised = promised;
    this.#latencyMs = latencyMs;
  }

  of(candidate: Candidate): Predicted {
    const key = `${candidate.option.memoryMiB} ${candidate.batchSizeMax} ${candidate.waitMsMax}`;
    let known = this.#known.get(key);
    if (known === undefined) {
      known = this.#predict(candidate);
      this.#known.set(key, known);
    }
    return known;
  }

  /** `atLeastMs`: a smaller quantile, where one is known. */
  quantileMs({ table, option }: Pick<Predicted, 'table' | 'option'>, quantile: number, atLeastMs = 0): number {
    const { extras } = this.#promised;
    if (option.service.kind === 'fixed') return latencyQuantileMs(table, option.service, quantile, extras);
    // What was measured is not known to twelve digits, and each look at the whole law takes a while.
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

  #predict(candidate: Candidate): Predicted {
    const { option } = candidate;
    const table = this.#ground.tableOf(candidate);
    const { limitMs, extras, quantile } = this.#promised;
    const within = (ms: number): number => (ms === Number.POSITIVE_INFINITY ? 1 : latencyCdf(table, option.service, ms, extras));
    const shareInTime = within(limitMs);
    const p50Ms = this.quantileMs({ table, option }, 0.5);
    const p95Ms = this.quantileMs({ table, option }, 0.95, p50Ms);
    const prediction: Prediction = {
      p50Ms,
      p95Ms,
      p99Ms: this.quantileMs({ table, option }, 0.99, p95Ms),
      withinSlo: this.#latencyMs === limitMs ? shareInTime : within(this.#latencyMs),
      meanBatch: table.meanBatch,
      costUsdPerMillion: this.#ground.costUsdPerMillion(table, option),
    };
    return { ...candidate, table, prediction, shareInTime, feasible: reaches(shareInTime, quantile) };
  }
}

/** The fastest memory size without batching: nobody waits, so nothing is faster unless larger batches are. */
export function fastestOf(unbatched: readonly Predicted[]): Predicted {
  return unbatched.reduce((best, other) => (isFaster(other, best) ? other : best));
}

function isFaster(left: Predicted, right: Predicted): boolean {
  const gain = left.shareInTime - right.shareInTime;
  if (Math.abs(gain) > 1e-12) return gain > 0;
  return left.prediction.p95Ms < right.prediction.p95Ms;
}

/** The cheapest without batching that keeps the promise, or the fastest where none does. */
export function noBatchingOf(unbatched: readonly Predicted[]): Predicted {
  const feasible = unbatched.filter((candidate) => candidate.feasible);
  if (feasible.length === 0) return fastestOf(unbatched);
  return feasible.reduce((best, other) => (other.prediction.costUsdPerMillion < best.prediction.costUsdPerMillion ? other : best));
}

/** The next cheapest with another memory or batch size that keeps the promise, of what the search came across. */
export function runnerUpOf({ dearer }: Found, chosen: Candidate, ground: Ground): Candidate | null {
  const others = dearer.filter(({ option, batchSizeMax }) => option !== chosen.option || batchSizeMax !== chosen.batchSizeMax);
  const ascending = others.sort((a, b) => a.costUsdPerMillion - b.costUsdPerMillion).slice(0, runnerUpTries);
  return ascending.find((other) => reaches(ground.shareInTime(ground.tableOf(other), other.option), ground.quantile)) ?? null;
}

/** Of what was refused for its latency: the cheapest, and the nearest below the cost of the chosen one. */
export function cheaperOf(
  { refused }: Found,
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

export function alternativeOf(label: AlternativeLabel, predicted: Predicted, rejectedBecause: string | null): Alternative {
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

export function isSameCandidate(left: Candidate, right: Candidate): boolean {
  return left.option === right.option && left.batchSizeMax === right.batchSizeMax && left.waitMsMax === right.waitMsMax;
}
