/** A bucket that shows what is kept elsewhere: it can be read like any other, and never written. */
import type { ListedObject } from './listing.ts';
import type { OpenObject } from './open-object.ts';

export interface GivenBucket {
  readonly name: string;
  readonly createdAtMs: number;
  /** All of them, in any order. */
  objects(): Promise<readonly ListedObject[]>;
  /** Null where there is no such key. Read it or close it. */
  open(key: string): Promise<OpenObject | null>;
}
