/** Where a control call came from. The doors say it once; what the call does below is recorded with it, however far down. */
import { AsyncLocalStorage } from 'node:async_hooks';

export interface Origin {
  /** `api`, `aws`, `oip`. */
  readonly door: string;
  readonly remoteAddress: string;
  readonly userAgent: string;
  readonly requestId: string;
}

const current = new AsyncLocalStorage<Origin>();
const textMax = 256;

/** Runs it as a call from there. What the client says of itself is cut. */
export function withOrigin<Result>(origin: Origin, run: () => Result): Result {
  return current.run({ ...origin, userAgent: origin.userAgent.slice(0, textMax) }, run);
}

/** Runs it as the platform's own doing, though a call has led to it. */
export function withoutOrigin<Result>(run: () => Result): Result {
  return current.exit(run);
}

/** Null where nobody called: the platform does it by itself. */
export function originNow(): Origin | null {
  return current.getStore() ?? null;
}
