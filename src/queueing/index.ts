export { AnalyticTables, type TablesOfOneWait } from './analytic-table.ts';
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
} from './arrival-process.ts';
export { ChangePoint, calibratedThreshold, type DetectedChange } from './change-point.ts';
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
} from './choice.ts';
export { choose } from './choose.ts';
export { type Company, companyWaitMs } from './company-rule.ts';
export { compositeMeanMs, type PlanService, planBatch, type ServiceTime } from './composite-service.ts';
export { type MarginTarget, nextMarginMs } from './conformal-margin.ts';
export { type CallPrice, callUsd, costUsdPerMillion } from './cost.ts';
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
} from './dispatch-rule.ts';
export { type BatchSetting, exactBatchSizes, exactMeanWaitMs, exactTable } from './exact-model.ts';
export { type ChoiceResolution, explain, keepOrChange } from './explain.ts';
export { fitByLikelihood } from './fit-em.ts';
export { type FitTarget, fitMoments, processFromMoments } from './fit-moments.ts';
export { type ArrivalFit, type GapMoments, gapsForShape } from './gaps.ts';
export { arrivalTimesMs, type UniformSource } from './generate-arrivals.ts';
export { type ExpectedEnd, fillWithLate, LateShare, lateIn, lateRowsPerMs, type Promised, sizeInTime } from './late-rule.ts';
export { type LatencyExtras, latencyCdf, latencyQuantileMs, meanWaitMs } from './latency.ts';
export { OctaveGrid } from './octave-grid.ts';
export { paperCostUsdPerMillion, paperQuantileMs } from './paper-solver.ts';
export { neverFalling, type ReplayedBatch, type ReplayReason, replayBatches, replayTable } from './replay.ts';
export { AccuracyCredit, chooseRung, type HeldBack, type Rung, type RungChoice, type RungMoment } from './rung-rule.ts';
export { predictAtServers, type ServerGroup, type ServerPrediction } from './servers.ts';
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
export type { WaitPolicy, WaitTable } from './wait-table.ts';
export { type SingleServer, type WorkConservingWaits, workConservingWaits } from './work-conserving.ts';
