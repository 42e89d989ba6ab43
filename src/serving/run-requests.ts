/** The seam between dispatch and what runs a batch: a worker behind its link, a script in a test, a profile in the simulator. */
import type { PlatformError } from '../errors.ts';
import type { Reply, RunResult } from '../runtime/index.ts';
import type { Tensor } from '../tensor.ts';
import type { PendingRequest } from './request.ts';

/** How a run ended. */
export type RunAnswer =
  | {
      readonly kind: 'done' /** For each request, its outputs. */;
      readonly outputs: readonly (readonly Tensor[])[];
      readonly timings: RunResult['timings'];
      /** What a process answered the one request. */
      readonly reply?: Reply;
    }
  | { readonly kind: 'failed'; readonly error: PlatformError }
  /** The worker's process ended under it; or was found ended, and the run never began. */
  | { readonly kind: 'gone'; readonly why: string; readonly neverBegan?: boolean };

/**
 * What runs requests as one batch: a worker behind its link, or a profile in the simulator. Calls `done` once, and
 * never before it returns.
 */
export type RunRequests = (requests: readonly PendingRequest[], done: (answer: RunAnswer) => void) => void;
