/** An asynchronous request: what was submitted, and its state. */

import { nameKey } from '../names.ts';
/** An object of a bucket. */
export interface ObjectUri {
  readonly bucket: string;
  readonly key: string;
}

/** Topics or URLs that are notified of the outcome. */
export interface NotificationTopics {
  readonly success: string | null;
  readonly error: string | null;
  /** Whether a notification includes the response itself if that is small. */
  readonly withAnswer: { readonly success: boolean; readonly error: boolean };
}

/** A submitted request. */
export interface AsyncSubmission {
  /** Id of the request and of its job. */
  readonly id: string;
  /** Chosen by the client, otherwise equal to `id`. Not unique. */
  readonly inferenceId: string;
  readonly endpoint: string;
  /** Location of the body; null if it was sent inline. */
  readonly input: ObjectUri | null;
  /** Whether the input object was created for this request; if so, it is deleted with the request. */
  readonly ownsInput?: boolean;
  readonly contentType: string | null;
  readonly accept: string | null;
  readonly customAttributes: string | null;
  readonly output: ObjectUri;
  /** Location for the description of a failure; null writes none. */
  readonly failure: ObjectUri | null;
  /** Limit of the processing time. */
  readonly timeoutMs: number;
  /** Time to live in the queue. */
  readonly ttlMs: number;
  readonly notified: NotificationTopics | null;
}

/** All but the first are final. */
export const asyncStates = ['queued', 'succeeded', 'failed', 'expired', 'cancelled'] as const;
/** `queued` until the request has an outcome, even while it runs. */
export type AsyncState = (typeof asyncStates)[number];

/** A stored request. */
export interface AsyncRequest extends AsyncSubmission {
  readonly state: AsyncState;
  /** Epoch milliseconds, as the other times. */
  readonly createdAtMs: number;
  readonly expiresAtMs: number;
  readonly finishedAtMs: number | null;
  /** Attempts that failed because of the request itself. */
  readonly failures: number;
  /** Attempts that failed because no executor was available. */
  readonly troubles: number;
  /** The reason of a failure; while the request is queued, the reason of its last failed attempt. */
  readonly reason: string | null;
}

/** A larger body must be an object. */
export const inlineBytesMax = 128_000;
/** Of one attempt: 15 minutes, as on SageMaker. */
export const asyncTimeoutMsDefault = 900_000;
/** An hour. */
export const timeoutMsMax = 3_600_000;
/** A request that was not processed within six hours expires. */
export const ttlMsDefault = 21_600_000;

/** The reverse of parsing: `s3://bucket/key`. */
export function formatObjectUri({ bucket, key }: ObjectUri): string {
  return `s3://${bucket}/${key}`;
}

/** Name of an endpoint's job queue. */
export function queueOf(endpoint: string): string {
  return `async/${nameKey(endpoint)}`;
}
