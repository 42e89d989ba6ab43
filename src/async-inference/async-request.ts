/** A request that is worked on later: what is to be done, and what became of it. */

export interface ObjectPlace {
  readonly bucket: string;
  readonly key: string;
}

/** Who is told of the outcome: URLs, or what stands for one. */
export interface Notified {
  readonly success: string | null;
  readonly error: string | null;
  /** Whether the answer itself is told, where it is small. */
  readonly withAnswer: { readonly success: boolean; readonly error: boolean };
}

/** What is to be done. */
export interface AsyncOrder {
  /** Ours, and that of its job. */
  readonly id: string;
  /** The client's, or the same as `id`. Two requests may bear the same. */
  readonly inferenceId: string;
  readonly endpoint: string;
  /** Where the body is; null where it came with the request. */
  readonly input: ObjectPlace | null;
  /** The object was made for this request alone, and goes once nobody needs it any more. */
  readonly ownsInput?: boolean;
  readonly contentType: string | null;
  readonly accept: string | null;
  readonly customAttributes: string | null;
  readonly output: ObjectPlace;
  /** Where a failure is told; null: nowhere but in the state of the request. */
  readonly failure: ObjectPlace | null;
  /** The longest that it may run, once it is worked on. */
  readonly timeoutMs: number;
  /** Who has not been worked on so long after its acceptance is not any more. */
  readonly ttlMs: number;
  readonly notified: Notified | null;
}

export const asyncStates = ['queued', 'succeeded', 'failed', 'expired', 'cancelled'] as const;
/** `queued` until there is an outcome, also while it is worked on. */
export type AsyncState = (typeof asyncStates)[number];

export interface AsyncRequest extends AsyncOrder {
  readonly state: AsyncState;
  /** Epoch milliseconds, as the other times. */
  readonly createdAtMs: number;
  readonly expiresAtMs: number;
  readonly finishedAtMs: number | null;
  /** How often it was tried and failed by its own fault. */
  readonly failures: number;
  /** How often it was tried and nobody could serve it. */
  readonly troubles: number;
  /** Why it is not `succeeded`; while it is queued, why the last try failed. */
  readonly reason: string | null;
}

export const inlineBytesMax = 128_000;
export const timeoutMsDefault = 900_000;
export const timeoutMsMax = 3_600_000;
export const ttlMsDefault = 21_600_000;

export function uriOf({ bucket, key }: ObjectPlace): string {
  return `s3://${bucket}/${key}`;
}

/** The queue of an endpoint. */
export function queueOf(endpoint: string): string {
  return `async/${endpoint.toLowerCase()}`;
}
