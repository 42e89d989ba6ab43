/** How the plans of an endpoint were chosen: what was requested, and the decision in force. Stored with the variant that serves them. */
import type { SelectionGoal } from '../../selection/index.ts';

/** What a user requested of a selection. It is decided again from this when versions, evaluations or profiles change. */
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
  /** The share of the requests that are compared in idle time. Absent: `shadowShareDefault`. */
  readonly shadowShare?: number;
  /** Versions that labels showed to be worse than those they would replace: they are not tried again. Absent: none. */
  readonly demoted?: readonly string[];
}

/** Share of answered requests that run again under another plan, in idle time only. */
export const shadowShareDefault = 0.01;
/** The largest share that a request may have. */
export const shadowShareMax = 0.2;

/** `estimated`: measured accuracies were taken for true, or plans below the floor are allowed. */
export type SelectionState = 'certified' | 'estimated' | 'not-certified';

/** Which evidence the plans in force rest on, for views and for the next decision. */
export interface SelectionDecision {
  readonly state: SelectionState;
  readonly explanation: string;
  /** Of the set. */
  readonly sha256: string;
  readonly rows: number;
  /** Sequences of tests that share the error probability, all of the endpoint on such rows, and the smallest level of one. */
  readonly chains: number;
  readonly level: number | null;
  /** The sum of their levels: the probability that any certificate is wrong; null without certificates. */
  readonly errorTotal: number | null;
  readonly floorPlan: string;
  readonly topPlan: string;
  /** Candidates that cannot answer in place of the reference, with the reason. */
  readonly leftOut: readonly { readonly model: string; readonly reason: string }[];
  /** Epoch milliseconds. */
  readonly atMs: number;
}

/** The rows that are served are no longer those of the evaluation, so its certificates do not apply to them. */
export interface SelectionHold {
  /**
   * `escalation`: more rows go on to the second model than should; `agreement`: a plan disagrees on more rows with the most accurate
   * one than it should; `accuracy`: labels show that the floor is broken.
   */
  readonly cause: 'escalation' | 'agreement' | 'accuracy';
  readonly reason: string;
  /** Epoch milliseconds. */
  readonly atMs: number;
}

/** A variant with a selection has both: the request, and the decision that answered it last. */
export interface SelectionConfig {
  readonly request: SelectionRequestConfig;
  readonly decision: SelectionDecision;
  /** While it is held, nothing cheaper is chosen. */
  readonly held?: SelectionHold;
}
