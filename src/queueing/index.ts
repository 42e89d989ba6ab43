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
export { type Change, ChangePoint, calibratedThreshold } from './change-point.ts';
export {
  type Alternative,
  type AlternativeLabel,
  type Choice,
  type ChoiceInput,
  type ChoicePolicy,
  type Chosen,
  type MemoryProfile,
  type NothingFits,
  type Prediction,
  type ProfilePoint,
  type Setting,
} from './choice.ts';
export { choose } from './choose.ts';
export { type MarginTarget, nextMarginMs } from './conformal-margin.ts';
export { type CallPrice, callUsd, costUsdPerMillion } from './cost.ts';
export {
  type ArrivalEffect,
  type CloseReason,
  type HoldPolicy,
  isOverdue,
  leavesAtMs,
  type OpenBatch,
  predictCompletionMs,
  priorityShiftMs,
  residualMs,
  type Server,
  take,
  type Waiting,
  whenArrives,
} from './dispatch-rule.ts';
export { type BatchSetting, exactBatchSizes, exactMeanWaitMs, exactTable } from './exact-model.ts';
export { explain, keepOrChange, type Resolution } from './explain.ts';
export { fitByLikelihood } from './fit-em.ts';
export { type FitTarget, fitMoments, processFromMoments } from './fit-moments.ts';
export { type ArrivalFit, type GapMoments, gapsForShape } from './gaps.ts';
export { arrivalTimesMs, type UniformSource } from './generate-arrivals.ts';
export { type LatencyExtras, latencyCdf, latencyQuantileMs, meanWaitMs } from './latency.ts';
export { OctaveGrid } from './octave-grid.ts';
export { paperCostUsdPerMillion, paperQuantileMs } from './paper-solver.ts';
export { neverFalling, type ReplayedBatch, type ReplayReason, replayBatches, replayTable } from './replay.ts';
export { predictAtServers, type ServerGroup, type ServerPrediction } from './servers.ts';
export {
  empiricalService,
  type FixedService,
  fixedService,
  longestServiceMs,
  meanBilledMs,
  type RandomService,
  type ServiceLaw,
  type ServiceSamples,
} from './service-law.ts';
export { type Simulated, type SimulatedBatch, type SimulatedExecutors, simulateBatching } from './simulate-batching.ts';
export type { WaitPolicy, WaitTable } from './wait-table.ts';
export { type SingleServer, type WorkConservingWaits, workConservingWaits } from './work-conserving.ts';
