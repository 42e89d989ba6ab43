/** Builds the search space of a policy: candidates, their wait tables, and the required share of requests in time. */
import { objectiveShare } from '../../objective.ts';
import { SeededRandom } from '../../random.ts';
import { arrivalTimesMs } from '../arrivals/generate-arrivals.ts';
import { isNegligible, type LatencyExtras, latencyCdf } from '../latency.ts';
import { neverFalling, replayTable } from '../replay.ts';
import { AnalyticTables, type TablesOfOneWait } from '../waits/analytic-table.ts';
import type { WaitTable } from '../waits/wait-table.ts';
import type { ChoiceInput, ChoicePolicy } from './choice.ts';
import type { MemoryOption, ServicePieces } from './memory-option.ts';
import { type Candidate, meetsTarget, type SearchSpace } from './search.ts';

/** Default of the largest B; also limited by measured batch sizes. */
const batchSizeMaxDefault = 32;
/** T = 2·250^(i/29) ms, i = 0 … 29: from 2 to 500 ms in equal ratios. */
const waitsMsDefault: readonly number[] = Array.from({ length: 30 }, (_, i) => 2 * 250 ** (i / 29));
/** Instants that differ by less than this are equal: deadlines are rounded differences. */
const sameInstantMs = 1e-9;
/** Number of simulated arrivals, used to plan the slack rule if there are no recorded arrivals. */
const playedArrivals = 5000;

/** The objective as used by the search; without an objective, all requests are in time. */
export interface PromisedLatency {
  readonly quantile: number;
  /** SLO′ = SLO − margin: the latency limit of a plan. */
  readonly limitMs: number;
  readonly extras: LatencyExtras;
}

/** `quantile` is 0 and `limitMs` infinite without an objective. */
export function promisedLatencyOf({ objective, marginMs, coldStart, overheadMs = 0 }: ChoiceInput): PromisedLatency {
  return {
    quantile: objective === null ? 0 : objectiveShare(objective),
    limitMs: objective === null ? Number.POSITIVE_INFINITY : Math.max(0, objective.latencyMs - marginMs),
    extras: { overheadMs, coldStartProbability: coldStart.ms > 0 ? coldStart.probability : 0, coldStartMs: coldStart.ms },
  };
}

/** The policy in effect: without an objective, no request is delayed unless a wait is configured. */
export function effectivePolicy({ policy, objective }: ChoiceInput): ChoicePolicy {
  return objective === null && policy.kind !== 'fixed' ? { kind: 'none' } : policy;
}

/** The search space of the policy in effect. A configured setting is its only candidate per memory size. */
export function searchSpaceFor(input: ChoiceInput, waits: Waits, promised: PromisedLatency): SearchSpace {
  const policy = effectivePolicy(input);
  const fixed = policy.kind === 'fixed' ? { batchSizeMax: policy.batchSizeMax, waitMsMax: policy.waitMsMax } : null;
  const none = policy.kind === 'none' ? { batchSizeMax: 1, waitMsMax: 0 } : null;
  const provided = fixed ?? none;
  return {
    batchSizeMin: provided?.batchSizeMax ?? 1,
    batchSizeMax: provided?.batchSizeMax ?? batchSizeMaxDefault,
    waitsMs: provided !== null ? [provided.waitMsMax] : policy.kind === 'slack' ? [null] : waitsMsDefault,
    quantile: promised.quantile,
    tableOf: (candidate) => waits.tableOf(candidate),
    costUsdPerMillion,
    shareInTime: (table, option) => shareInTime(table, option, promised),
  };
}

/** Wait tables of candidates. The tables of each T are computed once. */
export class Waits {
  readonly #arrivalsMs: Float64Array;
  readonly #limitMs: number;
  readonly #analytic: AnalyticTables | null;
  readonly #byWait = new Map<number, TablesOfOneWait>();

  constructor({ arrivals }: ChoiceInput, options: readonly MemoryOption[], limitMs: number) {
    const { process, recordedMs } = arrivals;
    const isPlayed = recordedMs.length === 0 && process !== null;
    this.#arrivalsMs = isPlayed ? arrivalTimesMs(process, new SeededRandom(1), playedArrivals) : neverFalling(recordedMs);
    this.#limitMs = limitMs;
    this.#analytic = process === null ? null : new AnalyticTables(process, Math.max(...options.map((option) => option.batchSizeMax)));
  }

  /**
   * The waits of a candidate: analytic if the arrivals were fitted, otherwise by replaying the arrivals themselves. Analytic tables serve
   * all batch sizes, so they are kept by wait.
   */
  tableOf({ option, batchSizeMax, waitMsMax }: Candidate): WaitTable {
    if (waitMsMax === null) {
      const serviceMs = (rows: number): number => option.dispatchMs[rows] as number;
      return replayTable(this.#arrivalsMs, { kind: 'slack', batchSizeMax, serviceMs }, this.#limitMs);
    }
    if (this.#analytic === null) return replayTable(this.#arrivalsMs, { kind: 'timeout', batchSizeMax, waitMsMax }, this.#limitMs);
    let tables = this.#byWait.get(waitMsMax);
    if (tables === undefined) {
      tables = this.#analytic.at(waitMsMax);
      this.#byWait.set(waitMsMax, tables);
    }
    return tables.of(batchSizeMax);
  }
}

/** Like `costUsdPerMillion` of `cost.ts`, but with tabulated costs per call, because a search calls it thousands of times. */
function costUsdPerMillion(table: WaitTable, { usdPerCall }: MemoryOption): number {
  let usdPerBatch = 0;
  for (let b = 1; b <= table.batchSizeMax; b++) usdPerBatch += (table.batchSizePmf[b] as number) * (usdPerCall[b] as number);
  return (1e6 * usdPerBatch) / table.meanBatch;
}

/**
 * F(SLO′), or a bound that is sufficient to decide: a lower bound that reaches the quantile, or an upper bound that does not. Most
 * candidates are far from the limit, and bounds are much cheaper than the full distribution of service times.
 */
export function shareInTime(table: WaitTable, option: MemoryOption, { quantile, limitMs, extras }: PromisedLatency): number {
  if (limitMs === Number.POSITIVE_INFINITY) return 1;
  const { overheadMs = 0, coldStartProbability = 0, coldStartMs = 0 } = extras;
  const longestMs = (table.waitMsMax ?? Number.POSITIVE_INFINITY) + (option.longestMs[table.batchSizeMax] as number) + overheadMs;
  if (longestMs <= limitMs && 1 - coldStartProbability >= quantile) return 1;
  if ((option.shortestMs[table.batchSizeMax] as number) + overheadMs > limitMs + sameInstantMs) return 0;
  if (option.pieces !== null) {
    const { pieces } = option;
    const bound = (side: 'fromMs' | 'toMs', piecesMax: number): number => {
      const warm = boundOf(table, pieces, limitMs - overheadMs, side, piecesMax);
      if (coldStartProbability === 0) return warm;
      const cold = boundOf(table, pieces, limitMs - overheadMs - coldStartMs, side, piecesMax);
      return (1 - coldStartProbability) * warm + coldStartProbability * cold;
    };
    // Most candidates are rejected, so upper bounds are tried first, starting with the shortest time of every batch.
    const rough = bound('fromMs', 1);
    if (!meetsTarget(rough, quantile)) return rough;
    const upper = bound('fromMs', Number.POSITIVE_INFINITY);
    if (!meetsTarget(upper, quantile)) return upper;
    const lower = bound('toMs', Number.POSITIVE_INFINITY);
    if (lower >= quantile) return lower;
  }
  return latencyCdf(table, option.service, limitMs, extras);
}

/**
 * A bound of F(x): (1/E[b])·Σ_b Σ_i share_i·H_b(x − s_i), where s_i is the lower (`fromMs`) or upper (`toMs`) end of piece i of
 * S(b). Lower ends give an upper bound, upper ends a lower bound. Pieces beyond `piecesMax` are merged into the last.
 */
function boundOf(
  table: WaitTable,
  pieces: readonly ServicePieces[],
  latencyMs: number,
  side: 'fromMs' | 'toMs',
  piecesMax: number,
): number {
  let requests = 0;
  for (let b = 1; b <= table.batchSizeMax; b++) {
    if (isNegligible(table, b)) continue;
    const { shares, [side]: serviceMs } = pieces[b] as ServicePieces;
    const count = Math.min(piecesMax, shares.length);
    let left = 1;
    for (let i = 0; i < count; i++) {
      const waitMs = latencyMs - (serviceMs[i] as number);
      if (waitMs < -sameInstantMs) break;
      const share = i === count - 1 ? left : (shares[i] as number);
      left -= share;
      requests += share * table.requestsWithin(b, Math.max(waitMs + sameInstantMs, 0));
    }
  }
  return requests / table.meanBatch;
}
