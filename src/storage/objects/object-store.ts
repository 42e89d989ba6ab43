/**
 * Content-addressed objects: an object is complete or absent, and never changes. Callers track which objects are referenced. There are two
 * implementations: a folder (`file-object-store.ts`), and blobs of S3 or PostgreSQL with a cache on this machine
 * (`remote-object-store.ts`).
 */
import { PlatformError } from '../../errors.ts';

/** An object by its address. */
export interface StoredObject {
  readonly sha256: string;
  readonly bytes: number;
}

/** An object that is not yet kept. */
export interface StagedObject extends StoredObject {
  /** Of its temporary file. */
  readonly path: string;
}

/** An object that a sweep moved to the trash, and when. */
export interface TrashedObject extends StoredObject {
  /** Epoch milliseconds. */
  readonly trashedAtMs: number;
}

/** Objects that no row references. They are retained for a week. */
export interface ObjectTrash {
  /** Oldest first. */
  list(): Promise<TrashedObject[]>;
  delete(object: TrashedObject): Promise<void>;
  /** Free space of its disk; null if it has none of its own. */
  freeBytes(): Promise<number | null>;
}

/** An object to be read once, as a stream. */
export interface ReadableObject {
  readonly bytes: number;
  readonly content: AsyncIterable<Buffer>;
}

/** What both implementations promise; one contract test runs both. */
export interface ObjectStore {
  /** For messages: a folder, a bucket, or a database. */
  readonly place: string;
  readonly trash: ObjectTrash;

  /**
   * Stores the bytes and returns their address. Storing the same bytes again yields the same object. Once it resolves, the object is
   * durable; if it throws, nothing is stored. Throws `too_large` beyond `limitBytes`, `unavailable` if the store cannot be written, and any
   * error of the source. `settling` is awaited when the address is known, before the object appears: callers that count references
   * register here.
   */
  put(
    source: AsyncIterable<Uint8Array> | Uint8Array,
    limitBytes?: number,
    settling?: (sha256: string) => Promise<void>,
  ): Promise<StoredObject>;
  /** The first half of `put`: writes the bytes to a temporary file. Pass the result to `keep` or to `drop`. Throws as `put` does. */
  stage(source: AsyncIterable<Uint8Array> | Uint8Array, limitBytes?: number): Promise<StagedObject>;
  /** The second half of `put`. */
  keep(staged: StagedObject, settling?: (sha256: string) => Promise<void>): Promise<StoredObject>;
  /** Removes a staged object. Never throws. */
  drop(staged: StagedObject): Promise<void>;
  /** Path for a temporary file on the file system of staged objects. Files left there are deleted at the next start. */
  temporaryPath(): Promise<string>;

  has(sha256: string): Promise<boolean>;
  /** Throws `not_found`. */
  stat(sha256: string): Promise<StoredObject>;
  /** Reads the whole object. Throws `not_found`. */
  read(sha256: string): Promise<Buffer>;
  /**
   * Streams the bytes from `start` up to but excluding `end`. The stream fails if the object is missing or truncated. A store on another
   * machine verifies the SHA-256 of whole objects; the stream then fails at its end.
   */
  stream(sha256: string, start: number, end: number): AsyncGenerator<Buffer>;
  /** The path of a file on this machine with the content of the object. A store on another machine copies and verifies it if needed. */
  fetch(sha256: string): Promise<string>;
  /** The object, or its copy in the trash; null if neither exists. */
  readable(sha256: string): Promise<ReadableObject | null>;

  /** The addresses of all objects, or only those that begin with the two digits `group`, in no particular order. */
  list(group?: string): AsyncGenerator<string>;
  /** Objects that a sweep may move to the trash if no row references them. A shared store omits recent ones, which may get a row soon. */
  listForSweep(nowMs: number): AsyncGenerator<string>;
  /** Succeeds if the object is absent. While a backup runs, the object moves to the trash instead. */
  remove(sha256: string): Promise<void>;
  /** Like `remove`, but the object can be restored until the trash is emptied. */
  moveToTrash(sha256: string, atMs: number): Promise<void>;
  /** Returns false if the trash has no such object. */
  restore(sha256: string): Promise<boolean>;
  /** Deletes partial files of a killed process. Call at startup, before the first put. */
  sweepTemporary(): Promise<void>;
}

/** An object that the store does not have. */
export function missingObject(sha256: string): PlatformError {
  return new PlatformError('not_found', `there is no artifact ${sha256} in the object store`);
}
