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
export { BacklogWatch, type WatchedQueue } from './backlog-watch.ts';
export type { Capacity, InferenceAnswer, InferenceOrder } from './inference.ts';
export type { Objects } from './objects.ts';
