/** A bucket backed by data outside the object store: readable like any other, never writable. */
import type { ListedObject } from '../objects/listing.ts';
import type { OpenObject } from '../objects/open-object.ts';

/** What `S3Store` needs in order to list and read such a bucket. */
export interface ReadOnlyBucket {
  readonly name: string;
  readonly createdAtMs: number;
  /** All objects, in any order. */
  objects(): Promise<readonly ListedObject[]>;
  /** Null for an unknown key. The caller must stream or close the object. */
  open(key: string): Promise<OpenObject | null>;
}
