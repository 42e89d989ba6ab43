/** The record of a decision of kind `selection`: its inputs, the plans, the chosen ones and the reason. Pure. */
import { isSameLadder, type LadderConfig, type SelectedLadder, type SelectionConfig } from '../../deployment/index.ts';
import type { Objective } from '../../objective.ts';
import type { NewDecision } from '../../records/index.ts';
import type { JudgedPlan, SelectionGoal } from '../../selection/index.ts';
import { alternativesOf, type ExplainedPlan } from './explain-selection.ts';
import type { PlannedSelection, SelectionRequest } from './selection-planner.ts';

/** All that a selection was decided by. */
export interface SelectionInputs {
  readonly candidates: readonly string[];
  /** The candidate whose signature clients see. */
  readonly reference: string;
  readonly leftOut: readonly { readonly model: string; readonly reason: string }[];
  readonly set: { readonly name: string; readonly sha256: string; readonly rows: number };
  readonly goal: SelectionGoal;
  readonly floor: number | null;
  readonly confidence: number | null;
  readonly degradeTo: number | null;
  readonly objective: Objective;
  /** Rows per second. */
  readonly ratePerSecond: number;
  readonly instanceType: string;
  /** All tests for the endpoint on these rows; `errorTotal` is the sum of their levels. */
  readonly chains: number;
  readonly level: number | null;
  readonly errorTotal: number | null;
  readonly profiles: PlannedSelection['profiles'];
  /** Absent in decisions before it was recorded. */
  readonly price?: PlannedSelection['price'];
  /** The previous ladder; null if there was no selection. */
  readonly before: { readonly floorPlan: string; readonly ladder: readonly string[] } | null;
}

/** A plan that was considered, with what speaks for and against it. */
export type SelectionAlternative = Pick<
  ExplainedPlan,
  | 'name'
  | 'accuracy'
  | 'lower'
  | 'errors'
  | 'escalated'
  | 'pValue'
  | 'isCertified'
  | 'rowsPerSecond'
  | 'instances'
  | 'usdPerHour'
  | 'rejected'
>;

/** What was chosen, with its predicted effect. */
export interface ChosenSelection {
  readonly state: SelectionConfig['decision']['state'] | 'held';
  readonly floorPlan: string;
  readonly topPlan: string;
  /** From the cheapest to the most accurate plan, with their accuracies on the set. */
  readonly ladder: readonly { readonly plan: string; readonly accuracy: number }[];
  readonly loaded: readonly string[];
  readonly predicted: {
    /** For the floor plan and the top plan. */
    readonly accuracyMin: number;
    readonly accuracyMax: number;
    /** Null if the planner found no number of instances that keeps the objective. */
    readonly p95Ms: number | null;
    readonly usdPerHour: number;
    readonly usdPerMillion: number;
  };
}

/** Words for programs; the explanation of the decision is for people. */
export const selectionReasons = [
  'cheapest-certified',
  'cheapest-as-measured',
  'most-accurate-in-budget',
  'not-certified',
  'held',
  'model-missing',
  'model-loaded',
  'challenger-loaded',
  'challenger-promoted',
  'challenger-demoted',
  'unchanged',
] as const;
/** Why a decision was made. */
export type SelectionReason = (typeof selectionReasons)[number];

/** A decision, without its endpoint and its effect. */
export interface SelectionFindings {
  readonly inputs: Omit<SelectionInputs, 'before'>;
  readonly alternatives: readonly SelectionAlternative[];
  readonly chosen: ChosenSelection;
  readonly reason: Extract<SelectionReason, 'cheapest-certified' | 'cheapest-as-measured' | 'most-accurate-in-budget' | 'not-certified'>;
  readonly explanation: string;
}

/** Takes everything from its arguments, so the record says what the decision was based on and nothing newer. */
export function selectionFindings(planned: PlannedSelection, request: SelectionRequest, ladder: SelectedLadder): SelectionFindings {
  const { request: requested, decision } = ladder.selection;
  const { candidates, reference, goal, floor, confidence, degradeTo, ratePerSecond } = requested;
  const { set, chains, level, errorTotal, profiles, price } = planned;
  const { objective, instanceType } = request;
  const alternatives = alternativesOf(planned, request);
  return {
    inputs: {
      candidates,
      reference,
      leftOut: decision.leftOut,
      set: { name: set.name, sha256: set.sha256, rows: set.rows },
      goal,
      floor,
      confidence,
      degradeTo,
      objective,
      ratePerSecond,
      instanceType,
      chains,
      level,
      errorTotal,
      profiles,
      price,
    },
    alternatives: alternatives.map(alternativeOf),
    chosen: chosenOf(planned, ladder, ratePerSecond),
    reason: reasonOf(planned, request),
    explanation: `${decision.explanation}${nextText(planned, alternatives)}`,
  };
}

function alternativeOf(plan: ExplainedPlan): SelectionAlternative {
  const { name, accuracy, lower, errors, escalated, pValue, isCertified, rowsPerSecond, instances, usdPerHour, rejected } = plan;
  return { name, accuracy, lower, errors, escalated, pValue, isCertified, rowsPerSecond, instances, usdPerHour, rejected };
}

function chosenOf(
  { predicted, chosen, fallback }: PlannedSelection,
  { models, rungs, selection: { decision } }: SelectedLadder,
  ratePerSecond: number,
): ChosenSelection {
  const [floorPlan, topPlan] = chosen === null ? [fallback, fallback] : [chosen.floorPlan, chosen.topPlan];
  const usdPerHour = predicted === null ? floorPlan.usdPerHour : predicted.instanceUsdPerHour + predicted.functionUsdPerHour;
  return {
    state: decision.state,
    floorPlan: decision.floorPlan,
    topPlan: decision.topPlan,
    ladder: rungs.map(({ name, accuracy }) => ({ plan: name, accuracy })),
    loaded: models,
    predicted: {
      accuracyMin: floorPlan.accuracy,
      accuracyMax: topPlan.accuracy,
      p95Ms: predicted?.p95Ms ?? null,
      usdPerHour,
      usdPerMillion: (usdPerHour / (ratePerSecond * 3600)) * 1e6,
    },
  };
}

function reasonOf({ chosen }: PlannedSelection, { goal, confidence }: SelectionRequest): SelectionFindings['reason'] {
  if (chosen === null) return 'not-certified';
  if (goal.kind === 'most-accurate') return 'most-accurate-in-budget';
  return confidence === null ? 'cheapest-as-measured' : 'cheapest-certified';
}

/** The price of the choice, compared with the cheapest alternative. */
function nextText({ chosen }: PlannedSelection, alternatives: readonly ExplainedPlan[]): string {
  if (chosen === null) return '';
  const { floorPlan } = chosen;
  const price = ({ usdPerHour, instances }: JudgedPlan): string =>
    `$${usdPerHour.toFixed(4)} per hour (${instances} ${instances === 1 ? 'instance' : 'instances'})`;
  const [next] = alternatives
    .filter(({ isCertified, isFeasible, rejected, usdPerHour }) => {
      return isCertified && isFeasible && rejected !== null && usdPerHour >= floorPlan.usdPerHour;
    })
    .toSorted((a, b) => a.usdPerHour - b.usdPerHour || b.rank - a.rank);
  const against = next === undefined ? 'no other plan is certified' : `the next certified plan, ${next.name}, ${price(next)}`;
  return ` It costs ${price(floorPlan)}; ${against}.`;
}

interface SelectionRecord {
  readonly endpoint: string;
  readonly variant: string;
  /** `deploy`, `asked`, `release`. */
  readonly trigger: string;
  readonly before: LadderConfig | undefined;
  readonly now: LadderConfig;
}

const unmeasured = { unknown: 'it changed nothing: see the decision before it' };

/** The decision that is stored with a change of the ladder, or with a review that changed nothing. */
export function selectionDecision(findings: SelectionFindings, { endpoint, variant, trigger, before, now }: SelectionRecord): NewDecision {
  const changes = before === undefined || !isSameLadder(before, now);
  const served = before?.selection && { floorPlan: before.selection.decision.floorPlan, ladder: before.rungs.map(({ name }) => name) };
  return {
    kind: 'selection',
    endpoint,
    variant,
    trigger,
    inputs: { ...findings.inputs, before: served ?? null } satisfies SelectionInputs,
    alternatives: findings.alternatives,
    chosen: findings.chosen,
    reason: changes ? findings.reason : ('unchanged' satisfies SelectionReason),
    explanation: findings.explanation,
    changes,
    ...(changes ? {} : { effect: unmeasured }),
  };
}
