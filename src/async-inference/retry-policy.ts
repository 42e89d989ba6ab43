/** Decides whether a failed attempt is retried. Pure. */
import type { ErrorCode } from '../errors.ts';

/** `final`: never retried. `again`: retried after a delay; `counts` if the request itself may be the cause. */
export type AfterFailure = { readonly kind: 'final' } | { readonly kind: 'again'; readonly afterMs: number; readonly counts: boolean };

/** After this number of failures that the request may have caused, it fails, so that a poison request does not block others. */
export const failuresMax = 4;
/**
 * After this number of attempts lost to a crash of the server, a request fails. The limit is much higher, because a running request is
 * rarely the cause of a crash.
 */
export const workerLossesMax = 16;

const failureBackOffMs = [1000, 5000, 30_000];
const troubleBackOffMsMax = 60_000;

const dispositions: Readonly<Record<ErrorCode, 'final' | 'own' | 'trouble'>> = {
  invalid_request: 'final',
  unsupported: 'final',
  too_large: 'final',
  not_found: 'final',
  already_exists: 'final',
  wrong_state: 'final',
  unauthenticated: 'final',
  forbidden: 'final',
  // The request used its whole time limit; a retry would end the same way.
  deadline_exceeded: 'final',
  // A model or a worker may fail temporarily, but not every time with the same request.
  model_failed: 'own',
  internal: 'own',
  // No capacity: not the fault of the request. It is retried until its time to live ends.
  overloaded: 'trouble',
  unavailable: 'trouble',
};

/** `failures` and `troubles` are the counts before this failure. */
export function afterFailure(
  code: ErrorCode,
  { failures, troubles }: { readonly failures: number; readonly troubles: number },
): AfterFailure {
  const disposition = dispositions[code];
  if (disposition === 'final') return { kind: 'final' };
  if (disposition === 'trouble')
    return { kind: 'again', afterMs: Math.min(1000 * 2 ** Math.min(troubles, 10), troubleBackOffMsMax), counts: false };
  const afterMs = failureBackOffMs[failures];
  return failures + 1 >= failuresMax || afterMs === undefined ? { kind: 'final' } : { kind: 'again', afterMs, counts: true };
}
