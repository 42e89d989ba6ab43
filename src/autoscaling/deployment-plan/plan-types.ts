/** Input and output of a deployment plan. Plain data, because it is passed between threads. */
import type { FunctionPrices } from '../../costs/index.ts';
import type { Objective } from '../../objective.ts';
import type { FunctionProfile, Profile } from '../../profiling/index.ts';
import type { AssumedTraffic } from './generated-load.ts';

/** Everything that a plan depends on, because the thread can look nothing up. */
export interface DeploymentPlanRequest {
  readonly objective: Objective;
  readonly traffic: AssumedTraffic;
  /** null: instances are not allowed or not measured. */
  readonly instance: { readonly name: string; readonly usdPerHour: number; readonly profile: Profile } | null;
  /** Profiles by memory size. If empty, functions are not allowed. */
  readonly functions: readonly FunctionProfile[];
  readonly functionPrices: FunctionPrices;
  /** Keeps one executor running without traffic: an instance, or a warm function if there are no instances. */
  readonly keepOne: boolean;
  /** null: no limit. */
  readonly usdPerHourMax: number | null;
  /** If true, also computes the lowest price for a range of objectives. */
  readonly wantsCurve: boolean;
}

/** A number of instances and a function setting, with the simulated results. */
export interface PlannedMixture {
  readonly instances: number;
  /** Maximum rows of an instance's batch; null without instances. */
  readonly instanceBatchSize: number | null;
  readonly functions: { readonly memoryMiB: number; readonly batchSizeMax: number; readonly concurrencyMax: number } | null;
  readonly p50Ms: number;
  readonly p95Ms: number;
  readonly p99Ms: number;
  /** Share of requests answered within the objective. */
  readonly inTime: number;
  /** Share of requests served by functions. */
  readonly overflowShare: number;
  /** Mean number of requests per function call; null without functions. */
  readonly meanFunctionBatch: number | null;
  /** Share of function calls that wait for a cold start. */
  readonly coldStartShare: number;
  readonly instanceUsdPerHour: number;
  readonly functionUsdPerHour: number;
  /** Why this mixture cannot be chosen, even if it is cheaper; null if it meets the objective within the limits. */
  readonly rejectedBecause: string | null;
}

/** Latency histogram: steps of equal width from 0. The last step is open-ended. */
export interface Distribution {
  readonly stepMs: number;
  readonly shares: readonly number[];
}

/** The lowest price that meets one objective. */
export interface CurvePoint {
  readonly latencyMs: number;
  /** null if no mixture meets this objective. */
  readonly usdPerHour: number | null;
}

/** The chosen mixture, with the distribution of its latencies. */
export interface ChosenMixture extends PlannedMixture {
  readonly distribution: Distribution;
}

/** The result of a plan, with all mixtures that were simulated. */
export interface DeploymentPlan {
  /** null if no mixture meets the objective within the limits. */
  readonly chosen: ChosenMixture | null;
  /** All simulated mixtures, including the chosen one: functions alone, both by number of instances, then instances alone. */
  readonly mixtures: readonly PlannedMixture[];
  /** Why nothing is chosen; null if something is. */
  readonly reason: string | null;
  /** The tightest reachable objective of this percentile; null if there is none or it was not searched for. */
  readonly nearestMs: number | null;
  /**
   * Prices from the tightest useful objective to the loosest one that still lowers the price, ascending; null if not requested.
   */
  readonly curve: readonly CurvePoint[] | null;
  /** Number of simulated mixtures. */
  readonly compared: number;
}
