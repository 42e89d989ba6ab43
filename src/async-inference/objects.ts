/** Object storage for bodies and outputs, injected. */
import type { Readable } from 'node:stream';
import type { Transaction } from '../storage/index.ts';

/** An object that was found, and is not read yet. */
export interface OpenedObject {
  readonly bytes: number;
  readonly contentType: string;
  /** `input`: a body sent by a client, or a captured call. */
  readonly headers?: { readonly origin?: 'input' | 'output' | undefined };
  /** The paths of files on this machine with the bytes of the object, in order. They are to be opened soon. */
  readonly files?: () => Promise<readonly string[]>;
  stream(): Readable;
  /** Closes an object that is not read. */
  close(): void;
}

/** The object store as this module needs it. */
export interface Objects {
  /** Null if the bucket or key does not exist. */
  open(bucket: string, key: string): Promise<OpenedObject | null>;
  /** Ignores missing objects. */
  delete(bucket: string, key: string): Promise<unknown>;
  /** Atomic. `transactionHook` runs in the transaction that makes the object visible. */
  put(
    bucket: string,
    key: string,
    source: AsyncIterable<Uint8Array> | Uint8Array,
    options: {
      readonly headers: { readonly contentType: string; readonly origin: 'output' };
      readonly transactionHook?: (tx: Transaction, object: { readonly bytes: number }) => Promise<void>;
    },
  ): Promise<{ readonly bytes: number }>;
}
