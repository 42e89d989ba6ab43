/** A simulated selection: which plans may answer a batch, what they would answer, and on which fleet. Plain data. */
import type { FunctionPrices } from '../../costs/index.ts';
import type { Objective } from '../../objective.ts';
import type { JudgedPlan, SelectableModel } from '../../selection/index.ts';
import type { Load } from '../load/load.ts';

/** A plan as the simulator needs it. */
export type SimulatedPlan = Pick<
  JudgedPlan,
  'name' | 'first' | 'second' | 'threshold' | 'accuracy' | 'batch' | 'rowsPerSecond' | 'fullMs' | 'escalated'
>;

/** A model, with its answers to the rows that arrive. */
export type SimulatedCandidate = Pick<SelectableModel, 'name' | 'predictions' | 'unsureness' | 'medianMs'>;

/** How a plan is chosen for each batch. */
export type ServingRule =
  /** Always the same one. */
  | { readonly kind: 'plan'; readonly plan: SimulatedPlan }
  /**
   * The most accurate rung under which every waiting request is in time. `floor`: with an accuracy, rungs below it are taken only from
   * credit; null if all rungs keep it.
   */
  | { readonly kind: 'ladder'; readonly rungs: readonly SimulatedPlan[]; readonly floor: number | null }
  /** One model for each instance, chosen again every 30 s. `plans`: the models alone. */
  | { readonly kind: 'periodic'; readonly plans: readonly SimulatedPlan[] };

/** Functions beside the instances of a selection. */
export interface SimulatedSelectionFunctions {
  readonly prices: FunctionPrices;
  readonly memoryMiB: number;
  /** From a request for an environment until it is ready; billed. */
  readonly coldMs: number;
  readonly keepAliveMs: number;
  /** Maximum rows of a call; null: a full batch of the plan. */
  readonly batchSizeMax: number | null;
}

/** The fleet of a simulated selection. */
export type SelectionFleet =
  | { readonly kind: 'fixed'; readonly instances: number }
  | {
      readonly kind: 'elastic';
      /** `hpa:70`, `economic` */
      readonly scaling: string;
      readonly leadMs: number;
      readonly instancesMin: number;
      readonly instancesMax: number;
      /** The plan that instances are sized for, and that functions run. */
      readonly sizedFor: SimulatedPlan;
      /** Null: none. */
      readonly functions: SimulatedSelectionFunctions | null;
    };

/** Everything that a simulation depends on. */
export interface SelectionSimulationSpec {
  /** Name of the result. */
  readonly policy: string;
  readonly load: Load;
  readonly objective: Objective;
  /** Time in addition to the service, in milliseconds. */
  readonly overheadMs: number;
  readonly usdPerInstanceHour: number;
  /** Right answers to the rows that arrive; each request is one of these rows, drawn at random. */
  readonly labels: Int32Array;
  readonly models: readonly SimulatedCandidate[];
  readonly serving: ServingRule;
  /** Of a ladder: the share of the answered rows that run again under its most accurate rung in idle time. Default: 0. */
  readonly shadowShare?: number;
  readonly fleet: SelectionFleet;
  readonly seed: number;
  readonly serviceSeed: number;
}

/** What a simulated selection did. */
export interface SelectionSimulationResult {
  readonly policy: string;
  readonly requests: number;
  /** Share of the requests that were answered within the objective. */
  readonly attainment: number;
  /** Share of right answers, late ones included. */
  readonly accuracy: number;
  /** Share of the requests that were answered rightly and in time. */
  readonly rightInTime: number;
  readonly costUsdPerMillion: number;
  readonly instanceUsd: number;
  readonly functionsUsd: number;
  /** Share of the requests that functions answered. */
  readonly overflowShare: number;
  readonly coldStarts: number;
  readonly p95Ms: number | null;
  /** Of the rows, by the plan that answered; the plans in order of their work. */
  readonly shares: readonly { readonly plan: string; readonly share: number }[];
}
