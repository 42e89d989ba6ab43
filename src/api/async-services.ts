/** What the routes of asynchronous requests stand on. */
import type { Readable } from 'node:stream';
import type { AsyncInference, ObjectPlace } from '../async-inference/index.ts';

/** Who works on them, and the buckets, as the platform hands them in. */
export interface AsyncApi {
  readonly requests: Pick<AsyncInference, 'submit' | 'find' | 'list' | 'cancel' | 'retry'>;
  /** Where bodies and answers go that nobody said a place for. */
  readonly ownBucket: () => Promise<string>;
  readonly put: (place: ObjectPlace, source: AsyncIterable<Uint8Array>, contentType: string) => Promise<void>;
  /** null where there is no such object. */
  readonly open: (
    place: ObjectPlace,
  ) => Promise<{ readonly bytes: number; readonly contentType: string; stream(): Readable; close(): void } | null>;
}
