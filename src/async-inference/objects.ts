/** Where bodies and answers lie: buckets, handed in by whoever has them. */
import type { Readable } from 'node:stream';
import type { Transaction } from '../storage/index.ts';

export interface OpenedObject {
  readonly bytes: number;
  readonly contentType: string;
  /** Files of this machine that are its bytes, in order; they stay while it is open. */
  readonly files?: readonly string[];
  stream(): Readable;
  /** For who does not read. */
  close(): void;
}

export interface Objects {
  /** null where there is no such bucket or key. */
  open(bucket: string, key: string): Promise<OpenedObject | null>;
  /** What is not there is passed over. */
  delete(bucket: string, key: string): Promise<unknown>;
  /** Whole, or not at all; `beside` is done in the transaction that makes it visible. */
  put(
    bucket: string,
    key: string,
    source: AsyncIterable<Uint8Array> | Uint8Array,
    options: {
      readonly headers: { readonly contentType: string };
      readonly beside?: (tx: Transaction, object: { readonly bytes: number }) => Promise<void>;
    },
  ): Promise<{ readonly bytes: number }>;
}
