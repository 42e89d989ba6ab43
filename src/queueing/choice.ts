/** What is asked of `choose`, and what it answers. Plain data both ways, so that it can be asked in another thread. */
import type { ArrivalProcess } from './arrival-process.ts';
import type { CallPrice } from './cost.ts';
import type { WaitPolicy, WaitTable } from './wait-table.ts';

/** How batches for functions are to be formed: by the slack rule, by a fixed B and T (chosen by the exact model, by the published approximation, or given), or not at all. */
export type ChoicePolicy =
  | { readonly kind: 'slack' | 'batch' | 'batch-paper' | 'none' }
  | { readonly kind: 'fixed'; readonly batchSizeMax: number; readonly waitMsMax: number };

export interface Setting {
  readonly memoryMiB: number;
  /** B, in rows. */
  readonly batchSizeMax: number;
  /** T; null where the slack rule says how long to wait. */
  readonly waitMsMax: number | null;
}

/** What was measured with batches of one size. */
export interface ProfilePoint {
  readonly batchSize: number;
  /** Service times in any order; a single one stands for a time that never varies. */
  readonly serviceMs: readonly number[];
  /** The most memory that was in use. */
  readonly peakMemoryMiB: number;
  /** S_q(b) as the buffer takes it, where that is not the nearest rank of the times: it guards small samples. */
  readonly dispatchMs?: number;
}

/** Service times in functions of one memory size. The point of one row is always there. */
export interface MemoryProfile {
  readonly memoryMiB: number;
  readonly points: readonly ProfilePoint[];
}

export interface ChoiceInput {
  readonly policy: ChoicePolicy;
  /** The memory sizes to choose from. */
  readonly profiles: readonly MemoryProfile[];
  readonly price: CallPrice;
  /** `percentile` percent of all requests within `latencyMs`; null: nothing is promised, so nobody waits. */
  readonly objective: { readonly percentile: number; readonly latencyMs: number } | null;
  /** What is held back of the objective. */
  readonly marginMs: number;
  readonly coldStart: { readonly probability: number; readonly ms: number };
  /** Network, decoding, encoding, where the service times do not hold them already. */
  readonly overheadMs?: number;
  /**
   * The latest arrivals, one for each row, in milliseconds of any clock, and the process that describes them or a forecast.
   * The slack rule looks at the recorded ones if there are any, fixed waits at the process. One is made of the other where it is missing.
   */
  readonly arrivals: { readonly recordedMs: Float64Array; readonly process: ArrivalProcess | null };
  /** The setting in force; null where there is none yet. */
  readonly current: Setting | null;
}

export interface Prediction {
  readonly p50Ms: number;
  readonly p95Ms: number;
  readonly p99Ms: number;
  /** The share of requests answered within the objective, the margin not held back; 1 without an objective. */
  readonly withinSlo: number;
  readonly meanBatch: number;
  readonly costUsdPerMillion: number;
}

export type AlternativeLabel = 'chosen' | 'current' | 'no-batching' | 'runner-up' | 'cheapest-infeasible' | 'fastest';

export interface Alternative extends Setting {
  readonly label: AlternativeLabel;
  readonly policy: WaitPolicy;
  readonly predicted: Prediction;
  /** Whether the promise is kept with the margin held back. */
  readonly feasible: boolean;
  /** null for the chosen one. */
  readonly rejectedBecause: string | null;
}

export interface Chosen {
  readonly kind: 'chosen';
  /**
   * `slo-unreachable`: no candidate keeps the promise, `chosen` breaks it least. `approximation`: the published one takes it for
   * the cheapest; whether it keeps the promise, the prediction says.
   */
  readonly reason: 'cheapest' | 'slo-unreachable' | 'no-objective' | 'given' | 'approximation';
  readonly chosen: Alternative;
  /** By how much the promised percentile is over the objective, the margin held back; 0 where the promise is kept. */
  readonly missesByMs: number;
  /** The chosen one first. `current` and `no-batching` are there whenever they can be predicted. */
  readonly alternatives: readonly Alternative[];
  /** The nearest cheaper one that was refused; null where nothing was cheaper. */
  readonly nextCheaper: Alternative | null;
  /** Candidates of the grid; those whose latency was looked at, as the others were dearer than one that keeps the promise; and those of them that keep it. */
  readonly candidates: { readonly considered: number; readonly evaluated: number; readonly feasible: number };
  readonly source: WaitTable['source'];
  /** What else a reader should know: sizes that were left out, service times that do not depend on memory. */
  readonly notes: readonly string[];
}

/** The model needs more memory than any size offers. */
export interface NothingFits {
  readonly kind: 'nothing-fits';
  readonly neededMiB: number;
  readonly largestMiB: number;
}

export type Choice = Chosen | NothingFits;
