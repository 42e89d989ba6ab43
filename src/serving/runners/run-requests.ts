/** The interface between dispatch and the runner of a batch: a worker behind its link, a test double, or a profile in the simulator. */
import type { PlatformError } from '../../errors.ts';
import type { ProcessReply, RowStages, RunResult } from '../../runtime/index.ts';
import type { Tensor } from '../../tensor.ts';
import type { PendingRequest } from '../request.ts';

/** How a run ended. */
export type BatchRunResult =
  | {
      readonly kind: 'done' /** For each request, its outputs. */;
      readonly outputs: readonly (readonly Tensor[])[];
      readonly timings: RunResult['timings'];
      /** The reply of a process model, which runs one request at a time. */
      readonly reply?: ProcessReply;
      /** How each row of the batch was answered; absent if the worker has one model. */
      readonly rows?: RowStages;
    }
  | { readonly kind: 'failed'; readonly error: PlatformError }
  /** The worker's process exited during the run, or before it (`neverStarted`). */
  | { readonly kind: 'gone'; readonly why: string; readonly neverStarted?: boolean };

/**
 * Runs requests as one batch on a worker or on a simulated profile, by a plan: 0 if the worker has one model. Calls `done` once, never
 * before it returns.
 */
export type RunRequests = (requests: readonly PendingRequest[], done: (answer: BatchRunResult) => void, plan?: number) => void;
