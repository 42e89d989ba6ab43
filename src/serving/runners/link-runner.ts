/** Runs requests on a real worker: merges their tensors into one frame, sends it, and splits the outputs. */
import { asPlatformError } from '../../errors.ts';
import { type RunResult, type ServingLink, WorkerLost } from '../../runtime/index.ts';
import type { Signature } from '../../tensor.ts';
import type { PendingRequest } from '../request.ts';
import { merge, split } from './batch-tensors.ts';
import type { BatchRunResult, RunRequests } from './run-requests.ts';

/**
 * Returns a runner for a worker. A request whose worker crashed before is sent only after the new worker has proven to be alive. If
 * several workers are killed at once from outside, this does not count against the request. `namesRequests`: what the model prints is
 * logged with the ids of its requests.
 */
export function linkRunner(link: Pick<ServingLink, 'run' | 'status'>, signature: Signature, namesRequests = false): RunRequests {
  return (requests, done, plan) => {
    const rowsOf = requests.map(({ call }) => call.rows);
    const rows = rowsOf.reduce((sum, each) => sum + each, 0);
    const tensors = merge(
      signature,
      requests.map(({ call }) => call.inputs),
      rows,
    );
    const answer = ({ outputs, timings, rows: stages }: RunResult): BatchRunResult => {
      const done = { kind: 'done', outputs: split(outputs, rowsOf), timings } as const;
      return stages === undefined ? done : { ...done, rows: stages };
    };
    const ids = namesRequests ? requests.map(({ call }) => call.requestId) : [];
    runWhenAlive(link, requests, () => link.run(tensors, ids, plan), answer, done);
  };
}

/** Calls `run` at once, or, if a request has lost a worker before, after the worker has answered a status request. */
export function runWhenAlive<Ran>(
  link: Pick<ServingLink, 'status'>,
  requests: readonly PendingRequest[],
  run: () => Promise<Ran>,
  answerOf: (ran: Ran) => BatchRunResult,
  done: (answer: BatchRunResult) => void,
): void {
  let neverStarted = requests.some(({ losses }) => losses > 0);
  const begin = () => {
    neverStarted = false;
    return run();
  };
  (neverStarted ? link.status().then(begin) : run())
    .then(answerOf)
    .catch((error: unknown): BatchRunResult => {
      if (error instanceof WorkerLost) return { kind: 'gone', why: error.message, neverStarted };
      return { kind: 'failed', error: asPlatformError(error) };
    })
    .then(done)
    // An error thrown by `done` is a bug in the platform: rethrown asynchronously, so it is not mistaken for a failed run.
    .catch((error: unknown) =>
      queueMicrotask(() => {
        throw error;
      }),
    );
}
