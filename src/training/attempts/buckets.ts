/** The object store as training needs it, and its URIs. */
import type { Readable } from 'node:stream';
import { PlatformError } from '../../errors.ts';

/** Object storage, injected. */
export interface TrainingBuckets {
  /** Null if there is none of this name. */
  bucket(name: string): Promise<unknown>;
  open(bucket: string, key: string): Promise<OpenTrainingObject | null>;
  list(
    bucket: string,
    options: { readonly prefix: string; readonly from?: ListedFrom | undefined; readonly itemsMax: number },
  ): Promise<{ readonly objects: readonly ListedInput[]; readonly next: ListedFrom | null }>;
  put(
    bucket: string,
    key: string,
    source: AsyncIterable<Uint8Array> | Uint8Array,
    options: { readonly headers: { readonly contentType: string; readonly writer?: string; readonly origin?: 'input' } },
  ): Promise<unknown>;
  deleteAll(bucket: string, keys: readonly string[]): Promise<void>;
}

/** An object of a channel. */
export interface ListedInput {
  readonly key: string;
  readonly bytes: number;
}

interface ListedFrom {
  readonly key: string;
  readonly inclusive: boolean;
}

/** An object that was found, and is not read yet. */
export interface OpenTrainingObject {
  readonly bytes: number;
  readonly pieces: readonly { readonly sha256: string }[];
  /** The paths of files on this machine with its bytes, in order, to be read soon. Undefined if the bytes are not in files. */
  readonly files?: () => Promise<readonly string[]>;
  stream(): Readable;
  close(): void;
}

const listedAtOnce = 1000;

/** All objects under a prefix in the order of their keys, without folder markers. Stops after `most`. */
export async function* objectsUnder(buckets: TrainingBuckets, bucket: string, prefix: string, most: number): AsyncGenerator<ListedInput> {
  let count = 0;
  for (let from: ListedFrom | undefined; ; ) {
    const page = await buckets.list(bucket, { prefix, from, itemsMax: listedAtOnce });
    for (const object of page.objects) {
      if (object.key.endsWith('/')) continue;
      yield object;
      if (++count >= most) return;
    }
    if (page.next === null) return;
    from = page.next;
  }
}

/** `s3://bucket/key` */
export function s3Uri(bucket: string, key: string): string {
  return `s3://${bucket}/${key}`;
}

/** Null for anything but `s3://BUCKET/KEY`. */
export function parseS3Uri(uri: string): { readonly bucket: string; readonly key: string } | null {
  const [, bucket, key] = /^s3:\/\/([^/]+)(?:\/(.*))?$/s.exec(uri) ?? [];
  return bucket === undefined ? null : { bucket, key: key ?? '' };
}

/** A folder and a name below it, with one slash between them. */
export function joinKey(prefix: string, ...names: readonly string[]): string {
  return [prefix.replace(/\/+$/, ''), ...names].filter((part) => part !== '').join('/');
}

/** The server is overloaded: a retry may succeed. */
export function isPassing(error: unknown): boolean {
  return error instanceof PlatformError && (error.code === 'unavailable' || error.code === 'overloaded');
}

/**
 * Whether the request itself is invalid, such as a key that is too long or a deleted bucket, so a retry fails again. Errors of the
 * object store have an HTTP status. Other errors are those of the database and the file system.
 */
export function isLasting(error: unknown): boolean {
  if (error instanceof PlatformError) return !isPassing(error);
  return error instanceof Error && 'httpStatus' in error && Number(error.httpStatus) < 500;
}
