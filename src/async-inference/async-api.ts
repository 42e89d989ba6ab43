/** Dependencies of the routes of asynchronous requests. */
import type { Readable } from 'node:stream';
import type { AsyncInference } from './async-inference.ts';
import type { ObjectUri } from './async-request.ts';

/** The request queue and the object storage. */
export interface AsyncApi {
  readonly requests: Pick<AsyncInference, 'submit' | 'find' | 'list' | 'cancel' | 'retry'>;
  /** The bucket for bodies and outputs without a client-chosen location. */
  readonly ownBucket: () => Promise<string>;
  readonly put: (objectUri: ObjectUri, source: AsyncIterable<Uint8Array>, contentType: string) => Promise<void>;
  /** Null if the object does not exist. */
  readonly open: (
    objectUri: ObjectUri,
  ) => Promise<{ readonly bytes: number; readonly contentType: string; stream(): Readable; close(): void } | null>;
}
