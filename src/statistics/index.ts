export { binomialCdf, binomialPmf } from './binomial.ts';
export {
  type CascadeCounts,
  type Chain,
  cascadeCounter,
  certify,
  chainsOf,
  countOutcomes,
  type ModelOutcomes,
  type PlanTest,
  thresholds,
} from './certify.ts';
export { mcnemar, mcnemarTail, pairedBootstrap } from './compare.ts';
export { confidenceSequence, logEvidence } from './evidence.ts';
export { accuracyLowerBound, clopperPearson, type Interval, rowsNeeded } from './intervals.ts';
export { macroF1Interval } from './macro-f1.ts';
export {
  type CalibrationBin,
  type ClassificationScores,
  type ClassScores,
  calibrationBins,
  classificationScores,
  type RegressionScores,
  regressionScores,
  type ScoredRow,
  type ScoredRows,
  scoreRow,
} from './scores.ts';
