/** Input and output of `choose`: plain data, so it can run in another thread. */
import type { ArrivalProcess } from '../arrivals/arrival-process.ts';
import type { WaitPolicy, WaitTable } from '../waits/wait-table.ts';
import type { CallPrice } from './cost.ts';

/**
 * How batches for functions are formed. `slack`: by the slack rule. `batch`, `batch-paper`: with a fixed B and T, chosen by the
 * exact model or by the published approximation. `fixed`: with a configured B and T. `none`: no batching.
 */
export type ChoicePolicy =
  | { readonly kind: 'slack' | 'batch' | 'batch-paper' | 'none' }
  | { readonly kind: 'fixed'; readonly batchSizeMax: number; readonly waitMsMax: number };

/** A setting of functions: memory size, batch size and wait. */
export interface BatchSettings {
  readonly memoryMiB: number;
  /** B, in rows. */
  readonly batchSizeMax: number;
  /** T; null if the slack rule decides how long to wait. */
  readonly waitMsMax: number | null;
}

/** Measurements with one batch size. */
export interface ProfilePoint {
  readonly batchSize: number;
  /** Service times in any order; a single value stands for a constant time. */
  readonly serviceMs: readonly number[];
  /** Peak memory use. */
  readonly peakMemoryMiB: number;
  /** S_q(b) as used by the buffer, if it differs from the nearest rank of the times: small samples get a safety margin. */
  readonly dispatchMs?: number;
}

/** Service times on functions of one memory size. A point for one row always exists. */
export interface MemoryProfile {
  readonly memoryMiB: number;
  readonly points: readonly ProfilePoint[];
}

/** All that a choice depends on. Stored with the decision, so a choice can be repeated and explained later. */
export interface ChoiceInput {
  readonly policy: ChoicePolicy;
  /** The memory sizes to choose from. */
  readonly profiles: readonly MemoryProfile[];
  readonly price: CallPrice;
  /** `percentile` percent of all requests within `latencyMs`. null: no objective, so no request is delayed. */
  readonly objective: { readonly percentile: number; readonly latencyMs: number } | null;
  /** Subtracted from the objective. */
  readonly marginMs: number;
  readonly coldStart: { readonly probability: number; readonly ms: number };
  /** Time for network, decoding and encoding, unless service times include it. */
  readonly overheadMs?: number;
  /**
   * The latest arrivals (one time per row, milliseconds of any clock), and a process fitted to them or to a forecast. The slack
   * rule prefers the recorded arrivals; fixed waits prefer the process. If one is missing, the other is used instead.
   */
  readonly arrivals: { readonly recordedMs: Float64Array; readonly process: ArrivalProcess | null };
  /** The setting in force; null if there is none yet. */
  readonly current: BatchSettings | null;
}

/** Predicted latency and cost of a setting. Latencies include overhead and cold starts. */
export interface SettingPrediction {
  readonly p50Ms: number;
  readonly p95Ms: number;
  readonly p99Ms: number;
  /** Share of requests answered within the objective itself (no margin subtracted); 1 without an objective. */
  readonly withinSlo: number;
  readonly meanBatch: number;
  readonly costUsdPerMillion: number;
}

/** The part that an alternative has in the explanation of a choice. */
export type AlternativeLabel = 'chosen' | 'current' | 'no-batching' | 'runner-up' | 'cheapest-infeasible' | 'fastest';

/** A setting that was considered, with its prediction. */
export interface Alternative extends BatchSettings {
  readonly label: AlternativeLabel;
  readonly policy: WaitPolicy;
  readonly predicted: SettingPrediction;
  /** Whether the objective minus the margin is met. */
  readonly feasible: boolean;
  /** null for the chosen alternative. */
  readonly rejectedBecause: string | null;
}

/** The result of a choice: the setting, its prediction, and the alternatives it was compared with. */
export interface Chosen {
  readonly kind: 'chosen';
  /**
   * `slo-unreachable`: no candidate meets the objective, and `chosen` comes closest. `given`: the setting is configured.
   * `approximation`: `chosen` is the cheapest according to the published approximation; its prediction tells whether it meets the
   * objective.
   */
  readonly reason: 'cheapest' | 'slo-unreachable' | 'no-objective' | 'given' | 'approximation';
  readonly chosen: Alternative;
  /** By how much the latency at the percentile exceeds the objective minus the margin; 0 if it is met. */
  readonly missesByMs: number;
  /** The chosen alternative comes first. `current` and `no-batching` are included if they can be predicted. */
  readonly alternatives: readonly Alternative[];
  /** The rejected alternative closest below the cost of the chosen one; null if none is cheaper. */
  readonly nextCheaper: Alternative | null;
  /**
   * Number of candidates considered, evaluated, and feasible. Latency is evaluated only for candidates that are cheaper than the
   * best so far. Feasible candidates meet the objective.
   */
  readonly candidates: { readonly considered: number; readonly evaluated: number; readonly feasible: number };
  readonly source: WaitTable['source'];
  /** Further notes for the reader: excluded sizes, service times that do not depend on memory. */
  readonly notes: readonly string[];
}

/** The model needs more memory than any size offers. */
export interface NothingFits {
  readonly kind: 'nothing-fits';
  readonly neededMiB: number;
  readonly largestMiB: number;
}

/** `NothingFits` is an answer, not an error: no memory size can run the model. */
export type BatchChoiceResult = Chosen | NothingFits;
