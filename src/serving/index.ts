export type { InferenceCall, InferenceResult, Outcome, Route, Timings } from './request.ts';
export { type ServedVariant, type ServedView, Serving, type ServingOptions } from './serving.ts';
export type { BatchStatistics, Duration, VariantStatistics } from './statistics.ts';
