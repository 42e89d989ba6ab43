/**
 * Where an inference is queued, batched and dispatched. Two implementations, which run one contract test: `Serving`, in this process and
 * without frames, and `RemoteHome`, for a gateway process, over its link to the server.
 */
import type { InferenceCall, InferenceOutcome, ServedRoute } from './request.ts';

export interface Home<Route = ServedRoute> {
  /**
   * Serves a call of any number of rows as one request. Calls `settle` once, with the result or an error; never after the returned
   * function was called, which cancels the request. The tensors of a result may be overwritten when `settle` returns. Throws
   * `invalid_request` if the call must be split but its rows have no elements.
   */
  enter(route: Route, call: InferenceCall, settle: (outcome: InferenceOutcome) => void): () => void;
}
