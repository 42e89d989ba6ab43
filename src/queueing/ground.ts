/** What a search under one policy stands on: which candidates there are, how long requests wait under them, and what a promise asks of them. */
import { promisedShare } from '../objective.ts';
import { SeededRandom } from '../random.ts';
import { AnalyticTables, type TablesOfOneWait } from './analytic-table.ts';
import type { ChoiceInput, ChoicePolicy } from './choice.ts';
import { arrivalTimesMs } from './generate-arrivals.ts';
import { isNegligible, type LatencyExtras, latencyCdf } from './latency.ts';
import type { MemoryOption, ServicePieces } from './memory-option.ts';
import { neverFalling, replayTable } from './replay.ts';
import { type Candidate, type Ground, reaches } from './search.ts';
import type { WaitTable } from './wait-table.ts';

/** 1 … 32, as far as a size was measured. */
const batchSizeMaxDefault = 32;
/** T = 2·250^(i/29) ms, i = 0 … 29: from 2 to 500 ms in equal ratios. */
const waitsMsDefault: readonly number[] = Array.from({ length: 30 }, (_, i) => 2 * 250 ** (i / 29));
/** Instants closer than this are the same: deadlines are differences of doubles. */
const sameInstantMs = 1e-9;
/** Arrivals that a process is played out for where the slack rule is planned without recorded ones. */
const playedArrivals = 5000;

/** A promise without an objective: everybody is in time. */
export interface Promised {
  readonly quantile: number;
  /** SLO′ = SLO − margin: within which the plan keeps the promise. */
  readonly limitMs: number;
  readonly extras: LatencyExtras;
}

export function promisedOf({ objective, marginMs, coldStart, overheadMs = 0 }: ChoiceInput): Promised {
  return {
    quantile: objective === null ? 0 : promisedShare(objective),
    limitMs: objective === null ? Number.POSITIVE_INFINITY : Math.max(0, objective.latencyMs - marginMs),
    extras: { overheadMs, coldStartProbability: coldStart.ms > 0 ? coldStart.probability : 0, coldStartMs: coldStart.ms },
  };
}

/** The policy that is followed: without an objective nobody is made to wait, unless the wait was given. */
export function policyInForce({ policy, objective }: ChoiceInput): ChoicePolicy {
  return objective === null && policy.kind !== 'fixed' ? { kind: 'none' } : policy;
}

export function groundFor(input: ChoiceInput, waits: Waits, promised: Promised): Ground {
  const policy = policyInForce(input);
  const fixed = policy.kind === 'fixed' ? { batchSizeMax: policy.batchSizeMax, waitMsMax: policy.waitMsMax } : null;
  const none = policy.kind === 'none' ? { batchSizeMax: 1, waitMsMax: 0 } : null;
  const given = fixed ?? none;
  return {
    batchSizeMin: given?.batchSizeMax ?? 1,
    batchSizeMax: given?.batchSizeMax ?? batchSizeMaxDefault,
    waitsMs: given !== null ? [given.waitMsMax] : policy.kind === 'slack' ? [null] : waitsMsDefault,
    quantile: promised.quantile,
    tableOf: (candidate) => waits.tableOf(candidate),
    costUsdPerMillion,
    shareInTime: (table, option) => shareInTime(table, option, promised),
  };
}

/** Wait tables of candidates, each T of the process made once. */
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

/** `costUsdPerMillion` of `cost.ts` from tabulated calls: a search asks it some thousand times. */
function costUsdPerMillion(table: WaitTable, { usdPerCall }: MemoryOption): number {
  let usdPerBatch = 0;
  for (let b = 1; b <= table.batchSizeMax; b++) usdPerBatch += (table.batchSizePmf[b] as number) * (usdPerCall[b] as number);
  return (1e6 * usdPerBatch) / table.meanBatch;
}

/**
 * F(SLO′), or a bound that decides: the lower one where it reaches the quantile, the upper one where even that does not.
 * Most candidates are far from the limit, and bounds cost a fraction of what the whole law of the service times does.
 */
export function shareInTime(table: WaitTable, option: MemoryOption, { quantile, limitMs, extras }: Promised): number {
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
    // Most are refused, so upper bounds come first, and first as if every batch took its shortest time.
    const rough = bound('fromMs', 1);
    if (!reaches(rough, quantile)) return rough;
    const upper = bound('fromMs', Number.POSITIVE_INFINITY);
    if (!reaches(upper, quantile)) return upper;
    const lower = bound('toMs', Number.POSITIVE_INFINITY);
    if (lower >= quantile) return lower;
  }
  return latencyCdf(table, option.service, limitMs, extras);
}

/**
 * (1/E[b])·Σ_b Σ_i share_i·H_b(x − s_i), with s_i one end of the i-th piece of the law of S(b): F(x) lies between those of both
 * ends. Of more than `piecesMax` pieces the last stands for all that follow.
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
