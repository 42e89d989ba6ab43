/**
 * Buckets and their objects. Metadata and small contents are rows in the database. Larger contents are content-addressed files, shared by
 * keys with the same bytes. An acknowledged write survives a crash; an unacknowledged one leaves no trace. The last writer of a key wins.
 */
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import type { Readable } from 'node:stream';
import type { Clock } from '../../../clock.ts';
import { messageOf } from '../../../errors.ts';
import type { Log } from '../../../logs/index.ts';
import type { Audit } from '../../../records/index.ts';
import {
  type Database,
  inTransaction,
  isForeignKeyViolation,
  isOutcomeUnknown,
  isUniqueViolation,
  type ObjectStore,
  RetainedObjects,
  type SweepOptions,
} from '../../../storage/index.ts';
import { checkBucketName, checkKey } from '../buckets/bucket-name.ts';
import { BucketSettings } from '../buckets/bucket-settings.ts';
import type { ReadOnlyBucket } from '../buckets/read-only-bucket.ts';
import { s3Error } from '../s3-errors.ts';
import { type Listing, type ListOptions, listInMemory, listObjects } from './listing.ts';
import {
  type ByteRange,
  type CopyOptions,
  contentTypeDefault,
  type Piece,
  type PutOptions,
  type S3Object,
  type WriteCondition,
} from './object.ts';
import type { OpenObject } from './open-object.ts';
import { contentBytesMax, storeContent, streamPieces } from './pieces.ts';
import { insertPieces, type NewObject, objectOf, piecesOf, removeObject, removePieces, replaceObject } from './rows.ts';
import { S3Uploads } from './uploads.ts';
import { write } from './writes.ts';

export type { OpenObject } from './open-object.ts';

export interface S3StoreOptions {
  readonly db: Database;
  /** Must not be written by anything but this store. */
  readonly files: ObjectStore;
  readonly clock: Clock;
  readonly log: Log;
  /** Records the creation and deletion of buckets. */
  readonly audit?: Pick<Audit, 'record'>;
  /** Buckets that are not stored in the database. */
  readonly readOnlyBuckets?: readonly ReadOnlyBucket[];
  /** Default: 5 GiB. */
  readonly objectBytesMax?: number;
  /** Larger contents are stored as files. */
  readonly contentBytesMax?: number;
}

/** A bucket of the database, or a read-only one. */
export interface Bucket {
  readonly name: string;
  readonly createdAtMs: number;
}

/** The address of an object. Keys are compared by their bytes, so case counts. */
export interface ObjectName {
  readonly bucket: string;
  readonly key: string;
}

const gibibyte = 2 ** 30;

/** The store behind the S3 API and everything that reads `s3://` URIs. It checks conditions, not permissions: those are the caller's. */
export class S3Store {
  readonly uploads: S3Uploads;
  readonly settings: BucketSettings;
  /** Size limit for one object. */
  readonly objectBytesMax: number;
  readonly #db: Database;
  readonly #fewMax: number;
  readonly #files: RetainedObjects;
  readonly #clock: Clock;
  readonly #audit: Pick<Audit, 'record'> | undefined;
  readonly #readOnlyBuckets: ReadonlyMap<string, ReadOnlyBucket>;

  constructor(options: S3StoreOptions) {
    const { db, files, clock, log, audit, readOnlyBuckets = [], objectBytesMax = 5 * gibibyte } = options;
    this.#db = db;
    this.#fewMax = options.contentBytesMax ?? contentBytesMax;
    this.#clock = clock;
    this.#audit = audit;
    this.#readOnlyBuckets = new Map(readOnlyBuckets.map((bucket) => [bucket.name, bucket]));
    this.objectBytesMax = objectBytesMax;
    this.#files = new RetainedObjects({
      objects: files,
      neededOf: async (sha256s) => {
        const rows = await db
          .selectFrom('s3_pieces')
          .select('sha256')
          .distinct()
          .where('sha256', 'in', sha256s)
          .where('content', 'is', null)
          .execute();
        return new Set(rows.map(({ sha256 }) => sha256));
      },
      onFailure: (sha256, error) => log.warn({ sha256, error: messageOf(error) }, 'failed to remove an unreferenced object file'),
    });
    this.settings = new BucketSettings({ db, clock });
    this.uploads = new S3Uploads({ db, files: this.#files, clock, objectBytesMax });
  }

  /** Moves files that no object references to the trash. Call at startup, before the first write. */
  async sweep(options: SweepOptions): Promise<void> {
    await this.#files.sweep(options);
  }

  /** Throws `InvalidBucketName`, `BucketAlreadyOwnedByYou`, `BucketAlreadyExists`. */
  async createBucket(name: string, who = 'penstock'): Promise<Bucket> {
    checkBucketName(name);
    if (this.#readOnlyBuckets.has(name)) throw s3Error('BucketAlreadyExists');
    const createdAtMs = this.#clock.wallMs();
    try {
      await inTransaction(this.#db, async (tx) => {
        await tx.insertInto('s3_buckets').values({ name, created_at: createdAtMs }).execute();
        await this.#audit?.record(tx, { who, action: 'CreateBucket', target: name, outcome: 'ok', detail: {} });
      });
    } catch (error) {
      throw isUniqueViolation(error) ? s3Error('BucketAlreadyOwnedByYou') : error;
    }
    return { name, createdAtMs };
  }

  async buckets(): Promise<Bucket[]> {
    const rows = await this.#db.selectFrom('s3_buckets').selectAll().orderBy('name').execute();
    const buckets: Bucket[] = rows.map(({ name, created_at }) => ({ name, createdAtMs: created_at }));
    for (const { name, createdAtMs } of this.#readOnlyBuckets.values()) buckets.push({ name, createdAtMs });
    return buckets.sort((a, b) => (a.name < b.name ? -1 : 1));
  }

  /** Null if there is no such bucket. */
  async bucket(name: string): Promise<Bucket | null> {
    const input = this.#readOnlyBuckets.get(name);
    if (input !== undefined) return { name, createdAtMs: input.createdAtMs };
    const row = await this.#db.selectFrom('s3_buckets').selectAll().where('name', '=', name).executeTakeFirst();
    return row === undefined ? null : { name: row.name, createdAtMs: row.created_at };
  }

  /** Also deletes incomplete uploads. Throws `NoSuchBucket` or `BucketNotEmpty`. */
  async deleteBucket(name: string, who = 'penstock'): Promise<void> {
    this.checkWritable(name);
    const unneeded = await inTransaction(this.#db, async (tx) => {
      const uploads = await tx.deleteFrom('s3_uploads').where('bucket', '=', name).returning('id').execute();
      const files: string[] = [];
      for (const { id } of uploads) files.push(...(await removePieces(tx, id)));
      const deleted = await tx.deleteFrom('s3_buckets').where('name', '=', name).returning('name').executeTakeFirst();
      if (deleted === undefined) throw s3Error('NoSuchBucket');
      await this.settings.remove(name, tx);
      await this.#audit?.record(tx, { who, action: 'DeleteBucket', target: name, outcome: 'ok', detail: {} });
      return files;
    }).catch((error: unknown) => {
      throw isForeignKeyViolation(error) ? s3Error('BucketNotEmpty') : error;
    });
    await this.#discard(unneeded);
  }

  /** The object under the key; null if there is no such bucket or key. */
  async head(bucket: string, key: string): Promise<S3Object | null> {
    const input = this.#readOnlyBuckets.get(bucket);
    if (input !== undefined) {
      const object = await input.open(key);
      object?.close();
      return object;
    }
    const row = await this.#db.selectFrom('s3_objects').selectAll().where('bucket', '=', bucket).where('key', '=', key).executeTakeFirst();
    return row === undefined ? null : objectOf(row);
  }

  /**
   * Opens an object for reading; null if there is no such bucket or key. The caller must stream or close it: its files remain on disk
   * until then, even if it is deleted.
   */
  async open(bucket: string, key: string): Promise<OpenObject | null> {
    const input = this.#readOnlyBuckets.get(bucket);
    if (input !== undefined) return input.open(key);
    for (;;) {
      const object = await this.head(bucket, key);
      if (object === null) return null;
      const pieces = await piecesOf(this.#db, object.id);
      const files = await this.#hold(pieces);
      // The files are held only from here on: an object replaced in between may have lost them.
      if ((await this.head(bucket, key))?.id === object.id) return this.#opened(object, pieces, files);
      await this.#release(files);
    }
  }

  /**
   * Streams the bytes in and publishes the object after a clean end of the source; on failure nothing changes. Throws `NoSuchBucket`,
   * `EntityTooLarge`, `PreconditionFailed`, `KeyTooLongError`, and any error of the source.
   */
  async put(bucket: string, key: string, source: AsyncIterable<Uint8Array> | Uint8Array, options: PutOptions = {}): Promise<S3Object> {
    checkKey(key);
    this.checkWritable(bucket);
    if ((await this.bucket(bucket)) === null) throw s3Error('NoSuchBucket'); // Fail before the body is transferred.
    const stored = await storeContent(this.#files, source, { bytesMax: this.objectBytesMax, fewMax: this.#fewMax });
    let unneeded: string[] = [];
    let mayBeNeeded = false;
    try {
      const checksums = options.checksums?.() ?? {};
      const object = this.#newObject(bucket, key, {
        bytes: stored.bytes,
        etag: stored.md5,
        parts: null,
        headers: options.headers ?? {},
        checksums,
      });
      unneeded = await this.#publish(object, [{ position: 1, ...stored, checksums }], options.condition, options.transactionHook);
      return { ...object, contentType: object.headers.contentType ?? contentTypeDefault };
    } catch (error) {
      mayBeNeeded = isOutcomeUnknown(error);
      throw error;
    } finally {
      if (stored.content === undefined) await this.#files.release(stored.sha256, { mayBeNeeded });
      await this.#discard(unneeded);
    }
  }

  /** Copies within this store share files, so no bytes are copied. Throws `NoSuchKey`, `NoSuchBucket` or `PreconditionFailed`. */
  async copy(from: ObjectName, to: ObjectName, { headers, judge, condition, writer }: CopyOptions = {}): Promise<S3Object> {
    checkKey(to.key);
    this.checkWritable(to.bucket);
    const source = await this.open(from.bucket, from.key);
    if (source === null) throw s3Error((await this.bucket(from.bucket)) === null ? 'NoSuchBucket' : 'NoSuchKey');
    let unneeded: string[] = [];
    // A copy retains the origin, and with it the permissions for reading.
    const { origin } = source.headers;
    const { writer: _source, ...inherited } = source.headers;
    const described = headers === undefined ? inherited : { ...headers, ...(origin === undefined ? {} : { origin }) };
    const copied = writer === undefined ? described : { ...described, writer };
    try {
      judge?.(source);
      if (this.#readOnlyBuckets.has(from.bucket)) {
        return await this.put(to.bucket, to.key, source.stream(), { headers: copied, condition });
      }
      const { bytes, etag, parts, checksums, pieces } = source;
      const object = this.#newObject(to.bucket, to.key, { bytes, etag, parts, checksums, headers: copied });
      unneeded = await this.#publish(object, pieces, condition);
      return { ...object, contentType: object.headers.contentType ?? contentTypeDefault };
    } finally {
      source.close();
      await this.#discard(unneeded);
    }
  }

  /** Returns whether the object existed. Throws `NoSuchBucket`. */
  async delete(bucket: string, key: string): Promise<boolean> {
    this.checkWritable(bucket);
    const taken = await inTransaction(this.#db, (tx) => removeObject(tx, bucket, key));
    if (taken === undefined && (await this.bucket(bucket)) === null) throw s3Error('NoSuchBucket');
    await this.#discard(taken?.files ?? []);
    return taken !== undefined;
  }

  /** Deletes all keys or, if it throws, none. Absent keys are ignored. */
  async deleteAll(bucket: string, keys: readonly string[]): Promise<void> {
    this.checkWritable(bucket);
    const unneeded = await inTransaction(this.#db, async (tx) => {
      const files: string[] = [];
      // A fixed order prevents deadlocks between concurrent deletions of the same keys.
      for (const key of keys.toSorted()) files.push(...((await removeObject(tx, bucket, key))?.files ?? []));
      return files;
    });
    await this.#discard(unneeded);
  }

  /** Throws `NoSuchBucket`. */
  async list(bucket: string, options: ListOptions): Promise<Listing> {
    const input = this.#readOnlyBuckets.get(bucket);
    if (input !== undefined) return listInMemory(await input.objects(), options);
    if ((await this.bucket(bucket)) === null) throw s3Error('NoSuchBucket');
    return listObjects(this.#db, bucket, options);
  }

  /** Throws `AccessDenied` for a read-only bucket. */
  checkWritable(bucket: string): void {
    if (this.#readOnlyBuckets.has(bucket)) throw s3Error('AccessDenied', `The bucket ${bucket} is read-only.`);
  }

  #newObject(bucket: string, key: string, rest: Omit<NewObject, 'bucket' | 'key' | 'id' | 'modifiedAtMs'>): NewObject {
    return { bucket, key, id: randomUUID(), modifiedAtMs: this.#clock.wallMs(), ...rest };
  }

  #publish(
    object: NewObject,
    pieces: readonly Piece[],
    condition: WriteCondition | undefined,
    beside: PutOptions['transactionHook'] = async () => undefined,
  ): Promise<string[]> {
    return write(this.#db, async (tx) => {
      const unneeded = await replaceObject(tx, object, condition);
      await insertPieces(tx, object.id, pieces, object.modifiedAtMs);
      await beside(tx, object);
      return unneeded;
    });
  }

  #opened(object: S3Object, pieces: readonly Piece[], files: readonly string[]): OpenObject {
    let isOpen = true;
    const close = (): void => {
      if (!isOpen) return;
      isOpen = false;
      void this.#release(files); // #release never throws.
    };
    const stream = (range: ByteRange = { start: 0, end: object.bytes }): Readable => {
      assert(isOpen, 'an object can be streamed only once, while it is open');
      return streamPieces(this.#files, pieces, range, close);
    };
    const isFiles = pieces.every(({ content }) => content === undefined);
    const paths = isFiles ? { files: () => Promise.all(pieces.map(({ sha256 }) => this.#files.fetch(sha256))) } : {};
    return { ...object, pieces, ...paths, stream, close };
  }

  async #hold(pieces: readonly Piece[]): Promise<string[]> {
    const files = [...new Set(pieces.flatMap(({ sha256, content }) => (content === undefined ? [sha256] : [])))];
    for (const sha256 of files) await this.#files.hold(sha256);
    return files;
  }

  async #release(files: readonly string[]): Promise<void> {
    for (const sha256 of files) await this.#files.release(sha256);
  }

  async #discard(files: readonly string[]): Promise<void> {
    for (const sha256 of files) await this.#files.discard(sha256);
  }
}
