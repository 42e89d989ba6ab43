/** Input and output of a scaling decision. Plain data: can be stored, sent and replayed. */
import type { ScheduledFloor } from '../../deployment/index.ts';
import type { Objective } from '../../objective.ts';
import type { ForecastView } from './forecast-view.ts';

/** The cause of the decision. */
export type ScalingTrigger = 'period' | 'fast' | 'spot' | 'slo' | 'manual' | 'restore';

/** The executors that serve: instances alone, functions alone, or instances with functions for peaks. */
export type Regime = 'instances-only' | 'serverless-only' | 'hybrid';

/** Number of instances by type name; 0 for types that are absent. */
export type Plan = Readonly<Record<string, number>>;

/** An instance type: capacity, price, and current instances. */
export interface TypeObservation {
  readonly name: string;
  /** p: the billed price. */
  readonly usdPerHour: number;
  /** B: maximum rows per batch. */
  readonly batchSize: number;
  /** mu: requests per second of one instance with full batches; 0 until measured. */
  readonly ratePerSecond: number;
  /** True if the type can meet the objective. */
  readonly isFeasible: boolean;
  /** Why it cannot meet the objective: `type X cannot meet L ms: 2*s(1)+d = Y ms`. */
  readonly infeasibleBecause?: string;
  /** Milliseconds from launch request to first batch. */
  readonly leadMs: number;
  readonly active: number;
  /** Includes instances that are warming up. */
  readonly launching: number;
  readonly draining: number;
}

/** Functions that serve the requests which instances cannot finish in time. */
export interface OverflowObservation {
  /** c_f: US dollars for a call with one request. */
  readonly usdPerRequest: number;
  /** Cost per request if functions serve alone and batch. Default: `usdPerRequest`. */
  readonly usdPerRequestAlone?: number;
  /** Maximum number of warm environments. Default: only the limit of the policy. */
  readonly warmMax?: number;
  /** Why functions cannot meet the objective; absent if they can. */
  readonly infeasibleBecause?: string;
  /** Maximum total requests per second; absent if functions are unlimited. */
  readonly ratePerSecondMax?: number;
  /** Service time of one request. If present, the number of warm environments is limited to the need of the forecast. */
  readonly serviceMs?: number;
}

/** A budget per hour or month, with the remaining money and time. */
export interface Budget {
  readonly usdMax: number;
  readonly spentUsd: number;
  /** Milliseconds until the budget period ends. */
  readonly remainingMs: number;
}

/** Bounds on every plan. */
export interface ScalingLimits {
  /** Minimum number of instances of all types together. */
  readonly min: number;
  /** Why the minimum is not the configured one: zero is configured, but there was recent traffic. */
  readonly minBecause?: 'awake';
  /** Maximum number of instances of all types together; at most 1000. */
  readonly max: number;
  readonly budget?: Budget | null;
  readonly floors?: readonly ScheduledFloor[];
}

/** The queue of asynchronous requests. */
export interface BacklogObservation {
  /** Queued or running requests. */
  readonly requests: number;
  /** Age of the oldest of them. */
  readonly oldestMs: number;
  /** Target time from submission to completion. */
  readonly objectiveMs: number;
  /** Processing time of a request; null if unknown. */
  readonly workMs: number | null;
  /** Concurrent requests per instance. */
  readonly concurrency: number;
}

/** Request outcomes in one window of time. */
export interface RequestCounts {
  readonly requests: number;
  /** Requests that were late, failed, rejected, dropped or timed out. */
  readonly violations: number;
}

/** Request outcomes of the last minute, five minutes and hour. */
export interface SloWindows {
  readonly minute: RequestCounts;
  readonly fiveMinutes: RequestCounts;
  readonly hour: RequestCounts;
  /** Observed part of the hour in milliseconds; less than an hour soon after the start. */
  readonly watchedMs: number;
}

/** One memory size of a function, for the policy that uses functions alone. */
export interface FunctionSize {
  readonly memoryMiB: number;
  /** Service times by batch size: ascending in b from b = 1; linear in between. */
  readonly service: readonly { readonly b: number; readonly ms: number }[];
}

/** Memory sizes and prices of functions, for policy `batch`. */
export interface FunctionsObservation {
  readonly sizes: readonly FunctionSize[];
  readonly usdPerGbSecond: number;
  readonly usdPerInvocation: number;
}

/** The state of a variant at the time of a decision. */
export interface Observation {
  readonly trigger: ScalingTrigger;
  /** In order of preference: a policy for a single type uses the first feasible one. */
  readonly types: readonly TypeObservation[];
  /** null: there are no functions, or they are not allowed. */
  readonly overflow: OverflowObservation | null;
  readonly limits: ScalingLimits;
  readonly objective: Objective | null;
  /** Length of a forecast slot in milliseconds. */
  readonly slotMs: number;
  /** The forecast made after the last complete slot; null if there is none yet. */
  readonly forecast: ForecastView | null;
  /** Requests of the last complete slot; null if the slot has no count. */
  readonly lastCount: number | null;
  /** Total requests since counting began. Only decreases if the server restarts. */
  readonly arrivals: number;
  /** Total requests if `arrivals` counts rows. Default: `arrivals`. */
  readonly requests?: number;
  /** Integral of the requests in the system (waiting or running) over time since counting began, in request-milliseconds. */
  readonly concurrencyMs: number;
  /** Number of waiting rows. */
  readonly queue: number;
  /** Asynchronous requests; absent if the endpoint has none. */
  readonly backlog?: BacklogObservation | null;
  readonly slo?: SloWindows | null;
  /** Number of slots without a count in the forecaster's history. */
  readonly gaps?: number;
}

/** Why this plan was chosen. */
export type ScalingReason =
  | 'argmin' // it has the lowest cost
  | 'rule' // a policy that compares no costs
  | 'hold' // more instances paid off recently
  | 'replace' // old instances serve until their replacements are ready
  | 'min'
  | 'awake' // zero is allowed, but there was recent traffic
  | 'max'
  | 'budget'
  | 'schedule'
  | 'slo-floor'
  | 'fast'
  | 'spot'
  | 'no-forecast'
  | 'no-measurement'
  | 'infeasible';

/** Expected cost of a plan. */
export interface PlanCost {
  /** US dollars per slot, like all costs here. */
  readonly instanceUsd: number;
  /** Cost of starts per slot, spread over ten minutes. */
  readonly launchUsd: number;
  /** Expected requests per slot beyond the capacity of the instances. */
  readonly expectedOverflow: number;
  readonly overflowUsd: number;
  readonly totalUsd: number;
}

/** A plan that was compared with others, and its expected cost. */
export interface ScalingAlternative extends PlanCost {
  readonly plan: Plan;
  /** The limit that excludes this plan; null if none does. */
  readonly excludedBy: ScalingReason | null;
}

/** Batch setting of functions under a serverless-only policy. */
export interface FunctionChoice {
  readonly memoryMiB: number;
  readonly batchSizeMax: number;
  readonly waitMsMax: number;
  readonly expectedUsdPerRequest: number;
}

/** Number of instances of all types together. */
export function planTotal(plan: Plan): number {
  let total = 0;
  for (const name in plan) total += plan[name] as number;
  return total;
}

/** True if both plans have the same count of each type; an absent type counts as 0. */
export function isSamePlan(left: Plan, right: Plan): boolean {
  return Object.keys({ ...left, ...right }).every((name) => (left[name] ?? 0) === (right[name] ?? 0));
}
