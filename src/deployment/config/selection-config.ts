/** How the plans of an endpoint were chosen: what was requested, and the decision in force. Stored with the variant that serves them. */
import type { SelectionGoal } from '../../selection/index.ts';

export interface SelectionRequestConfig {
  /** Groups, of which the latest Approved version is a candidate, or versions. */
  readonly candidates: readonly string[];
  /** The candidate whose signature clients see. */
  readonly reference: string;
  /** The evaluation set that proves the plans. */
  readonly set: string;
  readonly goal: SelectionGoal;
  /** The accuracy to keep; null only with a budget. */
  readonly floor: number | null;
  /** With what probability all certified plans keep the floor; null: measured accuracies are taken for true. */
  readonly confidence: number | null;
  /** Plans down to this accuracy are taken from accuracy credit; null: none below the floor. */
  readonly degradeTo: number | null;
  /** The load that plans were priced at, rows per second. */
  readonly ratePerSecond: number;
}

/** `estimated`: measured accuracies were taken for true, or plans below the floor are allowed. */
export type SelectionState = 'certified' | 'estimated' | 'not-certified';

export interface SelectionDecision {
  readonly state: SelectionState;
  readonly explanation: string;
  /** Of the set. */
  readonly sha256: string;
  readonly rows: number;
  /** Sequences of tests that share the error probability, and the level of each. */
  readonly chains: number;
  readonly level: number | null;
  readonly floorPlan: string;
  readonly topPlan: string;
  /** Candidates that cannot answer in place of the reference, with the reason. */
  readonly leftOut: readonly { readonly model: string; readonly reason: string }[];
  /** Epoch milliseconds. */
  readonly atMs: number;
}

export interface SelectionConfig {
  readonly request: SelectionRequestConfig;
  readonly decision: SelectionDecision;
}
