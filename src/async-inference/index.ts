export { AsyncInference, type AsyncInferenceOptions } from './async-inference.ts';
export {
  type AsyncOrder,
  type AsyncRequest,
  type AsyncState,
  asyncStates,
  inlineBytesMax,
  type Notified,
  type ObjectPlace,
  timeoutMsDefault,
  timeoutMsMax,
  ttlMsDefault,
  uriOf,
} from './async-request.ts';
export { BacklogWatch, type WatchedBacklog, type WatchedQueue } from './backlog-watch.ts';
export type { Capacity, InferenceAnswer, InferenceOrder } from './inference.ts';
export type { Objects } from './objects.ts';
export type { TransformBuckets } from './transform/bucket-places.ts';
export {
  checkOrder,
  payloadMiBLimit,
  type TransformOrder,
  type TransformPlace,
  type TransformProgress,
  type TransformState,
  type TransformView,
  transformDefaults,
} from './transform/transform-job.ts';
export type { KeptObject, TransformFilter } from './transform/transform-rows.ts';
export { placeText, Transforms, type TransformsOptions } from './transform/transforms.ts';
