/**
 * Settings of a bucket that clients make and read back, stored as sent. None changes what the server does: see `setting-operations.ts`.
 */
import type { Clock } from '../../../clock.ts';
import { type Database, inTransaction, type Transaction } from '../../../storage/index.ts';
import { Documents } from '../../sagemaker/documents.ts';
import { s3Error } from '../s3-errors.ts';

/** A setting for which the S3 API has operations to put and get it. */
export type SettingName = 'encryption' | 'ownershipControls' | 'publicAccessBlock' | 'tagging' | 'versioning';

type Stored = Readonly<Partial<Record<SettingName, string>>>;

/** The documents of all buckets' settings. */
export class BucketSettings {
  readonly #db: Database;
  readonly #documents: Documents;

  constructor({ db, clock }: { readonly db: Database; readonly clock: Clock }) {
    this.#db = db;
    this.#documents = new Documents({ db, clock });
  }

  async get(bucket: string, setting: SettingName): Promise<string | null> {
    return (await this.#documents.find<Stored>('bucket-settings', bucket))?.content[setting] ?? null;
  }

  /** Null removes it. Throws `NoSuchBucket`. */
  async set(bucket: string, setting: SettingName, xml: string | null): Promise<void> {
    await inTransaction(this.#db, async (tx) => {
      const found = await tx.selectFrom('s3_buckets').select('name').where('name', '=', bucket).executeTakeFirst();
      if (found === undefined) throw s3Error('NoSuchBucket');
      const { [setting]: _before, ...others } = (await this.#documents.find<Stored>('bucket-settings', bucket, tx))?.content ?? {};
      const content: Stored = xml === null ? others : { ...others, [setting]: xml };
      await this.#documents.put({ kind: 'bucket-settings', name: bucket, content }, tx);
    });
  }

  /** Part of the deletion of a bucket. */
  async remove(bucket: string, tx: Transaction): Promise<void> {
    await this.#documents.remove('bucket-settings', bucket, tx);
  }
}
