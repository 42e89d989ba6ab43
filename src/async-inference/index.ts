export type { AsyncApi } from './async-api.ts';
export { AsyncInference, type AsyncInferenceOptions } from './async-inference.ts';
export {
  type AsyncRequest,
  type AsyncState,
  type AsyncSubmission,
  asyncStates,
  asyncTimeoutMsDefault,
  formatObjectUri,
  inlineBytesMax,
  type NotificationTopics,
  type ObjectUri,
  timeoutMsMax,
  ttlMsDefault,
} from './async-request.ts';
export { BacklogMonitor, type WatchedBacklog, type WatchedQueue } from './backlog-monitor.ts';
export type { Capacity, InferenceInput, InferenceOutput } from './inference.ts';
export type { Objects } from './objects.ts';
export type { TransformBuckets } from './transform/bucket-io.ts';
export { openTransforms } from './transform/open-transforms.ts';
export {
  checkTransformSpec,
  payloadMiBLimit,
  type TransformLocation,
  type TransformProgress,
  type TransformSpec,
  type TransformState,
  type TransformView,
  transformDefaults,
} from './transform/transform-job.ts';
export type { StoredTransformObject, TransformFilter } from './transform/transform-rows.ts';
export { formatLocation, Transforms, type TransformsOptions } from './transform/transforms.ts';
