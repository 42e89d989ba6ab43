export {
  type ArrivalProcess,
  type ArrivalStatistics,
  arrivalRatePerSecond,
  arrivalStatistics,
  atRate,
  lagCorrelation,
  markovian,
  mmpp2,
  poisson,
  type SwitchingRates,
} from './arrivals/arrival-process.ts';
export { ChangePoint, calibratedThreshold, type DetectedChange } from './arrivals/change-point.ts';
export { fitByLikelihood } from './arrivals/fit-em.ts';
export { type FitTarget, fitMoments, processFromMoments } from './arrivals/fit-moments.ts';
export { type ArrivalFit, type GapMoments, gapsForShape } from './arrivals/gaps.ts';
export { arrivalTimesMs, type UniformSource } from './arrivals/generate-arrivals.ts';
export { compositeMeanMs, compositeQuantileMs, type PlanService, planBatch, type ServiceTime } from './composite-service.ts';
export { type LatencyExtras, latencyCdf, latencyQuantileMs, meanWaitMs } from './latency.ts';
export { neverFalling, type ReplayedBatch, type ReplayReason, replayBatches, replayTable } from './replay.ts';
export { type Company, companyWaitMs } from './rules/company-rule.ts';
export { type MarginTarget, nextMarginMs } from './rules/conformal-margin.ts';
export {
  type ArrivalEffect,
  type CloseReason,
  type HoldPolicy,
  isOverdue,
  leavesAtMs,
  type OpenBatch,
  onArrival,
  predictCompletionMs,
  priorityShiftMs,
  residualMs,
  type Server,
  takeBatch,
  type Waiting,
} from './rules/dispatch-rule.ts';
export {
  type ExpectedEnd,
  fillWithLate,
  LateShare,
  lateIn,
  lateRowsPerMs,
  type Promised,
  safeUnderOverload,
  sizeInTime,
} from './rules/late-rule.ts';
export {
  AccuracyCredit,
  chooseRung,
  type HeldBack,
  type NextArrival,
  type Rung,
  type RungChoice,
  type RungMoment,
} from './rules/rung-rule.ts';
export { type IdleMoment, shadowWaitMs } from './rules/shadow-rule.ts';
export {
  type Alternative,
  type AlternativeLabel,
  type BatchChoiceResult,
  type BatchSettings,
  type ChoiceInput,
  type ChoicePolicy,
  type Chosen,
  type MemoryProfile,
  type NothingFits,
  type ProfilePoint,
  type SettingPrediction,
} from './search/choice.ts';
export { choose } from './search/choose.ts';
export { type CallPrice, callUsd, costUsdPerMillion } from './search/cost.ts';
export { type ChoiceResolution, explain, keepOrChange } from './search/explain.ts';
export { paperCostUsdPerMillion, paperQuantileMs } from './search/paper-solver.ts';
export {
  empiricalService,
  type FixedService,
  fixedService,
  longestServiceMs,
  meanBilledMs,
  type RandomService,
  type ServiceDistribution,
  type ServiceSamples,
} from './service-law.ts';
export { type Simulated, type SimulatedBatch, type SimulatedExecutors, simulateBatching } from './simulate-batching.ts';
export { AnalyticTables, type TablesOfOneWait } from './waits/analytic-table.ts';
export { type BatchSetting, exactBatchSizes, exactMeanWaitMs, exactTable } from './waits/exact-model.ts';
export { OctaveGrid } from './waits/octave-grid.ts';
export { predictAtServers, type ServerGroup, type ServerPrediction } from './waits/servers.ts';
export type { WaitPolicy, WaitTable } from './waits/wait-table.ts';
export { type SingleServer, type WorkConservingWaits, workConservingWaits } from './waits/work-conserving.ts';
