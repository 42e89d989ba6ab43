/**
 * Buckets and their objects. The rows are in the database, and so are few bytes; more are in files by their content, which keys of the
 * same bytes share. What is acknowledged survives a kill; what is not was never there. The last writer of a key wins.
 */
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import type { Readable } from 'node:stream';
import type { Clock } from '../../clock.ts';
import { messageOf } from '../../errors.ts';
import type { Audit, Log } from '../../monitoring/index.ts';
import {
  type Database,
  type FileObjectStore,
  inTransaction,
  isForeignKeyViolation,
  isUniqueViolation,
  KeptObjects,
} from '../../storage/index.ts';
import type { GivenBucket } from './given-bucket.ts';
import { type Listing, type ListOptions, listGiven, listObjects } from './listing.ts';
import { checkBucketName, checkKey } from './names.ts';
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
import { insertPieces, type NewObject, objectOf, piecesOf, replaceObject, takeObject, takePieces } from './rows.ts';
import { refusal } from './s3-errors.ts';
import { S3Uploads } from './uploads.ts';
import { write } from './writes.ts';

export type { OpenObject } from './open-object.ts';

export interface S3StoreOptions {
  readonly db: Database;
  /** Files that nobody but this store puts or removes. */
  readonly files: FileObjectStore;
  readonly clock: Clock;
  readonly log: Log;
  /** Is told of buckets that are made and deleted. */
  readonly audit?: Pick<Audit, 'record'>;
  /** Buckets beside those of the database. */
  readonly given?: readonly GivenBucket[];
  /** 5 GiB unless given. */
  readonly objectBytesMax?: number;
  /** No more lie in the database itself. */
  readonly contentBytesMax?: number;
}

export interface Bucket {
  readonly name: string;
  readonly createdAtMs: number;
}

export interface ObjectName {
  readonly bucket: string;
  readonly key: string;
}

const gibibyte = 2 ** 30;

export class S3Store {
  readonly uploads: S3Uploads;
  /** The largest object. */
  readonly objectBytesMax: number;
  readonly #db: Database;
  readonly #fewMax: number;
  readonly #files: KeptObjects;
  readonly #clock: Clock;
  readonly #audit: Pick<Audit, 'record'> | undefined;
  readonly #given: ReadonlyMap<string, GivenBucket>;

  constructor(options: S3StoreOptions) {
    const { db, files, clock, log, audit, given = [], objectBytesMax = 5 * gibibyte } = options;
    this.#db = db;
    this.#fewMax = options.contentBytesMax ?? contentBytesMax;
    this.#clock = clock;
    this.#audit = audit;
    this.#given = new Map(given.map((bucket) => [bucket.name, bucket]));
    this.objectBytesMax = objectBytesMax;
    this.#files = new KeptObjects({
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
      onFailure: (sha256, error) => log.warn({ sha256, error: messageOf(error) }, 'a file that no object needs could not be removed'),
    });
    this.uploads = new S3Uploads({ db, files: this.#files, clock, objectBytesMax });
  }

  /** At start, before anything is written: removes what a killed process left half done. */
  async sweep(): Promise<void> {
    await this.#files.sweep();
  }

  /** Throws `InvalidBucketName`, `BucketAlreadyOwnedByYou`, `BucketAlreadyExists`. */
  async createBucket(name: string, who = 'penstock'): Promise<Bucket> {
    checkBucketName(name);
    if (this.#given.has(name)) throw refusal('BucketAlreadyExists');
    const createdAtMs = this.#clock.wallMs();
    try {
      await inTransaction(this.#db, async (tx) => {
        await tx.insertInto('s3_buckets').values({ name, created_at: createdAtMs }).execute();
        await this.#audit?.record(tx, { who, action: 'CreateBucket', target: name, outcome: 'ok', detail: {} });
      });
    } catch (error) {
      throw isUniqueViolation(error) ? refusal('BucketAlreadyOwnedByYou') : error;
    }
    return { name, createdAtMs };
  }

  async buckets(): Promise<Bucket[]> {
    const rows = await this.#db.selectFrom('s3_buckets').selectAll().orderBy('name').execute();
    const buckets: Bucket[] = rows.map(({ name, created_at }) => ({ name, createdAtMs: created_at }));
    for (const { name, createdAtMs } of this.#given.values()) buckets.push({ name, createdAtMs });
    return buckets.sort((a, b) => (a.name < b.name ? -1 : 1));
  }

  /** Null where there is none. */
  async bucket(name: string): Promise<Bucket | null> {
    const given = this.#given.get(name);
    if (given !== undefined) return { name, createdAtMs: given.createdAtMs };
    const row = await this.#db.selectFrom('s3_buckets').selectAll().where('name', '=', name).executeTakeFirst();
    return row === undefined ? null : { name: row.name, createdAtMs: row.created_at };
  }

  /** Uploads that were not completed go with it. Throws `NoSuchBucket`, `BucketNotEmpty`. */
  async deleteBucket(name: string, who = 'penstock'): Promise<void> {
    this.checkWritable(name);
    const unneeded = await inTransaction(this.#db, async (tx) => {
      const uploads = await tx.deleteFrom('s3_uploads').where('bucket', '=', name).returning('id').execute();
      const files: string[] = [];
      for (const { id } of uploads) files.push(...(await takePieces(tx, id)));
      const deleted = await tx.deleteFrom('s3_buckets').where('name', '=', name).returning('name').executeTakeFirst();
      if (deleted === undefined) throw refusal('NoSuchBucket');
      await this.#audit?.record(tx, { who, action: 'DeleteBucket', target: name, outcome: 'ok', detail: {} });
      return files;
    }).catch((error: unknown) => {
      throw isForeignKeyViolation(error) ? refusal('BucketNotEmpty') : error;
    });
    await this.#discard(unneeded);
  }

  /** What is under the key; null where there is no such bucket or key. */
  async head(bucket: string, key: string): Promise<S3Object | null> {
    const given = this.#given.get(bucket);
    if (given !== undefined) {
      const object = await given.open(key);
      object?.close();
      return object;
    }
    const row = await this.#db.selectFrom('s3_objects').selectAll().where('bucket', '=', bucket).where('key', '=', key).executeTakeFirst();
    return row === undefined ? null : objectOf(row);
  }

  /**
   * To read it; null where there is no such bucket or key. Read it or close it: until then its files take room, even
   * when it was deleted.
   */
  async open(bucket: string, key: string): Promise<OpenObject | null> {
    const given = this.#given.get(bucket);
    if (given !== undefined) return given.open(key);
    for (;;) {
      const object = await this.head(bucket, key);
      if (object === null) return null;
      const pieces = await piecesOf(this.#db, object.id);
      const files = await this.#hold(pieces);
      // Held only now: what was replaced meanwhile may have lost its files.
      if ((await this.head(bucket, key))?.id === object.id) return this.#opened(object, pieces, files);
      await this.#release(files);
    }
  }

  /**
   * Streams the bytes in and puts the object under its key once they have ended well; else nothing has
   * happened. Throws `NoSuchBucket`, `EntityTooLarge`, `PreconditionFailed`, `KeyTooLongError`, and what the source throws.
   */
  async put(bucket: string, key: string, source: AsyncIterable<Uint8Array> | Uint8Array, options: PutOptions = {}): Promise<S3Object> {
    checkKey(key);
    this.checkWritable(bucket);
    if ((await this.bucket(bucket)) === null) throw refusal('NoSuchBucket'); // before bytes come for nothing
    const stored = await storeContent(this.#files, source, { bytesMax: this.objectBytesMax, fewMax: this.#fewMax });
    let unneeded: string[] = [];
    try {
      const checksums = options.checksums?.() ?? {};
      const object = this.#newObject(bucket, key, {
        bytes: stored.bytes,
        etag: stored.md5,
        parts: null,
        headers: options.headers ?? {},
        checksums,
      });
      unneeded = await this.#publish(object, [{ position: 1, ...stored, checksums }], options.condition, options.beside);
      return { ...object, contentType: object.headers.contentType ?? contentTypeDefault };
    } finally {
      if (stored.content === undefined) await this.#files.release(stored.sha256);
      await this.#discard(unneeded);
    }
  }

  /** No byte is copied where both are kept here: the keys share the files. Throws `NoSuchKey`, `NoSuchBucket`, `PreconditionFailed`. */
  async copy(from: ObjectName, to: ObjectName, { headers, judge, condition }: CopyOptions = {}): Promise<S3Object> {
    checkKey(to.key);
    this.checkWritable(to.bucket);
    const source = await this.open(from.bucket, from.key);
    if (source === null) throw refusal((await this.bucket(from.bucket)) === null ? 'NoSuchBucket' : 'NoSuchKey');
    let unneeded: string[] = [];
    try {
      judge?.(source);
      if (this.#given.has(from.bucket)) {
        return await this.put(to.bucket, to.key, source.stream(), { headers: headers ?? source.headers, condition });
      }
      const { bytes, etag, parts, checksums, pieces } = source;
      const object = this.#newObject(to.bucket, to.key, { bytes, etag, parts, checksums, headers: headers ?? source.headers });
      unneeded = await this.#publish(object, pieces, condition);
      return { ...object, contentType: object.headers.contentType ?? contentTypeDefault };
    } finally {
      source.close();
      await this.#discard(unneeded);
    }
  }

  /** Answers whether there was anything. Throws `NoSuchBucket`. */
  async delete(bucket: string, key: string): Promise<boolean> {
    this.checkWritable(bucket);
    const taken = await inTransaction(this.#db, (tx) => takeObject(tx, bucket, key));
    if (taken === undefined && (await this.bucket(bucket)) === null) throw refusal('NoSuchBucket');
    await this.#discard(taken?.files ?? []);
    return taken !== undefined;
  }

  /** All of them or, where it throws, none. What is not there is passed over. */
  async deleteAll(bucket: string, keys: readonly string[]): Promise<void> {
    this.checkWritable(bucket);
    const unneeded = await inTransaction(this.#db, async (tx) => {
      const files: string[] = [];
      // In one order, so that two who delete the same keys do not wait for each other for ever.
      for (const key of keys.toSorted()) files.push(...((await takeObject(tx, bucket, key))?.files ?? []));
      return files;
    });
    await this.#discard(unneeded);
  }

  /** Throws `NoSuchBucket`. */
  async list(bucket: string, options: ListOptions): Promise<Listing> {
    const given = this.#given.get(bucket);
    if (given !== undefined) return listGiven(await given.objects(), options);
    if ((await this.bucket(bucket)) === null) throw refusal('NoSuchBucket');
    return listObjects(this.#db, bucket, options);
  }

  /** Throws `AccessDenied` for a bucket that only shows what is kept elsewhere. */
  checkWritable(bucket: string): void {
    if (this.#given.has(bucket)) throw refusal('AccessDenied', `The bucket ${bucket} can only be read: it shows what is kept elsewhere.`);
  }

  #newObject(bucket: string, key: string, rest: Omit<NewObject, 'bucket' | 'key' | 'id' | 'modifiedAtMs'>): NewObject {
    return { bucket, key, id: randomUUID(), modifiedAtMs: this.#clock.wallMs(), ...rest };
  }

  #publish(
    object: NewObject,
    pieces: readonly Piece[],
    condition: WriteCondition | undefined,
    beside: PutOptions['beside'] = async () => undefined,
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
      void this.#release(files); // never throws
    };
    const stream = (range: ByteRange = { start: 0, end: object.bytes }): Readable => {
      assert(isOpen, 'an object is read while it is open, and once');
      return streamPieces(this.#files, pieces, range, close);
    };
    const isFiles = pieces.every(({ content }) => content === undefined);
    const paths = isFiles ? { files: pieces.map(({ sha256 }) => this.#files.localPath(sha256)) } : {};
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
