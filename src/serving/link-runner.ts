/** Runs requests on a real worker: merges their tensors into one frame, sends it, cuts the answer up. */
import { asPlatformError } from '../errors.ts';
import { type RunResult, WorkerGone, type WorkerLink } from '../runtime/index.ts';
import type { Signature } from '../tensor.ts';
import { merge, split } from './batch-tensors.ts';
import type { PendingRequest } from './request.ts';
import type { RunAnswer, RunRequests } from './run-requests.ts';

/**
 * A request under which a worker has died is run by one that was just seen alive: where several workers are killed at
 * once, from outside, those that are dead already say nothing about the request.
 */
export function linkRunner(link: Pick<WorkerLink, 'run' | 'status'>, signature: Signature): RunRequests {
  return (requests, done) => {
    const rowsOf = requests.map(({ call }) => call.rows);
    const rows = rowsOf.reduce((sum, each) => sum + each, 0);
    const tensors = merge(
      signature,
      requests.map(({ call }) => call.inputs),
      rows,
    );
    const answer = ({ outputs, timings }: RunResult): RunAnswer => ({ kind: 'done', outputs: split(outputs, rowsOf), timings });
    runWhenAlive(link, requests, () => link.run(tensors), answer, done);
  };
}

/** Runs at once, or, where a worker has died under a request, once the worker has shown that it lives. */
export function runWhenAlive<Ran>(
  link: Pick<WorkerLink, 'status'>,
  requests: readonly PendingRequest[],
  run: () => Promise<Ran>,
  answerOf: (ran: Ran) => RunAnswer,
  done: (answer: RunAnswer) => void,
): void {
  let neverBegan = requests.some(({ losses }) => losses > 0);
  const begin = () => {
    neverBegan = false;
    return run();
  };
  (neverBegan ? link.status().then(begin) : run())
    .then(answerOf)
    .catch((error: unknown): RunAnswer => {
      if (error instanceof WorkerGone) return { kind: 'gone', why: error.message, neverBegan };
      return { kind: 'failed', error: asPlatformError(error) };
    })
    .then(done)
    // What `done` throws is our own mistake: it must not pass as a failed run.
    .catch((error: unknown) =>
      queueMicrotask(() => {
        throw error;
      }),
    );
}
