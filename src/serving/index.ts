export { BytesExchange } from './bytes-exchange.ts';
export type { PoolSettings, PoolWorker } from './executor-pool.ts';
export { FormattedSink } from './formatted-sink.ts';
export type { FunctionSetting } from './function-setting.ts';
export type { FunctionsView, FunctionVariant } from './function-variant.ts';
export type { OverflowPlan } from './hybrid-pool.ts';
export { type ClosingResponse, type ExchangeDeps, InferenceExchange } from './inference-exchange.ts';
export { asyncRows, type InvocationPart, invokeParts, type PartReceiver, partsOf, realTimeRows } from './invoke-parts.ts';
export { invokeWhole, requestRowsMax } from './invoke-whole.ts';
export { ModelError } from './model-error.ts';
export { ModelPlans } from './model-plans.ts';
export type { PeriodMeasure } from './period.ts';
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
export { RowsExchange } from './rows-exchange.ts';
export type { BatchRunResult, RunRequests } from './run-requests.ts';
export { answeringVariants, type OverflowView, type ServedVariant, type ServedView } from './served-view.ts';
export { Serving, type ServingOptions } from './serving.ts';
export type { BatchStatistics, Duration, VariantStatistics } from './statistics.ts';
export { isRejection, noTraffic, type TrafficCounts } from './traffic-meter.ts';
export { VariantPool, type VariantPoolDeps } from './variant-pool.ts';
export type { FunctionSource } from './variant-pools.ts';
