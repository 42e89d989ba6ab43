export type { FunctionSetting } from './function-setting.ts';
export type { FunctionsView, FunctionVariant } from './function-variant.ts';
export { invokeParts, type Part, type PartsTaker, partsOf } from './invoke-parts.ts';
export { invokeWhole, requestRowsMax } from './invoke-whole.ts';
export { ModelError } from './model-error.ts';
export { ModelPlans } from './model-plans.ts';
export type { OverflowPlan } from './overflow.ts';
export type { PeriodMeasure } from './period.ts';
export {
  type InferenceCall,
  type InferenceResult,
  type Outcome,
  type PendingRequest,
  type RawCall,
  type RefusedCall,
  type Route,
  rawCall,
  type Timings,
} from './request.ts';
export type { RunAnswer, RunRequests } from './run-requests.ts';
export type { OverflowView, ServedVariant, ServedView } from './served-view.ts';
export { Serving, type ServingOptions } from './serving.ts';
export type { PoolSettings, SideWorker } from './side.ts';
export type { BatchStatistics, Duration, VariantStatistics } from './statistics.ts';
export { isRefusal, noTraffic, type TrafficCounts } from './traffic-meter.ts';
export { type PoolNeighbours, VariantPool } from './variant-pool.ts';
export type { FunctionSource } from './variant-pools.ts';
