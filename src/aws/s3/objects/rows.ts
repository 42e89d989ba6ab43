/** Database rows of objects and their pieces, and the atomic replacement of the object under a key. */
import type { S3ObjectsTable, S3PiecesTable, Transaction } from '../../../storage/index.ts';
import { s3Error } from '../s3-errors.ts';
import { type Checksums, contentTypeDefault, type ObjectHeaders, type Piece, type S3Object, type WriteCondition } from './object.ts';

/** The object to store under a key. */
export interface NewObject {
  readonly bucket: string;
  readonly key: string;
  readonly id: string;
  readonly etag: string;
  readonly modifiedAtMs: number;
  readonly parts: number | null;
  readonly headers: ObjectHeaders;
  readonly checksums: Checksums;
  readonly bytes: number;
}

/** Reads the metadata of a row; the headers are stored as JSON. */
export function objectOf(row: S3ObjectsTable): S3Object {
  const headers = JSON.parse(row.headers) as ObjectHeaders;
  return {
    bucket: row.bucket,
    key: row.key,
    id: row.id,
    bytes: row.bytes,
    etag: row.etag,
    modifiedAtMs: row.modified_at,
    contentType: headers.contentType ?? contentTypeDefault,
    headers,
    checksums: JSON.parse(row.checksums) as Checksums,
    parts: row.parts,
  };
}

/** Reads the row of a piece. `content` is set for small pieces, which are stored in the database. */
export function pieceOf(row: S3PiecesTable): Piece {
  const { position, sha256, bytes, md5, content } = row;
  const checksums = JSON.parse(row.checksums) as Checksums;
  return { position, sha256, bytes, md5, checksums, content: content === null ? undefined : Buffer.from(content) };
}

/** The pieces of an object or upload, in order. */
export async function piecesOf(db: Pick<Transaction, 'selectFrom'>, owner: string): Promise<Piece[]> {
  const rows = await db.selectFrom('s3_pieces').selectAll().where('owner', '=', owner).orderBy('position').execute();
  return rows.map(pieceOf);
}

/**
 * Replaces the object under a key. Its pieces must be written in the same transaction. Returns the files that the previous object no
 * longer needs. A unique violation means that another writer won the race: retry the transaction. Throws `PreconditionFailed`, or
 * `NoSuchKey` if a condition requires an object and there is none.
 */
export async function replaceObject(tx: Transaction, object: NewObject, condition?: WriteCondition): Promise<string[]> {
  const before = await removeObject(tx, object.bucket, object.key);
  checkCondition(before?.etag, condition);
  await tx
    .insertInto('s3_objects')
    .values({
      bucket: object.bucket,
      key: object.key,
      id: object.id,
      bytes: object.bytes,
      etag: object.etag,
      modified_at: object.modifiedAtMs,
      parts: object.parts,
      headers: JSON.stringify(object.headers),
      checksums: JSON.stringify(object.checksums),
    })
    .execute();
  return before?.files ?? [];
}

/** Removes the object under a key with its pieces. Undefined if there is none. */
export async function removeObject(tx: Transaction, bucket: string, key: string): Promise<{ etag: string; files: string[] } | undefined> {
  const row = await tx
    .deleteFrom('s3_objects')
    .where('bucket', '=', bucket)
    .where('key', '=', key)
    .returning(['id', 'etag'])
    .executeTakeFirst();
  if (row === undefined) return undefined;
  return { etag: row.etag, files: await removePieces(tx, row.id) };
}

/** Removes the pieces of an object or upload and returns their files. */
export async function removePieces(tx: Transaction, owner: string): Promise<string[]> {
  const rows = await tx
    .deleteFrom('s3_pieces')
    .where('owner', '=', owner)
    .returning((row) => ['sha256', row('content', 'is', null).as('is_file')])
    .execute();
  return rows.flatMap(({ sha256, is_file: isFile }) => (isFile ? [sha256] : []));
}

/** Inserts in batches, because a statement has a limited number of parameters. */
export async function insertPieces(tx: Transaction, owner: string, pieces: readonly Piece[], atMs: number): Promise<void> {
  const atOnce = 500;
  for (let i = 0; i < pieces.length; i += atOnce) {
    const rows = pieces.slice(i, i + atOnce).map(({ position, sha256, bytes, md5, checksums, content = null }) => ({
      owner,
      position,
      sha256,
      bytes,
      md5,
      checksums: JSON.stringify(checksums),
      stored_at: atMs,
      content,
    }));
    await tx.insertInto('s3_pieces').values(rows).execute();
  }
}

function checkCondition(etag: string | undefined, condition: WriteCondition | undefined): void {
  if (condition === undefined) return;
  if ('absent' in condition) {
    if (etag !== undefined) throw s3Error('PreconditionFailed');
    return;
  }
  if (etag === undefined) throw s3Error('NoSuchKey');
  if (condition.etags !== '*' && !condition.etags.includes(etag)) throw s3Error('PreconditionFailed');
}
