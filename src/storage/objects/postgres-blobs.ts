/** Blobs in the tables of PostgreSQL, in chunks. For installations without S3: it carries each object twice, in its log too. */
import { randomUUID } from 'node:crypto';
import type { Clock } from '../../clock.ts';
import { PlatformError } from '../../errors.ts';
import type { Database } from '../tables.ts';
import { type Blob, type Blobs, blobParts, type NewBlob } from './blobs.ts';
import { missingObject } from './object-store.ts';

const chunkBytes = 1024 * 1024;
const blobBytesMax = 2 ** 30;
const pageSize = 1000;

/** Chunks are written one by one, so that no transaction lasts as long as an upload; then the row of the blob publishes them. */
export class PostgresBlobs implements Blobs {
  readonly place: string;
  readonly #db: Database;
  readonly #clock: Clock;

  /** `place`: the database, without its password. */
  constructor(db: Database, place: string, clock: Clock) {
    this.#db = db;
    this.place = place;
    this.#clock = clock;
  }

  /** Writes chunks under a new upload, then makes it the blob of the key: a reader sees all of it or none. */
  async write(key: string, blob: NewBlob): Promise<void> {
    if (blob.bytes > blobBytesMax) {
      const text = `the artifact has ${blob.bytes} bytes: PostgreSQL stores at most ${blobBytesMax}`;
      throw new PlatformError('too_large', `${text}. Use S3 for larger ones: --objects s3://BUCKET/PREFIX`);
    }
    const upload = randomUUID();
    let position = 0;
    try {
      // Outside of one transaction, which would hold a connection for the time of the upload.
      for await (const content of blobParts(blob, chunkBytes)) {
        await this.#db
          .insertInto('object_chunks')
          .values({ upload, position: position++, content, stored_at: this.#clock.wallMs() })
          .execute();
      }
      await this.#publish(key, upload, blob.bytes);
    } catch (error) {
      await this.#db
        .deleteFrom('object_chunks')
        .where('upload', '=', upload)
        .where('upload', 'not in', (query) => query.selectFrom('object_blobs').select('upload'))
        .execute()
        .catch(() => undefined); // Report the original error; `sweepUploads` deletes what is left.
      throw error;
    }
  }

  async sizeOf(key: string): Promise<number | undefined> {
    return (await this.#db.selectFrom('object_blobs').select('bytes').where('key', '=', key).executeTakeFirst())?.bytes;
  }

  async *read(key: string, start: number, end: number): AsyncGenerator<Buffer> {
    if (start >= end) return;
    const blob = await this.#db.selectFrom('object_blobs').select('upload').where('key', '=', key).executeTakeFirst();
    if (blob === undefined) throw missingObject(key);
    for (let position = Math.floor(start / chunkBytes); position * chunkBytes < end; position++) {
      const chunk = await this.#db
        .selectFrom('object_chunks')
        .select('content')
        .where('upload', '=', blob.upload)
        .where('position', '=', position)
        .executeTakeFirst();
      // Deleted or replaced in the meantime.
      if (chunk === undefined) throw missingObject(key);
      const offset = position * chunkBytes;
      yield Buffer.from(chunk.content).subarray(Math.max(start - offset, 0), end - offset);
    }
  }

  async *list(prefix: string): AsyncGenerator<Blob> {
    for (let after = ''; ; ) {
      const rows = await this.#db
        .selectFrom('object_blobs')
        .select(['key', 'bytes', 'modified_at'])
        .where('key', '>', after)
        .where('key', '>=', prefix)
        .where('key', '<', `${prefix}\u{10ffff}`)
        .orderBy('key')
        .limit(pageSize)
        .execute();
      for (const { key, bytes, modified_at } of rows) yield { key, bytes, modifiedAtMs: modified_at };
      const last = rows.at(-1);
      if (last === undefined || rows.length < pageSize) return;
      after = last.key;
    }
  }

  async move(from: string, to: string): Promise<boolean> {
    return this.#db
      .withoutPlugins()
      .transaction()
      .execute(async (tx) => {
        const moved = await tx.selectFrom('object_blobs').select('upload').where('key', '=', from).forUpdate().executeTakeFirst();
        if (moved === undefined) return false;
        const replaced = await tx.deleteFrom('object_blobs').where('key', '=', to).returning('upload').execute();
        for (const { upload } of replaced) await tx.deleteFrom('object_chunks').where('upload', '=', upload).execute();
        await tx.updateTable('object_blobs').set({ key: to, modified_at: this.#clock.wallMs() }).where('key', '=', from).execute();
        return true;
      });
  }

  async delete(key: string): Promise<void> {
    await this.#db
      .withoutPlugins()
      .transaction()
      .execute(async (tx) => {
        const deleted = await tx.deleteFrom('object_blobs').where('key', '=', key).returning('upload').execute();
        for (const { upload } of deleted) await tx.deleteFrom('object_chunks').where('upload', '=', upload).execute();
      });
  }

  async sweepUploads(beforeMs: number): Promise<void> {
    await this.#db
      .deleteFrom('object_chunks')
      .where('stored_at', '<', beforeMs)
      .where('upload', 'not in', (query) => query.selectFrom('object_blobs').select('upload'))
      .execute();
  }

  /** The database belongs to the caller. */
  async close(): Promise<void> {}

  #publish(key: string, upload: string, bytes: number): Promise<void> {
    const blob = { upload, bytes, modified_at: this.#clock.wallMs() };
    return this.#db
      .withoutPlugins()
      .transaction()
      .execute(async (tx) => {
        const replaced = await tx.selectFrom('object_blobs').select('upload').where('key', '=', key).forUpdate().executeTakeFirst();
        await tx
          .insertInto('object_blobs')
          .values({ key, ...blob })
          .onConflict((conflict) => conflict.column('key').doUpdateSet(blob))
          .execute();
        if (replaced !== undefined) await tx.deleteFrom('object_chunks').where('upload', '=', replaced.upload).execute();
      });
  }
}
