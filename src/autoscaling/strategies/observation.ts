/** What a scaling decision is made from, and what it holds. All of it is plain data: it can be kept, sent and replayed. */
import type { ScheduledFloor } from '../../deployment/index.ts';
import type { Objective } from '../../objective.ts';
import type { ForecastView } from './forecast-view.ts';

/** Why it is decided now. */
export type ScalingTrigger = 'period' | 'fast' | 'spot' | 'slo' | 'manual' | 'restore';

/** Who serves: instances alone, functions alone, or instances with functions for what comes on top. */
export type Regime = 'instances-only' | 'serverless-only' | 'hybrid';

/** How many instances of each type, by its name; types that are left out have none. */
export type Plan = Readonly<Record<string, number>>;

/** A type of instance: what one of it can do, costs, and how many there are. */
export interface TypeObservation {
  readonly name: string;
  /** p, as it is charged. */
  readonly usdPerHour: number;
  /** B: rows it takes at once. */
  readonly batchSize: number;
  /** mu: requests per second of one that always has a full batch; 0 while nothing was measured. */
  readonly ratePerSecond: number;
  /** Whether the objective can be kept by it at all. */
  readonly isFeasible: boolean;
  /** Why it cannot: `type X cannot meet L ms: 2*s(1)+d = Y ms`. */
  readonly infeasibleBecause?: string;
  /** From the wish to the first batch. */
  readonly leadMs: number;
  readonly active: number;
  /** Also those that are being warmed. */
  readonly launching: number;
  readonly draining: number;
  /** Where it is a spot type: how often it is taken away, and for how long it is missing then. */
  readonly spot?: {
    readonly interruptionsPerHour: number;
    readonly recoveryMs: number;
    /** What replaces it. */
    readonly onDemand: string;
  };
}

/** Functions that take what instances cannot finish in time. */
export interface OverflowObservation {
  /** c_f: one request, sent by itself. */
  readonly usdPerRequest: number;
  /** The same where functions serve alone, and wait for company; `usdPerRequest` unless given. */
  readonly usdPerRequestAlone?: number;
  /** So many environments may be kept warm; as many as the rule says unless given. */
  readonly warmMax?: number;
  /** Why functions cannot keep the objective, where that is so. */
  readonly infeasibleBecause?: string;
  /** What all of them together finish, where their number is limited. */
  readonly ratePerSecondMax?: number;
  /** What a function takes for one request; with it no more are kept warm than the forecast asks for. */
  readonly serviceMs?: number;
}

/** Money for a stretch of time, an hour or a month, and what is left of both. */
export interface Budget {
  readonly usdMax: number;
  readonly spentUsd: number;
  /** Until the stretch is over. */
  readonly remainingMs: number;
}

export interface ScalingLimits {
  /** Instances of all types together. */
  readonly min: number;
  /** Where the minimum is not the configured one: somebody asked a short while ago, where there may be none. */
  readonly minBecause?: 'awake';
  /** At most 1000. */
  readonly max: number;
  readonly budget?: Budget | null;
  readonly floors?: readonly ScheduledFloor[];
}

export interface RequestCounts {
  readonly requests: number;
  /** Late, failed, rejected, dropped or timed out. */
  readonly violations: number;
}

/** What came of the requests of the last minute, the last five and the last hour. */
export interface SloWindows {
  readonly minute: RequestCounts;
  readonly fiveMinutes: RequestCounts;
  readonly hour: RequestCounts;
  /** How much of that hour was watched: less than all of it soon after the beginning. */
  readonly watchedMs: number;
}

/** One memory size of a function, for the policy that serves by functions alone. */
export interface FunctionSize {
  readonly memoryMiB: number;
  /** Rising in b, the first b = 1; linear in between. */
  readonly service: readonly { readonly b: number; readonly ms: number }[];
}

export interface FunctionsObservation {
  readonly sizes: readonly FunctionSize[];
  readonly usdPerGbSecond: number;
  readonly usdPerInvocation: number;
}

export interface Observation {
  readonly trigger: ScalingTrigger;
  /** In the order of preference: a rule that knows one type only takes the first that is feasible. */
  readonly types: readonly TypeObservation[];
  /** null: there are no functions, or they may not be used. */
  readonly overflow: OverflowObservation | null;
  readonly limits: ScalingLimits;
  readonly objective: Objective | null;
  /** Length of a forecast's slot. */
  readonly slotMs: number;
  /** Made after the last whole slot was counted; null where there is none yet. */
  readonly forecast: ForecastView | null;
  /** Requests of the last whole slot; null where nobody counted. */
  readonly lastCount: number | null;
  /** Requests that have arrived since counting began: it only rises, but for a restart. */
  readonly arrivals: number;
  /** The same counted as requests where `arrivals` counts rows; `arrivals` unless given. */
  readonly requests?: number;
  /** Requests in the system (waiting or running), integrated over time since counting began, in milliseconds. */
  readonly concurrencyMs: number;
  /** Rows that wait now. */
  readonly queue: number;
  readonly slo?: SloWindows | null;
  /** Slots without a count in what the forecaster remembers. */
  readonly gaps?: number;
  /** With trigger `spot`: instances that will be taken away, by type. */
  readonly notices?: Plan;
  /** For `static`: requests per second of the busiest minute. */
  readonly peakRatePerSecond?: number;
  /** For `oracle`: the arrivals of each of the next seconds. */
  readonly future?: readonly number[];
  /** For `batch`. */
  readonly functions?: FunctionsObservation;
}

/** Why this plan and no other. */
export type ScalingReason =
  | 'argmin' // it costs least
  | 'rule' // the strategy's own rule, which knows no cost
  | 'hold' // more than is worth it now was worth it just before
  | 'replace' // those that will be given up serve until what replaces them is ready
  | 'min'
  | 'awake' // there may be none, and somebody asked a short while ago
  | 'max'
  | 'budget'
  | 'schedule'
  | 'slo-floor'
  | 'fast'
  | 'spot'
  | 'no-forecast'
  | 'no-measurement'
  | 'infeasible';

export interface PlanCost {
  /** Per slot, as all of these. */
  readonly instanceUsd: number;
  /** What starting costs, spread over ten minutes. */
  readonly launchUsd: number;
  /** Requests. */
  readonly expectedOverflow: number;
  readonly overflowUsd: number;
  readonly totalUsd: number;
}

export interface ScalingAlternative extends PlanCost {
  readonly plan: Plan;
  /** What forbids it; null where nothing does. */
  readonly excludedBy: ScalingReason | null;
}

/** How the functions of a serverless-only policy take requests. */
export interface FunctionChoice {
  readonly memoryMiB: number;
  readonly batchSizeMax: number;
  readonly waitMsMax: number;
  readonly expectedUsdPerRequest: number;
}

export function planTotal(plan: Plan): number {
  let total = 0;
  for (const name in plan) total += plan[name] as number;
  return total;
}

export function isSamePlan(left: Plan, right: Plan): boolean {
  return Object.keys({ ...left, ...right }).every((name) => (left[name] ?? 0) === (right[name] ?? 0));
}
