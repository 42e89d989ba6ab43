export type { CandidateView, Comparison, EvaluationState, EvaluationView, StoredOutcomes } from './evaluation.ts';
export { artifactKeyOf, candidatesMax } from './evaluation.ts';
export {
  type EvaluationMetric,
  type EvaluationSet,
  evaluationMetrics,
  type SetFormat,
  type SetView,
  setBytesMax,
  setRowsMax,
  setRowsMin,
} from './evaluation-set.ts';
export { Evaluations, type EvaluationsOptions } from './evaluations.ts';
export type { ClassificationQuality, ModelQuality, RegressionQuality } from './model-quality.ts';
export { openEvaluations } from './open-evaluations.ts';
export { type ListedQualityReport, type QualityReport, QualityReports } from './quality-reports.ts';
export type { Challengers } from './selection/challengers.ts';
export { alternativesOf, type ExplainedPlan, explainedPlans, explanationOf } from './selection/explain-selection.ts';
export { floorEvidence, type MeasuredAccuracy, type SelectionQuality } from './selection/hold-selection.ts';
export { type LadderPlanner, type LadderRequest, type PlannedLadder, selectionRateDefault } from './selection/ladder-planner.ts';
export { openSelections } from './selection/open-selections.ts';
export {
  type ChosenSelection,
  type SelectionAlternative,
  type SelectionFindings,
  type SelectionInputs,
  selectionReasons,
} from './selection/selection-decision.ts';
export type { SelectionEffect } from './selection/selection-effects.ts';
export type { EvidenceRulings } from './selection/selection-evidence.ts';
export { type SelectionPlanner, workerKeyOf } from './selection/selection-planner.ts';
export type { SelectionRecorder, SelectionRecording } from './selection/selection-recorder.ts';
export { requireSelection, type SelectionReview } from './selection/selection-review.ts';
export type { SelectionWatch } from './selection/selection-watch.ts';
export type { ModelAnswers, SetAnswers } from './stored-answers.ts';
