/**
 * Deletes uploaded data that no job was made of, because the server was killed between the upload and the job. The id of such an upload was
 * never returned to its client. Nothing is deleted if anything that could refer to it cannot be read.
 */
import { type Clock, Loop } from '../clock.ts';
import { messageOf } from '../errors.ts';
import type { Log } from '../logs/index.ts';
import type { Database } from '../storage/index.ts';
import { nextTurn } from '../threads/index.ts';
import type { TrainingBuckets } from './attempts/buckets.ts';
import { isUsed, trainingBucket, uploadIdOf, uploadMark, uploadsFolder } from './uploaded-data.ts';

interface ListedFrom {
  readonly key: string;
  readonly inclusive: boolean;
}

/** The object store as the sweep needs it. */
export interface SweptBuckets extends Pick<TrainingBuckets, 'bucket' | 'deleteAll'> {
  list(
    bucket: string,
    options: { readonly prefix: string; readonly delimiter?: string; readonly from?: ListedFrom | undefined; readonly itemsMax: number },
  ): Promise<{
    readonly objects: readonly { readonly key: string; readonly modifiedAtMs: number }[];
    readonly prefixes: readonly string[];
    readonly next: ListedFrom | null;
  }>;
  head(
    bucket: string,
    key: string,
  ): Promise<{ readonly headers: { readonly metadata?: Readonly<Record<string, string>> | undefined } } | null>;
}

export interface UploadSweepDeps {
  readonly db: Database;
  readonly buckets: SweptBuckets;
  readonly clock: Clock;
  readonly log: Pick<Log, 'warn'>;
}

const firstMs = 15 * 60_000;
const everyMs = 24 * 3_600_000;
/** Longer than any request lasts. */
const ageMsMin = 24 * 3_600_000;
/** Of one sweep; the next one continues. */
const foldersMax = 10_000;
const objectsMax = 20_000;
const foldersAtOnce = 500;
const objectsAtOnce = 200;
const rowsAtOnce = 50;
const ids = /[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}/g;

/** Once a day, within bounds. A request cannot outlive its server, so what this server received is left alone. */
export class UploadSweep {
  readonly #deps: UploadSweepDeps;
  readonly #loop: Loop;
  readonly #startedAtMs: number;
  #from: ListedFrom | undefined;
  #isClosed = false;

  constructor(deps: UploadSweepDeps) {
    this.#deps = deps;
    this.#startedAtMs = deps.clock.wallMs();
    const onFailure = (error: unknown): void =>
      deps.log.warn({ error: messageOf(error) }, 'failed to look for uploaded data without a job, will retry');
    const run = async (): Promise<void> => {
      await this.sweep();
    };
    this.#loop = new Loop({ clock: deps.clock, everyMs, run, onFailure });
  }

  open(): void {
    this.#loop.open(firstMs);
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    await this.#loop.close();
  }

  /** Returns the number of deleted objects. Throws if something cannot be read; nothing is deleted after that. */
  async sweep(): Promise<number> {
    const { db, buckets, log } = this.#deps;
    if ((await buckets.bucket(trainingBucket)) === null) return 0;
    const folders = await this.#folders();
    await this.#discardUsed(folders);
    let deleted = 0;
    for (const folder of folders.values()) {
      if (this.#isClosed || deleted >= objectsMax) break;
      // The other tables, and jobs that were created meanwhile.
      if (await isUsed(db, folder)) continue;
      const count = await this.#deleteObjects(folder, objectsMax - deleted);
      if (count > 0) log.warn({ folder, objects: count }, 'deleted uploaded data that no job was made of');
      deleted += count;
    }
    return deleted;
  }

  /** Folders of uploads, by id. */
  async #folders(): Promise<Map<string, string>> {
    const folders = new Map<string, string>();
    do {
      const options = { prefix: uploadsFolder, delimiter: '/', from: this.#from, itemsMax: foldersAtOnce };
      const { prefixes, next } = await this.#deps.buckets.list(trainingBucket, options);
      for (const folder of prefixes) {
        const id = uploadIdOf(folder);
        if (id !== null) folders.set(id, folder);
      }
      this.#from = next ?? undefined;
      await nextTurn();
    } while (this.#from !== undefined && folders.size < foldersMax && !this.#isClosed);
    return folders;
  }

  /** Most uploads belong to training jobs, so those are read once, and not once for each upload. */
  async #discardUsed(folders: Map<string, string>): Promise<void> {
    const { db } = this.#deps;
    for (const table of ['training_jobs', 'tuning_jobs'] as const) {
      for (let after = ''; folders.size > 0 && !this.#isClosed; ) {
        const query = db.selectFrom(table).select(['name_key', 'document']).where('name_key', '>', after).orderBy('name_key');
        const rows = await query.limit(rowsAtOnce).execute();
        for (const { document } of rows) for (const [id] of document.matchAll(ids)) folders.delete(id);
        const last = rows.at(-1);
        if (last === undefined || rows.length < rowsAtOnce) break;
        after = last.name_key;
        await nextTurn();
      }
    }
  }

  async #deleteObjects(folder: string, most: number): Promise<number> {
    const { buckets, clock } = this.#deps;
    const beforeMs = Math.min(this.#startedAtMs, clock.wallMs() - ageMsMin);
    let deleted = 0;
    for (let from: ListedFrom | undefined; deleted < most && !this.#isClosed; ) {
      const { objects, next } = await buckets.list(trainingBucket, { prefix: folder, from, itemsMax: objectsAtOnce });
      const keys: string[] = [];
      for (const { key, modifiedAtMs } of objects) if (modifiedAtMs < beforeMs && (await this.#isUpload(key))) keys.push(key);
      if (keys.length > 0) await buckets.deleteAll(trainingBucket, keys);
      deleted += keys.length;
      if (next === null) break;
      from = next;
      await nextTurn();
    }
    return deleted;
  }

  async #isUpload(key: string): Promise<boolean> {
    const metadata = (await this.#deps.buckets.head(trainingBucket, key))?.headers.metadata ?? {};
    return Object.entries(uploadMark).every(([name, value]) => metadata[name] === value);
  }
}
