/** How objects and their pieces lie in the database, and how a key gets another object in one step. */
import type { S3ObjectsTable, S3PiecesTable, Transaction } from '../../storage/index.ts';
import { type Checksums, contentTypeDefault, type ObjectHeaders, type Piece, type S3Object, type WriteCondition } from './object.ts';
import { refusal } from './s3-errors.ts';

/** What a key is to hold. */
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
 * The key holds this object from now on; its pieces have been or will be written in the same transaction. Answers the
 * files that what it held before needs no more. A unique violation means that another writer came first: begin anew.
 * Throws `PreconditionFailed`, `NoSuchKey` where a condition asks for an object and there is none.
 */
export async function replaceObject(tx: Transaction, object: NewObject, condition?: WriteCondition): Promise<string[]> {
  const before = await takeObject(tx, object.bucket, object.key);
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

/** Takes the object from its key, together with its pieces; answers undefined where there is none. */
export async function takeObject(tx: Transaction, bucket: string, key: string): Promise<{ etag: string; files: string[] } | undefined> {
  const row = await tx
    .deleteFrom('s3_objects')
    .where('bucket', '=', bucket)
    .where('key', '=', key)
    .returning(['id', 'etag'])
    .executeTakeFirst();
  if (row === undefined) return undefined;
  return { etag: row.etag, files: await takePieces(tx, row.id) };
}

/** Takes the pieces of an object or upload away and answers their files. */
export async function takePieces(tx: Transaction, owner: string): Promise<string[]> {
  const rows = await tx
    .deleteFrom('s3_pieces')
    .where('owner', '=', owner)
    .returning((row) => ['sha256', row('content', 'is', null).as('is_file')])
    .execute();
  return rows.flatMap(({ sha256, is_file: isFile }) => (isFile ? [sha256] : []));
}

/** In portions: a statement takes only so many parameters. */
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
    if (etag !== undefined) throw refusal('PreconditionFailed');
    return;
  }
  if (etag === undefined) throw refusal('NoSuchKey');
  if (condition.etags !== '*' && !condition.etags.includes(etag)) throw refusal('PreconditionFailed');
}
