/** Where a control call came from. The doors say it once; what the call does below is recorded with it, however far down. */
import { AsyncLocalStorage } from 'node:async_hooks';

export interface Origin {
  /** `api`, `aws`, `oip`. */
  readonly door: string;
  readonly remoteAddress: string;
  readonly userAgent: string;
  readonly requestId: string;
  /** What was called, by AWS's name: `CreateModelPackageGroup`; not in records of before, and not of other doors. */
  readonly operation?: string;
  /** What was asked, in CloudTrail's words, without secrets and bounded; of AWS's calls that may have a record, not in those of before. */
  readonly parameters?: Readonly<Record<string, unknown>>;
}

interface Call {
  readonly origin: Origin;
  isRecorded: boolean;
  firstId: string | null;
}

const current = new AsyncLocalStorage<Call>();
const textMax = 256;

/** Runs it as a call from there. What the client says of itself is cut. */
export function withOrigin<Result>(origin: Origin, run: () => Result): Result {
  return current.run({ origin: { ...origin, userAgent: origin.userAgent.slice(0, textMax) }, isRecorded: false, firstId: null }, run);
}

/** Runs it as the platform's own doing, though a call has led to it. */
export function withoutOrigin<Result>(run: () => Result): Result {
  return current.exit(run);
}

/** Null where nobody called: the platform does it by itself. */
export function originNow(): Origin | null {
  return current.getStore()?.origin ?? null;
}

/** What a record bears of its call: the id of the first that was begun of a call of AWS's, else its own. */
export function callIdNow(recordId: string): string {
  const call = current.getStore();
  return call?.origin.operation === undefined ? recordId : (call.firstId ??= recordId);
}

/** The audit tells of the call from now on. */
export function noteRecorded(): void {
  const call = current.getStore();
  if (call !== undefined) call.isRecorded = true;
}

/** Whether something that the call did is in the audit: what nobody below has recorded, the door records. */
export function isRecorded(): boolean {
  return current.getStore()?.isRecorded === true;
}
