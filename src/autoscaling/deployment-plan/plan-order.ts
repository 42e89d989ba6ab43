/** What a deployment is planned from, and what the plan says. Plain data both ways: it goes to a thread and comes back. */
import type { FunctionPrices } from '../../costs/index.ts';
import type { Objective } from '../../objective.ts';
import type { FunctionProfile, Profile } from '../../profiling/index.ts';
import type { AssumedTraffic } from './played-load.ts';

export interface DeploymentOrder {
  readonly objective: Objective;
  readonly traffic: AssumedTraffic;
  /** null: none may be used, or nothing is known of it. */
  readonly instance: { readonly name: string; readonly usdPerHour: number; readonly profile: Profile } | null;
  /** By memory size; none may be used where it is empty. */
  readonly functions: readonly FunctionProfile[];
  readonly functionPrices: FunctionPrices;
  /** Kept without traffic: an instance, or a warm function where there are no instances. */
  readonly keepOne: boolean;
  /** null: no limit. */
  readonly usdPerHourMax: number | null;
  /** Whether the cheapest price of every objective is wanted too. */
  readonly wantsCurve: boolean;
}

export interface PlannedMixture {
  readonly instances: number;
  /** Rows that an instance takes at once; null without instances. */
  readonly instanceBatchSize: number | null;
  readonly functions: { readonly memoryMiB: number; readonly batchSizeMax: number; readonly concurrencyMax: number } | null;
  readonly p50Ms: number;
  readonly p95Ms: number;
  readonly p99Ms: number;
  /** Share of the requests within the objective. */
  readonly inTime: number;
  /** Share of the requests that functions answer. */
  readonly overflowShare: number;
  /** Requests in a call of a function, in the mean; null without functions. */
  readonly meanFunctionBatch: number | null;
  /** Share of the functions' calls that wait for a start. */
  readonly coldStartShare: number;
  readonly instanceUsdPerHour: number;
  readonly functionUsdPerHour: number;
  /** Why it is not chosen though it may be cheaper; null where it keeps the objective within the limits. */
  readonly rejectedBecause: string | null;
}

/** How many of the requests take how long: equal steps from 0, the last one open. */
export interface Distribution {
  readonly stepMs: number;
  readonly shares: readonly number[];
}

export interface CurvePoint {
  readonly latencyMs: number;
  /** null where no mixture keeps it. */
  readonly usdPerHour: number | null;
}

export interface ChosenMixture extends PlannedMixture {
  readonly distribution: Distribution;
}

export interface DeploymentPlan {
  /** null where nothing keeps the objective within the limits. */
  readonly chosen: ChosenMixture | null;
  /** The chosen one among them: functions alone, then by instances, then instances alone. */
  readonly mixtures: readonly PlannedMixture[];
  /** Why nothing is chosen; null otherwise. */
  readonly reason: string | null;
  /** The tightest objective of this percentile that could be kept; null where none can, or where it was not looked for. */
  readonly nearestMs: number | null;
  /** From the tightest that makes sense to the loosest that still changes anything, rising; null where it is not wanted. */
  readonly curve: readonly CurvePoint[] | null;
  /** How many mixtures were played out. */
  readonly compared: number;
}
