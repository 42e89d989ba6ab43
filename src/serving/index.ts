export { BytesExchange } from './exchange/bytes-exchange.ts';
export { FormattedSink } from './exchange/formatted-sink.ts';
export { type ClosingResponse, type ExchangeDeps, InferenceExchange } from './exchange/inference-exchange.ts';
export { asyncRows, type InvocationPart, invokeParts, type PartReceiver, partsOf, realTimeRows } from './exchange/invoke-parts.ts';
export { requestRowsMax } from './exchange/invoke-whole.ts';
export { ModelPlans } from './exchange/model-plans.ts';
export { PartTexts } from './exchange/part-texts.ts';
export { releaseResult } from './exchange/release-result.ts';
export { RowsExchange } from './exchange/rows-exchange.ts';
export type { PoolSettings, PoolWorker } from './executor-pool.ts';
export type { FunctionSetting } from './functions/function-setting.ts';
export type { FunctionsView, FunctionVariant } from './functions/function-variant.ts';
export type { PeriodMeasure } from './functions/period.ts';
export type { Home } from './home.ts';
export { minimumMarginMs } from './instances/admission-margin.ts';
export type { LadderView } from './ladder.ts';
export { openServing } from './open-serving.ts';
export type { OverflowPlan } from './overflow/hybrid-pool.ts';
export { type PlanPreference, preferenceIn, preferenceInAttributes, preferenceOf } from './plans/plan-preference.ts';
export {
  type InferenceCall,
  type InferenceOutcome,
  type InferenceResult,
  type MultiModelRoute,
  type PendingRequest,
  type RawCall,
  type RejectedCall,
  rawCall,
  type ServedRoute,
  type Shadow,
  type Timings,
} from './request.ts';
export { formatRowsByModel, joinedAnswers, type RowAnswers } from './row-answers.ts';
export { ModelError } from './runners/model-error.ts';
export type { BatchRunResult, RunRequests } from './runners/run-requests.ts';
export { Serving, type ServingOptions } from './serving.ts';
export { readEarlierCounts } from './traffic/earlier-counts.ts';
export { meterServing } from './traffic/meter-serving.ts';
export type { PlainEndpoint } from './traffic/plain-endpoints.ts';
export { type SamplingDeps, sampling } from './traffic/sampling.ts';
export { answeringVariants, type OverflowView, type ServedVariant, type ServedView } from './traffic/served-view.ts';
export type { BatchStatistics, Duration, VariantStatistics } from './traffic/statistics.ts';
export { isRejection, noTraffic, type TrafficCounts } from './traffic/traffic-meter.ts';
export { VariantPool } from './variant-pool.ts';
export type { VariantPoolDeps } from './variant-pool-deps.ts';
export type { FunctionSource } from './variant-pools.ts';
