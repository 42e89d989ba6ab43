/** Origin of a control call. The API layer sets it once; everything the call does is recorded with it. */
import { AsyncLocalStorage } from 'node:async_hooks';

/** Where a control call came from, as the audit shows it. */
export interface Origin {
  /** `api`, `aws`, `oip`. */
  readonly protocol: string;
  readonly remoteAddress: string;
  readonly userAgent: string;
  readonly requestId: string;
  /** AWS operation: `CreateModelPackageGroup`. Absent in older records and for other APIs. */
  readonly operation?: string;
  /** Request parameters as in CloudTrail, bounded and without secrets; only of AWS calls that can be recorded, absent in older records. */
  readonly parameters?: Readonly<Record<string, unknown>>;
}

interface Call {
  readonly origin: Origin;
  isRecorded: boolean;
  firstId: string | null;
}

const current = new AsyncLocalStorage<Call>();
const textMax = 256;

/** Runs `run` as a call with this origin. The user agent is truncated. */
export function withOrigin<Result>(origin: Origin, run: () => Result): Result {
  return current.run({ origin: { ...origin, userAgent: origin.userAgent.slice(0, textMax) }, isRecorded: false, firstId: null }, run);
}

/** Runs `run` as an action of the platform itself, although a call led to it. */
export function withoutOrigin<Result>(run: () => Result): Result {
  return current.exit(run);
}

/** Null if no call is running: the platform acts on its own. */
export function currentOrigin(): Origin | null {
  return current.getStore()?.origin ?? null;
}

/** The call id for a record: the first record's id of an AWS call, otherwise its own. */
export function currentCallId(recordId: string): string {
  const call = current.getStore();
  return call?.origin.operation === undefined ? recordId : (call.firstId ??= recordId);
}

/** Marks the current call as recorded in the audit. */
export function markRecorded(): void {
  const call = current.getStore();
  if (call !== undefined) call.isRecorded = true;
}

/** Whether the current call has an audit record. If not, the API layer records it. */
export function isRecorded(): boolean {
  return current.getStore()?.isRecorded === true;
}
