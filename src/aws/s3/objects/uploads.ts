/**
 * Multipart uploads. A part is a piece owned by its upload. On completion the upload becomes an object of the same id, so no bytes are
 * moved.
 */
import { createHash, randomUUID } from 'node:crypto';
import type { Clock } from '../../../clock.ts';
import { type Database, inTransaction, isOutcomeUnknown, type RetainedObjects, type Transaction } from '../../../storage/index.ts';
import { checkKey, endOfPrefix } from '../buckets/bucket-name.ts';
import { s3Error } from '../s3-errors.ts';
import type { Checksums, ObjectHeaders, Piece, PutOptions, S3Object, WriteCondition } from './object.ts';
import { storeFile } from './pieces.ts';
import { objectOf, piecesOf, removePieces, replaceObject } from './rows.ts';
import { write } from './writes.ts';

/** An upload that is neither completed nor aborted. */
export interface MultipartUpload {
  readonly id: string;
  readonly bucket: string;
  readonly key: string;
  readonly headers: ObjectHeaders;
  readonly createdAtMs: number;
}

/** A part whose bytes are stored; sent again, it replaces the part with its number. */
export interface StoredPart extends Piece {
  readonly storedAtMs: number;
}

/** A part as listed by CompleteMultipartUpload. Absent members are not compared. */
export interface ChosenPart {
  readonly number: number;
  /** Without quotes. */
  readonly etag: string;
  readonly checksums: Checksums;
}

interface UploadsOptions {
  readonly db: Database;
  readonly files: RetainedObjects;
  readonly clock: Clock;
  readonly objectBytesMax: number;
}

/** Applied to the object that the upload becomes, in the same transaction. */
export interface CompleteOptions {
  readonly condition?: WriteCondition | undefined;
  /** The key that completes the upload. */
  readonly writer?: string;
}

/** Every call identifies an upload by its id and its key. */
export type UploadName = Pick<MultipartUpload, 'bucket' | 'key' | 'id'>;

/** AWS's limit; the first part is number 1. */
export const partNumberMax = 10_000;
/** Minimum size of every part except the last. */
export const partBytesMin = 5 * 2 ** 20;
/** Uploads not completed within this time are removed to free their disk space. */
const abandonedAfterMs = 7 * 24 * 3600 * 1000;

/** The uploads of an `S3Store`. */
export class S3Uploads {
  readonly #db: Database;
  readonly #files: RetainedObjects;
  readonly #clock: Clock;
  readonly #objectBytesMax: number;

  constructor({ db, files, clock, objectBytesMax }: UploadsOptions) {
    this.#db = db;
    this.#files = files;
    this.#clock = clock;
    this.#objectBytesMax = objectBytesMax;
  }

  /** Throws `NoSuchBucket`. */
  async create(bucket: string, key: string, headers: ObjectHeaders): Promise<MultipartUpload> {
    checkKey(key);
    await this.#abortAbandoned();
    const upload: MultipartUpload = { id: randomUUID(), bucket, key, headers, createdAtMs: this.#clock.wallMs() };
    const row = { id: upload.id, bucket, key, headers: JSON.stringify(headers), created_at: upload.createdAtMs };
    await write(this.#db, (tx) => tx.insertInto('s3_uploads').values(row).execute());
    return upload;
  }

  /** Repeating a part number replaces the part. Throws `NoSuchUpload`, `EntityTooLarge`, and any error of the source. */
  async putPart(
    name: UploadName,
    number: number,
    source: AsyncIterable<Uint8Array> | Uint8Array,
    { checksums, writer }: Pick<PutOptions, 'checksums'> & { readonly writer?: string } = {},
  ): Promise<StoredPart> {
    await this.find(name); // Fail before the body is transferred.
    const file = await storeFile(this.#files, source, this.#objectBytesMax);
    let unneeded: string[] = [];
    let mayBeNeeded = false;
    try {
      const storedAtMs = this.#clock.wallMs();
      const part: StoredPart = { position: number, ...file, checksums: checksums?.() ?? {}, storedAtMs };
      unneeded = await inTransaction(this.#db, (tx) => replacePart(tx, name, part, writer));
      return part;
    } catch (error) {
      mayBeNeeded = isOutcomeUnknown(error);
      throw error;
    } finally {
      await this.#files.release(file.sha256, { mayBeNeeded });
      for (const sha256 of unneeded) await this.#files.discard(sha256);
    }
  }

  /** Throws `NoSuchUpload`. */
  async find({ bucket, key, id }: UploadName): Promise<MultipartUpload> {
    const row = await this.#db.selectFrom('s3_uploads').selectAll().where('id', '=', id).executeTakeFirst();
    if (row?.bucket !== bucket || row.key !== key) throw s3Error('NoSuchUpload');
    return { id, bucket, key, headers: JSON.parse(row.headers) as ObjectHeaders, createdAtMs: row.created_at };
  }

  /** The parts after this number, in order. Throws `NoSuchUpload`. */
  async parts(name: UploadName, after: number, partsMax: number): Promise<StoredPart[]> {
    await this.find(name);
    const rows = await this.#db
      .selectFrom('s3_pieces')
      .selectAll()
      .where('owner', '=', name.id)
      .where('position', '>', after)
      .orderBy('position')
      .limit(partsMax)
      .execute();
    return rows.map(({ position, sha256, bytes, md5, checksums, stored_at }) => {
      return { position, sha256, bytes, md5, checksums: JSON.parse(checksums) as Checksums, storedAtMs: stored_at };
    });
  }

  /** The uploads of a bucket by key and id, after the given position. */
  async list(
    bucket: string,
    prefix: string,
    after: { readonly key: string; readonly id: string },
    uploadsMax: number,
  ): Promise<MultipartUpload[]> {
    const end = endOfPrefix(prefix);
    let query = this.#db
      .selectFrom('s3_uploads')
      .selectAll()
      .where('bucket', '=', bucket)
      .where('key', '>=', prefix)
      .where((where) => where.or([where('key', '>', after.key), where.and([where('key', '=', after.key), where('id', '>', after.id)])]));
    if (end !== null) query = query.where('key', '<', end);
    const rows = await query.orderBy('key').orderBy('id').limit(uploadsMax).execute();
    return rows.map(({ id, key, headers, created_at }) => {
      return { id, bucket, key, headers: JSON.parse(headers) as ObjectHeaders, createdAtMs: created_at };
    });
  }

  /**
   * Builds the object from the chosen parts in this order. A repeated call returns the same result, for clients that missed the response.
   * Throws `NoSuchUpload`, `InvalidPart`, `InvalidPartOrder`, `EntityTooSmall`, `EntityTooLarge` or `PreconditionFailed`.
   */
  async complete(name: UploadName, chosen: readonly ChosenPart[], options: CompleteOptions = {}): Promise<S3Object> {
    const { object, unneeded } = await write(this.#db, (tx) => this.#completeIn(tx, name, chosen, options));
    for (const sha256 of unneeded) await this.#files.discard(sha256);
    return object;
  }

  /** Throws `NoSuchUpload`. */
  async abort({ bucket, key, id }: UploadName): Promise<void> {
    const unneeded = await inTransaction(this.#db, async (tx) => {
      const deleted = tx.deleteFrom('s3_uploads').where('id', '=', id).where('bucket', '=', bucket).where('key', '=', key);
      if ((await deleted.returning('id').executeTakeFirst()) === undefined) throw s3Error('NoSuchUpload');
      return removePieces(tx, id);
    });
    for (const sha256 of unneeded) await this.#files.discard(sha256);
  }

  async #completeIn(
    tx: Transaction,
    { bucket, key, id }: UploadName,
    chosen: readonly ChosenPart[],
    { condition, writer }: CompleteOptions,
  ) {
    const upload = await tx
      .deleteFrom('s3_uploads')
      .where('id', '=', id)
      .where('bucket', '=', bucket)
      .where('key', '=', key)
      .returning('headers')
      .executeTakeFirst();
    if (upload === undefined) return { object: await completedBefore(tx, { bucket, key, id }), unneeded: [] };
    const all = await piecesOf(tx, id);
    const pieces = choose(all, chosen);
    const bytes = pieces.reduce((sum, piece) => sum + piece.bytes, 0);
    if (bytes > this.#objectBytesMax) throw s3Error('EntityTooLarge');
    const row = {
      bucket,
      key,
      id,
      bytes,
      etag: etagOfParts(pieces),
      modifiedAtMs: this.#clock.wallMs(),
      parts: pieces.length,
      headers: byOneWriter(JSON.parse(upload.headers) as ObjectHeaders, writer),
      checksums: {},
    };
    const unneeded = await replaceObject(tx, row, condition);
    const retained = new Set(pieces.map(({ position }) => position));
    for (const { position, sha256 } of all.filter((piece) => !retained.has(piece.position))) {
      await tx.deleteFrom('s3_pieces').where('owner', '=', id).where('position', '=', position).execute();
      unneeded.push(sha256);
    }
    const written = await tx
      .selectFrom('s3_objects')
      .selectAll()
      .where('bucket', '=', bucket)
      .where('key', '=', key)
      .executeTakeFirstOrThrow();
    return { object: objectOf(written), unneeded };
  }

  async #abortAbandoned(): Promise<void> {
    const before = this.#clock.wallMs() - abandonedAfterMs;
    const uploads = await this.#db
      .selectFrom('s3_uploads')
      .select(['id', 'bucket', 'key'])
      .where('created_at', '<', before)
      .limit(100)
      .execute();
    for (const upload of uploads) await this.abort(upload).catch(() => undefined); // Another caller aborted it first.
  }
}

/** Returns the file that the part replaces. The update locks the upload's row, so completion and abortion wait for this transaction. */
async function replacePart(tx: Transaction, { bucket, key, id }: UploadName, part: StoredPart, writer?: string): Promise<string[]> {
  const upload = await tx
    .updateTable('s3_uploads')
    .set({ id })
    .where('id', '=', id)
    .where('bucket', '=', bucket)
    .where('key', '=', key)
    .returning('headers')
    .executeTakeFirst();
  if (upload === undefined) throw s3Error('NoSuchUpload');
  const headers = JSON.stringify(byOneWriter(JSON.parse(upload.headers) as ObjectHeaders, writer));
  if (headers !== upload.headers) await tx.updateTable('s3_uploads').set({ headers }).where('id', '=', id).execute();
  const before = tx.deleteFrom('s3_pieces').where('owner', '=', id).where('position', '=', part.position).returning('sha256');
  const files = (await before.execute()).map(({ sha256 }) => sha256);
  const { position, sha256, bytes, md5, checksums, storedAtMs } = part;
  const row = { owner: id, position, sha256, bytes, md5, checksums: JSON.stringify(checksums), stored_at: storedAtMs };
  await tx.insertInto('s3_pieces').values(row).execute();
  return files;
}

/** An upload to which several keys contributed has no writer: none of them chose all of its bytes. */
function byOneWriter({ writer: first, ...headers }: ObjectHeaders, writer: string | undefined): ObjectHeaders {
  return first === undefined || first !== writer ? headers : { ...headers, writer };
}

async function completedBefore(tx: Transaction, { bucket, key, id }: UploadName): Promise<S3Object> {
  const row = await tx
    .selectFrom('s3_objects')
    .selectAll()
    .where('bucket', '=', bucket)
    .where('key', '=', key)
    .where('id', '=', id)
    .executeTakeFirst();
  if (row === undefined) throw s3Error('NoSuchUpload');
  return objectOf(row);
}

/** Validates the chosen parts against the uploaded ones. */
function choose(all: readonly Piece[], chosen: readonly ChosenPart[]): Piece[] {
  const byNumber = new Map(all.map((piece) => [piece.position, piece]));
  const pieces = chosen.map(({ number, etag, checksums }, i) => {
    if (i > 0 && number <= (chosen[i - 1] as ChosenPart).number) throw s3Error('InvalidPartOrder');
    const piece = byNumber.get(number);
    if (piece?.md5 !== etag) throw s3Error('InvalidPart');
    for (const [algorithm, value] of Object.entries(checksums)) {
      if (piece.checksums[algorithm] !== undefined && piece.checksums[algorithm] !== value) throw s3Error('InvalidPart');
    }
    return piece;
  });
  if (pieces.slice(0, -1).some(({ bytes }) => bytes < partBytesMin)) throw s3Error('EntityTooSmall');
  return pieces;
}

/** The MD5 of the parts' MD5s and their number, as S3 computes it, because some clients compare it. */
function etagOfParts(pieces: readonly Piece[]): string {
  const hash = createHash('md5');
  for (const { md5 } of pieces) hash.update(md5, 'hex');
  return `${hash.digest('hex')}-${pieces.length}`;
}
