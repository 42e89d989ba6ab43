/** What becomes of a request after a try that failed. Pure. */
import type { ErrorCode } from '../errors.ts';

/** `final`: it is never tried again. `again`: so much later; `counts` where the request itself may be at fault. */
export type AfterFailure = { readonly kind: 'final' } | { readonly kind: 'again'; readonly afterMs: number; readonly counts: boolean };

/** After so many failures that may be its own fault a request is put aside: it poisons nobody's work any longer. */
export const failuresMax = 4;
/**
 * After so many tries of which nobody knows how they ended, since the server was killed under them. It is much more: who is worked on
 * when a server is killed is rarely the cause.
 */
export const lossesMax = 16;

const failureBackOffMs = [1000, 5000, 30_000];
const troubleBackOffMsMax = 60_000;

const fates: Readonly<Record<ErrorCode, 'final' | 'own' | 'trouble'>> = {
  invalid_request: 'final',
  unsupported: 'final',
  too_large: 'final',
  not_found: 'final',
  already_exists: 'final',
  wrong_state: 'final',
  unauthenticated: 'final',
  forbidden: 'final',
  // It had all the time that its sender gave it; another hour would end the same way.
  deadline_exceeded: 'final',
  // A model may fail for a reason that passes, and so may a worker that dies under a request; the same request every time may not.
  model_failed: 'own',
  internal: 'own',
  // Nobody was there to serve it: that says nothing of the request. Its time to live ends the waiting.
  overloaded: 'trouble',
  unavailable: 'trouble',
};

/** `failures` and `troubles` are those before this one. */
export function afterFailure(
  code: ErrorCode,
  { failures, troubles }: { readonly failures: number; readonly troubles: number },
): AfterFailure {
  const fate = fates[code];
  if (fate === 'final') return { kind: 'final' };
  if (fate === 'trouble')
    return { kind: 'again', afterMs: Math.min(1000 * 2 ** Math.min(troubles, 10), troubleBackOffMsMax), counts: false };
  const afterMs = failureBackOffMs[failures];
  return failures + 1 >= failuresMax || afterMs === undefined ? { kind: 'final' } : { kind: 'again', afterMs, counts: true };
}
