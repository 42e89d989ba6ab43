/**
 * Uploads in parts. A part is a piece that belongs to its upload; on completion the upload becomes an object of the
 * same id, so no byte is moved.
 */
import { createHash, randomUUID } from 'node:crypto';
import type { Clock } from '../../clock.ts';
import { type Database, inTransaction, type KeptObjects, type Transaction } from '../../storage/index.ts';
import { checkKey, endOfPrefix } from './names.ts';
import type { Checksums, ObjectHeaders, Piece, PutOptions, S3Object, WriteCondition } from './object.ts';
import { storeFile } from './pieces.ts';
import { objectOf, piecesOf, replaceObject, takePieces } from './rows.ts';
import { refusal } from './s3-errors.ts';
import { write } from './writes.ts';

export interface Upload {
  readonly id: string;
  readonly bucket: string;
  readonly key: string;
  readonly headers: ObjectHeaders;
  readonly createdAtMs: number;
}

export interface StoredPart extends Piece {
  readonly storedAtMs: number;
}

/** A part as its uploader names it on completion; what is not given is not compared. */
export interface ChosenPart {
  readonly number: number;
  /** Without quotes. */
  readonly etag: string;
  readonly checksums: Checksums;
}

interface UploadsOptions {
  readonly db: Database;
  readonly files: KeptObjects;
  readonly clock: Clock;
  readonly objectBytesMax: number;
}

/** Of an upload: its id together with the key it is for, as every call names them. */
export type UploadName = Pick<Upload, 'bucket' | 'key' | 'id'>;

export const partNumberMax = 10_000;
/** Of every part but the last. */
export const partBytesMin = 5 * 2 ** 20;
/** Nobody completes an upload after so long: its parts only take room. */
const abandonedAfterMs = 7 * 24 * 3600 * 1000;

export class S3Uploads {
  readonly #db: Database;
  readonly #files: KeptObjects;
  readonly #clock: Clock;
  readonly #objectBytesMax: number;

  constructor({ db, files, clock, objectBytesMax }: UploadsOptions) {
    this.#db = db;
    this.#files = files;
    this.#clock = clock;
    this.#objectBytesMax = objectBytesMax;
  }

  /** Throws `NoSuchBucket`. */
  async create(bucket: string, key: string, headers: ObjectHeaders): Promise<Upload> {
    checkKey(key);
    await this.#abortAbandoned();
    const upload: Upload = { id: randomUUID(), bucket, key, headers, createdAtMs: this.#clock.wallMs() };
    const row = { id: upload.id, bucket, key, headers: JSON.stringify(headers), created_at: upload.createdAtMs };
    await write(this.#db, (tx) => tx.insertInto('s3_uploads').values(row).execute());
    return upload;
  }

  /** The same number again replaces the part. Throws `NoSuchUpload`, `EntityTooLarge`, and what the source throws. */
  async putPart(
    name: UploadName,
    number: number,
    source: AsyncIterable<Uint8Array> | Uint8Array,
    { checksums }: Pick<PutOptions, 'checksums'> = {},
  ): Promise<StoredPart> {
    await this.find(name); // before bytes come for nothing
    const file = await storeFile(this.#files, source, this.#objectBytesMax);
    let unneeded: string[] = [];
    try {
      const storedAtMs = this.#clock.wallMs();
      const part: StoredPart = { position: number, ...file, checksums: checksums?.() ?? {}, storedAtMs };
      unneeded = await inTransaction(this.#db, (tx) => replacePart(tx, name, part));
      return part;
    } finally {
      await this.#files.release(file.sha256);
      for (const sha256 of unneeded) await this.#files.discard(sha256);
    }
  }

  /** Throws `NoSuchUpload`. */
  async find({ bucket, key, id }: UploadName): Promise<Upload> {
    const row = await this.#db.selectFrom('s3_uploads').selectAll().where('id', '=', id).executeTakeFirst();
    if (row?.bucket !== bucket || row.key !== key) throw refusal('NoSuchUpload');
    return { id, bucket, key, headers: JSON.parse(row.headers) as ObjectHeaders, createdAtMs: row.created_at };
  }

  /** The parts behind this number, in order. Throws `NoSuchUpload`. */
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

  /** Uploads of a bucket by key and id, behind the given ones. */
  async list(bucket: string, prefix: string, after: { readonly key: string; readonly id: string }, uploadsMax: number): Promise<Upload[]> {
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
   * The chosen parts, in this order, are the object. The same again, by who did not hear the answer, answers the same.
   * Throws `NoSuchUpload`, `InvalidPart`, `InvalidPartOrder`, `EntityTooSmall`, `EntityTooLarge`, `PreconditionFailed`.
   */
  async complete(name: UploadName, chosen: readonly ChosenPart[], condition?: WriteCondition): Promise<S3Object> {
    const { object, unneeded } = await write(this.#db, (tx) => this.#completeIn(tx, name, chosen, condition));
    for (const sha256 of unneeded) await this.#files.discard(sha256);
    return object;
  }

  /** Throws `NoSuchUpload`. */
  async abort({ bucket, key, id }: UploadName): Promise<void> {
    const unneeded = await inTransaction(this.#db, async (tx) => {
      const deleted = tx.deleteFrom('s3_uploads').where('id', '=', id).where('bucket', '=', bucket).where('key', '=', key);
      if ((await deleted.returning('id').executeTakeFirst()) === undefined) throw refusal('NoSuchUpload');
      return takePieces(tx, id);
    });
    for (const sha256 of unneeded) await this.#files.discard(sha256);
  }

  async #completeIn(tx: Transaction, { bucket, key, id }: UploadName, chosen: readonly ChosenPart[], condition?: WriteCondition) {
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
    if (bytes > this.#objectBytesMax) throw refusal('EntityTooLarge');
    const row = {
      bucket,
      key,
      id,
      bytes,
      etag: etagOfParts(pieces),
      modifiedAtMs: this.#clock.wallMs(),
      parts: pieces.length,
      headers: JSON.parse(upload.headers) as ObjectHeaders,
      checksums: {},
    };
    const unneeded = await replaceObject(tx, row, condition);
    const kept = new Set(pieces.map(({ position }) => position));
    for (const { position, sha256 } of all.filter((piece) => !kept.has(piece.position))) {
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
    for (const upload of uploads) await this.abort(upload).catch(() => undefined); // somebody else was first
  }
}

/** Answers the file that the part had before. The update keeps completion and abortion waiting until this is over. */
async function replacePart(tx: Transaction, { bucket, key, id }: UploadName, part: StoredPart): Promise<string[]> {
  const upload = await tx
    .updateTable('s3_uploads')
    .set({ id })
    .where('id', '=', id)
    .where('bucket', '=', bucket)
    .where('key', '=', key)
    .returning('id')
    .executeTakeFirst();
  if (upload === undefined) throw refusal('NoSuchUpload');
  const before = tx.deleteFrom('s3_pieces').where('owner', '=', id).where('position', '=', part.position).returning('sha256');
  const files = (await before.execute()).map(({ sha256 }) => sha256);
  const { position, sha256, bytes, md5, checksums, storedAtMs } = part;
  const row = { owner: id, position, sha256, bytes, md5, checksums: JSON.stringify(checksums), stored_at: storedAtMs };
  await tx.insertInto('s3_pieces').values(row).execute();
  return files;
}

async function completedBefore(tx: Transaction, { bucket, key, id }: UploadName): Promise<S3Object> {
  const row = await tx
    .selectFrom('s3_objects')
    .selectAll()
    .where('bucket', '=', bucket)
    .where('key', '=', key)
    .where('id', '=', id)
    .executeTakeFirst();
  if (row === undefined) throw refusal('NoSuchUpload');
  return objectOf(row);
}

/** The pieces that were chosen, checked against what was uploaded. */
function choose(all: readonly Piece[], chosen: readonly ChosenPart[]): Piece[] {
  const byNumber = new Map(all.map((piece) => [piece.position, piece]));
  const pieces = chosen.map(({ number, etag, checksums }, i) => {
    if (i > 0 && number <= (chosen[i - 1] as ChosenPart).number) throw refusal('InvalidPartOrder');
    const piece = byNumber.get(number);
    if (piece?.md5 !== etag) throw refusal('InvalidPart');
    for (const [algorithm, value] of Object.entries(checksums)) {
      if (piece.checksums[algorithm] !== undefined && piece.checksums[algorithm] !== value) throw refusal('InvalidPart');
    }
    return piece;
  });
  if (pieces.slice(0, -1).some(({ bytes }) => bytes < partBytesMin)) throw refusal('EntityTooSmall');
  return pieces;
}

/** md5 of the parts' md5s, and their number: so every S3 computes it, and some clients compare. */
function etagOfParts(pieces: readonly Piece[]): string {
  const hash = createHash('md5');
  for (const { md5 } of pieces) hash.update(md5, 'hex');
  return `${hash.digest('hex')}-${pieces.length}`;
}
